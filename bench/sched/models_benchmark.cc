// What starting and switching costs in each of the five models of program flow. Memory and the peers
// (Boost.Context, Asio, std::thread) are in the files beside; models_table.py makes a table of all.
//
// `each` is the CPU time of one: one flow started and joined, one switch to another flow (one way).

#include <benchmark/benchmark.h>

#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/sched/benchmark_shard.h"
#include "bench/sched/models_counters.h"
#include "framework/base/check.h"
#include "sched/blocking/blocking_pool.h"
#include "sched/blocking/run_blocking.h"
#include "sched/callback/from_callback.h"
#include "sched/callback/start_with_callback.h"
#include "sched/fiber/fiber.h"
#include "sched/future/future.h"
#include "sched/preemption.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {
namespace {

// Not inlined, so that its frame is made.
[[gnu::noinline]] Task<absl::Status> Nothing() { co_return absl::OkStatus(); }

// Starts a flow and joins it, one at a time.
template <typename StartOne>
Task<void> StartAndJoin(benchmark::State& state, StartOne start) {
  TaskScope scope;
  for (auto _ : state) {
    start(scope);
    PELTON_CHECK((co_await scope.Join()).ok());
  }
  CountEach(state, state.iterations());
}

// Starts so many flows at once, and joins them.
template <typename StartOne>
Task<void> StartAndJoinBatch(benchmark::State& state, StartOne start) {
  TaskScope scope;
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) start(scope);
    PELTON_CHECK((co_await scope.Join()).ok());
  }
  CountEach(state, state.iterations() * kBatch);
}

// Has kBatch flows give way to each other, of which `start(scope, done)` starts one.
template <typename StartOne>
Task<void> SwitchAmong(benchmark::State& state, StartOne start) {
  bool done = false;
  TaskScope scope;
  for (int i = 1; i < kBatch; ++i) start(scope, &done);
  for (auto _ : state) co_await Yield();
  CountEach(state, state.iterations() * kBatch);
  done = true;
  PELTON_CHECK((co_await scope.Join()).ok());
}

// --- Coroutines ---

void BM_Coroutine_Create(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(StartAndJoin(state, [](TaskScope& scope) { scope.Spawn(Nothing()); }));
}
BENCHMARK(BM_Coroutine_Create);

void BM_Coroutine_CreateBatch(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(StartAndJoinBatch(state, [](TaskScope& scope) { scope.Spawn(Nothing()); }));
}
BENCHMARK(BM_Coroutine_CreateBatch);

Task<void> YieldUntil(const bool* done) {
  while (!*done) co_await Yield();
}

void BM_Coroutine_Switch(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(SwitchAmong(state,
                        [](TaskScope& scope, const bool* done) { scope.Spawn(YieldUntil(done)); }));
}
BENCHMARK(BM_Coroutine_Switch);

// --- Stackful fibers ---

Task<void> RunFibers(benchmark::State& state) {
  for (auto _ : state) PELTON_CHECK((co_await RunFiber([] {})).ok());
  CountEach(state, state.iterations());
}

void BM_Fiber_Create(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(RunFibers(state));
}
BENCHMARK(BM_Fiber_Create);

// Lets the carrier go on at once: a switch to the scheduler's stack and one to the fiber, and
// nothing else.
struct SwitchOnly {
  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> task) const noexcept {
    return task;
  }
  void await_resume() const noexcept {}
};

Task<void> SwitchStacks(benchmark::State& state) {
  const absl::Status status = co_await RunFiber([&state] {
    for (auto _ : state) Await(SwitchOnly());
    CountEach(state, state.iterations() * 2);
  });
  PELTON_CHECK(status.ok());
}

void BM_Fiber_Switch(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(SwitchStacks(state));
}
BENCHMARK(BM_Fiber_Switch);

// Through the ready queue: two changes of the stack for each turn of a fiber.
void BM_Fiber_SwitchThroughQueue(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(SwitchAmong(state, [](TaskScope& scope, const bool* done) {
    scope.Spawn(RunFiber([done] {
      while (!*done) FiberYield();
    }));
  }));
}
BENCHMARK(BM_Fiber_SwitchThroughQueue);

// --- Callbacks ---

void BM_Callback_Create(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(StartAndJoinBatch(state, [](TaskScope& scope) {
    StartWithCallback(scope, Nothing(), [](const absl::Status& status) { status.IgnoreError(); });
  }));
}
BENCHMARK(BM_Callback_Create);

Task<void> AwaitCompletions(std::optional<Completion<void>>* completion, const bool* done) {
  while (!*done) {
    const absl::Status status =
        co_await FromCallback<void>([completion](Completion<void> call) { *completion = call; });
    PELTON_CHECK(status.ok());
  }
}

// A task that calls back, and one that awaits it: a switch each.
Task<void> CallBack(benchmark::State& state) {
  std::optional<Completion<void>> completion;
  bool done = false;
  TaskScope scope;
  scope.Spawn(AwaitCompletions(&completion, &done));
  co_await Yield();
  const auto call = [&completion] { (*std::exchange(completion, std::nullopt))(); };
  for (auto _ : state) {
    call();
    while (!completion.has_value()) co_await Yield();
  }
  CountEach(state, state.iterations() * 2);
  done = true;
  call();
  PELTON_CHECK((co_await scope.Join()).ok());
}

void BM_Callback_Switch(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(CallBack(state));
}
BENCHMARK(BM_Callback_Switch);

// --- Promises and futures ---

// A promise, its future, a Then, and the run of its function.
Task<void> FulfilAndThen(benchmark::State& state) {
  int64_t sum = 0;
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) {
      Promise<int64_t> promise;
      Future<int64_t> next = promise.future().Then([&sum](int64_t n) { return sum += n; });
      promise.Fulfil(1);
    }
    co_await Yield();
  }
  const int64_t rounds = state.iterations() * kBatch;
  while (sum < rounds) co_await Yield();  // the quota may have cut the last batch in two
  CountEach(state, rounds);
}

void BM_Future_Create(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(FulfilAndThen(state));
}
BENCHMARK(BM_Future_Create);

// From one Then() of a chain to the next.
Task<void> RunChains(benchmark::State& state) {
  for (auto _ : state) {
    Promise<int64_t> promise;
    Future<int64_t> future = promise.future();
    for (int i = 0; i < kBatch; ++i) {
      future = std::move(future).Then([](int64_t n) { return n + 1; });
    }
    promise.Fulfil(0);
    PELTON_CHECK(*co_await future == kBatch);
  }
  CountEach(state, state.iterations() * kBatch);
}

void BM_Future_Switch(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(RunChains(state));
}
BENCHMARK(BM_Future_Switch);

// --- OS threads ---

// A call on a thread of the pool, and back: a wake-up each. Time is real: two threads take turns.
void BM_Blocking_Call(benchmark::State& state) {
  BenchmarkShard shard;
  absl::StatusOr<std::unique_ptr<BlockingPool>> pool = BlockingPool::Create({.max_threads = 2});
  PELTON_CHECK(pool.ok()) << pool.status();
  shard.Run([](benchmark::State& state, BlockingPool& pool) -> Task<void> {
    for (auto _ : state) PELTON_CHECK((co_await RunBlocking(pool, [] {})).ok());
    CountEach(state, state.iterations());
  }(state, **pool));
}
BENCHMARK(BM_Blocking_Call)->UseRealTime();

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
