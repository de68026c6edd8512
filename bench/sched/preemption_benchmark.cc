// What preemption costs and how exact it is: a preemption point that is not due, and how late after
// the time quota a tight loop of ready awaits gives way.
//
// Instructions: run it as `valgrind --tool=callgrind preemption_benchmark --points=1000000`, and with
// --points=0; the difference of what is collected, divided, is what a point takes.

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/sched/benchmark_shard.h"
#include "framework/base/check.h"
#include "sched/clock.h"
#include "sched/cycle_counter.h"
#include "sched/preemption.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {
namespace {

constexpr absl::Duration kQuota = absl::Microseconds(500);

// A benchmark's shard that tells how long its turns run tasks.
class MeasuredShard : public BenchmarkShard {
 public:
  explicit MeasuredShard(const Scheduler::Options& options = {.time_quota = kQuota})
      : BenchmarkShard(options) {}

  void Spawn(Task<void> task) { scope().Spawn(std::move(task)); }
  bool live() { return scope().live() > 0; }
  // Returns for how long the turn ran tasks, in nanoseconds.
  int64_t Turn() {
    const uint64_t begin = CycleCounter::Now();
    BenchmarkShard::Turn();
    return CycleCounter::ToNanoseconds(CycleCounter::Now() - begin);
  }
};

Task<void> PassPoints(benchmark::State& state) {
  for (auto _ : state) co_await PreemptionPoint();
}

// A point that is not due, as a task awaits it. A reading of the cycle counter every 16th time and
// giving way every 256th are counted in.
void BM_PreemptionPoint(benchmark::State& state) {
  MeasuredShard shard;
  shard.Run(PassPoints(state));
}
BENCHMARK(BM_PreemptionPoint);

[[gnu::noinline]] Task<int> Ready() { co_return 1; }

Task<void> AwaitReadyTasks(const bool* stop) {
  while (!*stop) benchmark::DoNotOptimize(co_await Ready());
}
Task<void> AwaitPoints(const bool* stop) {
  while (!*stop) co_await PreemptionPoint();
}

double Quantile(const std::vector<int64_t>& sorted, double part) {
  return static_cast<double>(sorted[static_cast<size_t>(part * (sorted.size() - 1))]);
}

// How often the kernel has taken the CPU from this thread.
int64_t TimesSwitchedOut() {
  rusage usage;
  PELTON_CHECK(::getrusage(RUSAGE_THREAD, &usage) == 0);
  return usage.ru_nivcsw;
}

// How much later than its quota a turn of tasks that are always ready ends, in percent of the
// quota. Turns in which the kernel gave the CPU to another thread are left out, and counted.
void MeasureLateness(benchmark::State& state, Task<void> (*loop)(const bool*)) {
  MeasuredShard shard;
  bool stop = false;
  for (int64_t i = 0; i < state.range(0); ++i) shard.Spawn(loop(&stop));
  shard.Turn();
  std::vector<int64_t> late;
  int64_t disturbed = 0;
  for (auto _ : state) {
    const int64_t switches = TimesSwitchedOut();
    const int64_t lateness = shard.Turn() - kQuota / absl::Nanoseconds(1);
    if (TimesSwitchedOut() == switches) {
      late.push_back(lateness);
    } else {
      ++disturbed;
    }
  }
  stop = true;
  while (shard.live()) shard.Turn();
  state.counters["left_out"] = static_cast<double>(disturbed);
  if (late.empty()) return;
  std::sort(late.begin(), late.end());
  const double quota = static_cast<double>(kQuota / absl::Nanoseconds(1));
  for (const auto& [name, part] : {std::pair<const char*, double>{"p0", 0.0},
                                   {"p50", 0.5},
                                   {"p90", 0.9},
                                   {"p99", 0.99},
                                   {"p100", 1.0}}) {
    state.counters[std::string("late_%_") + name] = 100 * Quantile(late, part) / quota;
  }
  const auto within = std::upper_bound(late.begin(), late.end(), static_cast<int64_t>(quota / 10));
  state.counters["within_10%_of_turns_%"] =
      100.0 * static_cast<double>(within - late.begin()) / static_cast<double>(late.size());
}

void BM_QuotaLateness_ReadyTasks(benchmark::State& state) {
  MeasureLateness(state, &AwaitReadyTasks);
}
BENCHMARK(BM_QuotaLateness_ReadyTasks)->Arg(1)->Arg(100)->Unit(benchmark::kMicrosecond);

void BM_QuotaLateness_PreemptionPoints(benchmark::State& state) {
  MeasureLateness(state, &AwaitPoints);
}
BENCHMARK(BM_QuotaLateness_PreemptionPoints)->Arg(1)->Arg(100)->Unit(benchmark::kMicrosecond);

// The check of a preemption point, without a task: valgrind has no room for a pool of frames.
int PassPointsForCallgrind(uint64_t points) {
  const MonotonicClock clock;
  Scheduler scheduler(clock, {.time_quota = absl::Hours(1)});
  for (uint64_t i = 0; i < points; ++i) {
    if (scheduler.Due()) benchmark::ClobberMemory();
    benchmark::ClobberMemory();  // or several points become one
  }
  return 0;
}

}  // namespace
}  // namespace pelton

int main(int argc, char** argv) {
  constexpr std::string_view kPoints = "--points=";
  if (argc == 2 && std::string_view(argv[1]).substr(0, kPoints.size()) == kPoints) {
    return pelton::PassPointsForCallgrind(std::strtoull(argv[1] + kPoints.size(), nullptr, 10));
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
