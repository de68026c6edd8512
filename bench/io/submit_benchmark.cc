// What an operation costs above the work that it asks for: nops through a driver, raw and awaited,
// in batches.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "alloc/frame_pool.h"
#include "framework/base/check.h"
#include "io/await_operation.h"
#include "io/epoll/epoll_driver.h"
#include "io/reactor.h"
#include "io/uring/uring_driver.h"
#include "sched/clock.h"
#include "sched/scheduler.h"
#include "sched/task_scope.h"

namespace pelton {
namespace {

class CountingNop final : public io::Operation {
 public:
  explicit CountingNop(int64_t* completed)
      : Operation(io::OperationKind::kNop), completed_(completed) {}
  void OnCompletion(const io::Completion&) override { ++*completed_; }

 private:
  int64_t* completed_;
};

// The driver and what it needs, on this thread.
template <typename D>
class DriverBench {
 public:
  DriverBench() : reactor_(io::Reactor::Options{.chunks = 64}) {
    absl::StatusOr<std::unique_ptr<D>> driver = D::Create(reactor_);
    if (driver.ok()) {
      driver_ = *std::move(driver);
    } else {
      error_ = driver.status().ToString();
    }
    previous_ = io::Reactor::Exchange(&reactor_);
  }
  ~DriverBench() { io::Reactor::Exchange(previous_); }

  // Whether there is a driver; tells the benchmark when not.
  bool Ready(benchmark::State& state) const {
    if (driver_ == nullptr) state.SkipWithError(error_.c_str());
    return driver_ != nullptr;
  }
  void Turn() {
    driver_->Submit(reactor_);
    driver_->Reap(reactor_);
  }
  io::Reactor& reactor() { return reactor_; }

 private:
  io::Reactor reactor_;
  std::unique_ptr<D> driver_;
  std::string error_;
  io::Reactor* previous_;
};

// A batch of operations started, submitted and reaped.
template <typename D>
void BM_Driver_SubmitAndReapNops(benchmark::State& state) {
  DriverBench<D> bench;
  if (!bench.Ready(state)) return;
  int64_t completed = 0;
  std::vector<std::unique_ptr<CountingNop>> batch;
  for (int64_t i = 0; i < state.range(0); ++i) {
    batch.push_back(std::make_unique<CountingNop>(&completed));
  }
  int64_t expected = 0;
  for (auto _ : state) {
    for (const auto& nop : batch) bench.reactor().Start(*nop);
    expected += state.range(0);
    while (completed < expected) bench.Turn();
  }
  state.SetItemsProcessed(expected);
}
BENCHMARK(BM_Driver_SubmitAndReapNops<io::UringDriver>)->Arg(1)->Arg(32)->Arg(512);
BENCHMARK(BM_Driver_SubmitAndReapNops<io::EpollDriver>)->Arg(1)->Arg(32)->Arg(512);

class NopAwaiter final : public io::OperationAwaiter {
 public:
  NopAwaiter() : OperationAwaiter(io::OperationKind::kNop) {}
  int await_resume() const { return result(); }
};

Task<void> AwaitNops(const bool* stop) {
  while (!*stop) PELTON_CHECK(co_await NopAwaiter() == 0);
}

// As many tasks as the argument says, each awaiting one nop after the other: the whole path of an
// operation, kernel included.
void BM_Uring_AwaitNops(benchmark::State& state) {
  FramePool frames;
  const MonotonicClock clock;
  Scheduler scheduler(clock);
  const SchedulerBinding binding(&scheduler, &frames);
  DriverBench<io::UringDriver> bench;
  if (!bench.Ready(state)) return;
  TaskContext root(nullptr);
  TaskScope scope(&root, TaskScope::Options{});
  bool stop = false;
  for (int64_t i = 0; i < state.range(0); ++i) scope.Spawn(AwaitNops, &stop);
  const auto turn = [&] {
    scheduler.BeginTurn();
    scheduler.RunReady();
    bench.Turn();
  };
  const uint64_t before = bench.reactor().statistics().started;
  for (auto _ : state) turn();
  state.SetItemsProcessed(static_cast<int64_t>(bench.reactor().statistics().started - before));
  stop = true;
  while (scope.live() > 0) turn();
}
BENCHMARK(BM_Uring_AwaitNops)->Arg(1)->Arg(32)->Arg(512);

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
