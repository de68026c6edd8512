#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "framework/base/cache_line.h"
#include "sched/timer_wheel.h"

namespace pelton {
namespace {

constexpr int64_t kStart = int64_t{1} << 50;
constexpr int64_t kSecond = 1'000'000'000;
constexpr size_t kBudget = 256;

// On a line of its own, as in a coroutine frame.
struct alignas(kCacheLineBytes) Timer : TimerNode {};

// Small, fast and the same in every run.
class Random {
 public:
  uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  uint64_t state_ = 88172645463325252;
};

// A wheel with many timers armed, uniform over a minute.
class Crowd {
 public:
  explicit Crowd(size_t timers) : timers_(timers) {
    for (Timer& timer : timers_) wheel_.Arm(timer, Deadline());
  }
  ~Crowd() {
    for (Timer& timer : timers_) {
      if (timer.armed()) wheel_.Cancel(timer);
    }
  }

  TimerWheel& wheel() { return wheel_; }
  Timer& Any() { return timers_[random_.Next() % timers_.size()]; }
  int64_t Deadline() { return kStart + static_cast<int64_t>(random_.Next() % (60 * kSecond)); }

 private:
  TimerWheel wheel_{kStart};
  Random random_;
  std::vector<Timer> timers_;
};

// A request: its time-out is armed, and cancelled soon after. Items are pairs.
void BM_TimerWheel_ArmThenCancel(benchmark::State& state) {
  Crowd crowd(state.range(0));
  Timer timer;
  int64_t deadline = kStart + 30 * kSecond;
  for (auto _ : state) {
    crowd.wheel().Arm(timer, deadline);
    benchmark::DoNotOptimize(timer);
    crowd.wheel().Cancel(timer);
    deadline += 1000;
  }
}
BENCHMARK(BM_TimerWheel_ArmThenCancel)->Arg(1024)->Arg(1 << 20);

// Any of the armed timers is cancelled and armed for another time: every line that is touched is
// cold.
void BM_TimerWheel_CancelThenArmAnyOf(benchmark::State& state) {
  Crowd crowd(state.range(0));
  for (auto _ : state) {
    Timer& timer = crowd.Any();
    crowd.wheel().Cancel(timer);
    crowd.wheel().Arm(timer, crowd.Deadline());
  }
}
BENCHMARK(BM_TimerWheel_CancelThenArmAnyOf)->Arg(1024)->Arg(1 << 20);

// An idle time-out that a request puts off.
void BM_TimerWheel_RearmLaterAnyOf(benchmark::State& state) {
  Crowd crowd(state.range(0));
  int64_t deadline = kStart + 60 * kSecond;
  for (auto _ : state) crowd.wheel().Rearm(crowd.Any(), ++deadline);
}
BENCHMARK(BM_TimerWheel_RearmLaterAnyOf)->Arg(1024)->Arg(1 << 20);

void BM_TimerWheel_NextDeadline(benchmark::State& state) {
  Crowd crowd(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(crowd.wheel().NextDeadline());
}
BENCHMARK(BM_TimerWheel_NextDeadline)->Arg(1)->Arg(1024)->Arg(1 << 20);

// A turn in which nothing is due.
void BM_TimerWheel_AdvanceWhenQuiet(benchmark::State& state) {
  TimerWheel wheel(kStart);
  Timer timer;
  wheel.Arm(timer, kStart + (int64_t{1} << 60));
  int64_t now = kStart;
  for (auto _ : state) {
    benchmark::DoNotOptimize(wheel.Advance(++now, kBudget, [](TimerNode&) {}));
  }
  wheel.Cancel(timer);
}
BENCHMARK(BM_TimerWheel_AdvanceWhenQuiet);

// Each timer sleeps for 1 to 10 ms again and again, in turns of 100 us. Items are timers fired.
void BM_TimerWheel_SleepAgainAndAgain(benchmark::State& state) {
  TimerWheel wheel(kStart);
  std::vector<Timer> timers(state.range(0));
  Random random;
  int64_t now = kStart;
  const auto delay = [&] { return 1'000'000 + static_cast<int64_t>(random.Next() % 9'000'000); };
  for (Timer& timer : timers) wheel.Arm(timer, now + delay());
  size_t fired = 0;
  for (auto _ : state) {
    now += 100'000;
    fired += wheel.Advance(now, kBudget, [&](TimerNode& node) { wheel.Arm(node, now + delay()); });
  }
  state.SetItemsProcessed(static_cast<int64_t>(fired));
  for (Timer& timer : timers) wheel.Cancel(timer);
}
BENCHMARK(BM_TimerWheel_SleepAgainAndAgain)->Arg(64)->Arg(8192);

// All of a crowd's timers run out, in turns of 100 us of the wheel's own time. Counters: how late
// the latest one is, in ns of that time. Items are timers.
void BM_TimerWheel_FireAll(benchmark::State& state) {
  const size_t count = state.range(0);
  std::vector<Timer> timers(count);
  Random random;
  int64_t latest = 0;
  for (auto _ : state) {
    state.PauseTiming();
    TimerWheel wheel(kStart);
    for (Timer& timer : timers) {
      wheel.Arm(timer, kStart + static_cast<int64_t>(random.Next() % (60 * kSecond)));
    }
    state.ResumeTiming();
    for (int64_t now = kStart; wheel.size() > 0; now += 100'000) {
      wheel.Advance(now, kBudget,
                    [&](TimerNode& node) { latest = std::max(latest, now - node.deadline_ns()); });
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(count));
  state.counters["latest_ns"] = static_cast<double>(latest);
}
BENCHMARK(BM_TimerWheel_FireAll)->Arg(1 << 14)->Arg(1 << 20)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
