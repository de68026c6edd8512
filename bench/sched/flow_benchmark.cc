// What structured concurrency costs: spawning, combining, bounding, generating, cleaning up. The
// tasks are ready at once, so that what is measured is the cost above theirs.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <ranges>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/sched/benchmark_shard.h"
#include "framework/base/check.h"
#include "sched/async_generator.h"
#include "sched/deadline.h"
#include "sched/defer.h"
#include "sched/loop.h"
#include "sched/preemption.h"
#include "sched/race.h"
#include "sched/retry.h"
#include "sched/shield.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "sched/when_range.h"

namespace pelton {
namespace {

// Not inlined, so that their frames are made.
[[gnu::noinline]] Task<absl::Status> Succeed() { co_return absl::OkStatus(); }
[[gnu::noinline]] Task<int64_t> One(int64_t) { co_return 1; }

// Runs a task that is made of the benchmark's state.
template <Task<void> (*kLoop)(benchmark::State&)>
void Run(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(kLoop(state));
}

Task<void> SpawnAndJoin(benchmark::State& state) {
  TaskScope scope;
  for (auto _ : state) {
    // NOLINTNEXTLINE(pelton-await-free-loop): the batch that is measured.
    for (int64_t i = 0; i < state.range(0); ++i) scope.Spawn(Succeed);
    PELTON_CHECK((co_await scope.Join()).ok());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Run<SpawnAndJoin>)->Name("BM_TaskScope_SpawnAndJoin")->Arg(1)->Arg(100);

[[gnu::noinline]] AsyncGenerator<int64_t> Numbers() {
  for (int64_t i = 0;; ++i) co_yield i;
}

Task<void> Generate(benchmark::State& state) {
  AsyncGenerator<int64_t> numbers = Numbers();
  int64_t sum = 0;
  for (auto _ : state) sum += *co_await numbers.Next();
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(Run<Generate>)->Name("BM_AsyncGenerator_Step");

Task<void> AwaitRange(benchmark::State& state) {
  const auto range = std::views::iota(int64_t{0}, state.range(0));
  const auto limit = static_cast<size_t>(state.range(1));
  for (auto _ : state) {
    benchmark::DoNotOptimize(co_await WhenAll(range, One, {.limit = limit}));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Run<AwaitRange>)
    ->Name("BM_WhenAll_Range")
    ->ArgNames({"tasks", "limit"})
    ->Args({100, 100})
    ->Args({100, 4});

Task<void> AwaitAll(benchmark::State& state) {
  for (auto _ : state) {
    PELTON_CHECK((co_await WhenAll(FailFast(), Succeed(), Succeed())).ok());
  }
}
BENCHMARK(Run<AwaitAll>)->Name("BM_WhenAll_FailFastOfTwo");

Task<void> RaceOfTwo(benchmark::State& state) {
  for (auto _ : state) PELTON_CHECK((co_await Race(Succeed(), Succeed())).ok());
}
BENCHMARK(Run<RaceOfTwo>)->Name("BM_Race_OfTwo");

Task<void> BoundTasks(benchmark::State& state) {
  for (auto _ : state) PELTON_CHECK((co_await WithTimeout(absl::Seconds(1), Succeed())).ok());
}
BENCHMARK(Run<BoundTasks>)->Name("BM_WithTimeout_Task");

Task<void> BoundAwaiters(benchmark::State& state) {
  for (auto _ : state) {
    PELTON_CHECK((co_await WithTimeout(absl::Seconds(1), PreemptionPoint())).ok());
  }
}
BENCHMARK(Run<BoundAwaiters>)->Name("BM_WithTimeout_Awaiter");

Task<void> ShieldTasks(benchmark::State& state) {
  for (auto _ : state) PELTON_CHECK((co_await Shield(Succeed())).ok());
}
BENCHMARK(Run<ShieldTasks>)->Name("BM_Shield_Task");

Task<void> DeferOne(benchmark::State& state) {
  for (auto _ : state) {
    auto body = [](Defer& defer) -> Task<void> {
      defer.Add(Succeed);
      co_return;
    };
    PELTON_CHECK((co_await WithDefer(body)).ok());
  }
}
BENCHMARK(Run<DeferOne>)->Name("BM_WithDefer_One");

Task<void> RetryOnce(benchmark::State& state) {
  const RetryOptions options;
  for (auto _ : state) PELTON_CHECK((co_await Retry(options, Succeed)).ok());
}
BENCHMARK(Run<RetryOnce>)->Name("BM_Retry_FirstAttemptSucceeds");

Task<void> LoopForEach(benchmark::State& state) {
  const auto range = std::views::iota(int64_t{0}, int64_t{1000});
  int64_t sum = 0;
  for (auto _ : state) {
    PELTON_CHECK((co_await ForEach(range, [&](int64_t i) {
                   sum += i;
                   benchmark::DoNotOptimize(sum);
                 })).ok());
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(Run<LoopForEach>)->Name("BM_ForEach_OfAThousand");

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
