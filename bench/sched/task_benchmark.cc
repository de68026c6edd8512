// What tasks cost: awaiting a child, switching through the ready queue, spawning and joining, a
// preemption point.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "bench/sched/benchmark_shard.h"
#include "framework/base/check.h"
#include "sched/preemption.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "sched/when.h"

namespace pelton {
namespace {

// Not inlined, so that its frame is made.
[[gnu::noinline]] Task<int64_t> Child(int64_t value) { co_return value; }

Task<void> AwaitChildren(benchmark::State& state) {
  int64_t sum = 0;
  for (auto _ : state) sum += co_await Child(1);
  PELTON_CHECK(sum == static_cast<int64_t>(state.iterations()));
}

void BM_Task_AwaitReadyChild(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(AwaitChildren(state));
}
BENCHMARK(BM_Task_AwaitReadyChild);

[[gnu::noinline]] Task<int64_t> Chain(int64_t depth) {
  if (depth == 0) co_return 1;
  co_return co_await Chain(depth - 1);
}

Task<void> AwaitChains(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(co_await Chain(10));
}

void BM_Task_AwaitChainOfTen(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(AwaitChains(state));
  state.SetItemsProcessed(state.iterations() * 11);
}
BENCHMARK(BM_Task_AwaitChainOfTen);

Task<void> PassPreemptionPoints(benchmark::State& state) {
  for (auto _ : state) co_await PreemptionPoint();
}

void BM_PreemptionPoint(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(PassPreemptionPoints(state));
}
BENCHMARK(BM_PreemptionPoint);

Task<void> YieldUntil(const bool* done) {
  while (!*done) co_await Yield();
}

Task<void> SwitchBack(benchmark::State& state, int64_t others) {
  bool done = false;
  TaskScope scope;
  // pelton: bounded: at most 1,023, and nothing else is to run before all are there
  for (int64_t i = 0; i < others; ++i) scope.Spawn(YieldUntil, &done);
  for (auto _ : state) co_await Yield();
  done = true;
  PELTON_CHECK((co_await scope.Join()).ok());
}

// One iteration switches once through every ready task.
void BM_Scheduler_SwitchThroughQueue(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(SwitchBack(state, state.range(0) - 1));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Scheduler_SwitchThroughQueue)->Arg(2)->Arg(1024);

[[gnu::noinline]] Task<absl::Status> Nothing() { co_return absl::OkStatus(); }

Task<void> SpawnAndJoin(benchmark::State& state) {
  TaskScope scope;
  for (auto _ : state) {
    scope.Spawn(Nothing);
    PELTON_CHECK((co_await scope.Join()).ok());
  }
}

void BM_TaskScope_SpawnThenJoin(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(SpawnAndJoin(state));
}
BENCHMARK(BM_TaskScope_SpawnThenJoin);

Task<void> AwaitPairs(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(co_await WhenAll(Child(1), Child(2)));
}

void BM_WhenAll_TwoChildren(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(AwaitPairs(state));
}
BENCHMARK(BM_WhenAll_TwoChildren);

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
