// What fibers cost, beside the jump of Boost.Context that they switch by: a switch, an await, a life,
// and the memory of one that waits.
//
// `per_switch` is one way: from the scheduler to the fiber, or back.

#include <benchmark/benchmark.h>

#include <boost/context/detail/fcontext.hpp>
#include <coroutine>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "bench/sched/benchmark_shard.h"
#include "framework/base/check.h"
#include "sched/clock.h"
#include "sched/fiber/fiber.h"
#include "sched/preemption.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {
namespace {

void CountSwitches(benchmark::State& state, double switches_per_iteration) {
  state.counters["per_switch"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * switches_per_iteration,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// --- Boost.Context alone ---

namespace context = boost::context::detail;

// There and back: two jumps.
void BM_BoostContext_Jump(benchmark::State& state) {
  std::vector<char> stack(64 * 1024);
  context::transfer_t at{context::make_fcontext(stack.data() + stack.size(), stack.size(),
                                                [](context::transfer_t from) {
                                                  for (;;)
                                                    from =
                                                        context::jump_fcontext(from.fctx, nullptr);
                                                }),
                         nullptr};
  for (auto _ : state) at = context::jump_fcontext(at.fctx, nullptr);
  CountSwitches(state, 2);
}
BENCHMARK(BM_BoostContext_Jump);

// --- Fibers ---

// Lets the carrier go on at once: a switch to the scheduler's stack and one to the fiber, and nothing
// else.
struct SwitchOnly {
  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> task) const noexcept {
    return task;
  }
  void await_resume() const noexcept {}
};

Task<void> InFiberOf(benchmark::State& state, void (*loop)(benchmark::State&)) {
  PELTON_CHECK((co_await RunFiber([&state, loop] { loop(state); })).ok());
}

void BM_Fiber_Switch(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(InFiberOf(state, [](benchmark::State& state) {
    for (auto _ : state) Await(SwitchOnly());
  }));
  CountSwitches(state, 2);
}
BENCHMARK(BM_Fiber_Switch);

// Two switches, and once through the ready queue.
void BM_Fiber_Yield(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(InFiberOf(state, [](benchmark::State& state) {
    for (auto _ : state) FiberYield();
  }));
  CountSwitches(state, 2);
}
BENCHMARK(BM_Fiber_Yield);

Task<void> YieldAmong(benchmark::State& state, int64_t fibers) {
  bool done = false;
  TaskScope scope;
  // pelton: bounded: the benchmark's argument, and nothing else is to run before all are there
  for (int64_t i = 1; i < fibers; ++i) {
    scope.Spawn(RunFiber([&done] {
      while (!done) FiberYield();
    }));
  }
  scope.Spawn(RunFiber([&state, &done] {
    for (auto _ : state) FiberYield();
    done = true;
  }));
  PELTON_CHECK((co_await scope.Join()).ok());
}

// One iteration takes every fiber through the ready queue once. With 1,024 their stacks are out of
// the first-level cache, as under load.
void BM_Fiber_SwitchThroughQueue(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(YieldAmong(state, state.range(0)));
  CountSwitches(state, 2.0 * static_cast<double>(state.range(0)));
}
BENCHMARK(BM_Fiber_SwitchThroughQueue)->Arg(2)->Arg(1024);

[[gnu::noinline]] Task<int64_t> Child(int64_t value) { co_return value; }

void BM_Fiber_AwaitReadyTask(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(InFiberOf(state, [](benchmark::State& state) {
    int64_t sum = 0;
    for (auto _ : state) sum += Await(Child(1));
    PELTON_CHECK(sum == static_cast<int64_t>(state.iterations()));
  }));
}
BENCHMARK(BM_Fiber_AwaitReadyTask);

void BM_Fiber_AwaitPreemptionPoint(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(InFiberOf(state, [](benchmark::State& state) {
    for (auto _ : state) Await(PreemptionPoint());
  }));
}
BENCHMARK(BM_Fiber_AwaitPreemptionPoint);

Task<void> RunFibers(benchmark::State& state) {
  int64_t ran = 0;
  for (auto _ : state) PELTON_CHECK((co_await RunFiber([&ran] { ++ran; })).ok());
  PELTON_CHECK(ran == static_cast<int64_t>(state.iterations()));
}

// From the call to the result: a frame, a stack of the pool, two switches.
void BM_Fiber_RunToItsEnd(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(RunFibers(state));
}
BENCHMARK(BM_Fiber_RunToItsEnd);

// --- Memory ---

Task<void> HoldFibers(benchmark::State& state, FramePool& frames) {
  const int64_t fibers = state.range(0);
  for (auto _ : state) {
    const FiberStatistics stacks_before = GetFiberStatistics();
    const FramePool::Statistics frames_before = frames.GetStatistics();
    bool done = false;
    TaskScope scope;
    // pelton: bounded: the benchmark's argument, and nothing else is to run before all are there
    for (int64_t i = 0; i < fibers; ++i) {
      scope.Spawn(RunFiber([&done] {
        while (!done) FiberYield();
      }));
    }
    while (GetFiberStatistics().live < static_cast<uint64_t>(fibers)) co_await Yield();
    const FiberStatistics stacks = GetFiberStatistics();
    const auto per_fiber = [fibers](uint64_t now, uint64_t before) {
      return (static_cast<double>(now) - static_cast<double>(before)) / static_cast<double>(fibers);
    };
    state.counters["stack_bytes"] = per_fiber(stacks.resident_bytes, stacks_before.resident_bytes);
    // The carrier's frame, which holds the control block, and the frame of the spawned flow.
    state.counters["frame_bytes"] =
        per_fiber(frames.GetStatistics().carved_bytes, frames_before.carved_bytes);
    done = true;
    PELTON_CHECK((co_await scope.Join()).ok());
  }
}

// One iteration starts so many fibers, lets all of them wait, and ends them.
void BM_Fiber_MemoryOfWaiting(benchmark::State& state) {
  FramePool frames;
  const MonotonicClock clock;
  Scheduler scheduler(clock);
  const SchedulerBinding binding(&scheduler, &frames);
  TaskScope scope(&scheduler.root(), {});
  scope.Spawn(HoldFibers(state, frames));
  while (scope.live() > 0) {
    scheduler.BeginTurn();
    scheduler.RunReady();
  }
}
BENCHMARK(BM_Fiber_MemoryOfWaiting)->Arg(10'000)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Fiber_MemoryOfWaiting)->Arg(100'000)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
