// What futures cost, beside Asio's promise and post, and std::future.
//
// Each round makes a promise and its future, attaches a continuation, fulfils the promise and runs
// the continuation. BM_Future_Then runs one round at a time, and so includes a task's yield and the
// switch to the flow that runs continuations. BM_Future_ThenFromIdle lets that flow end after each
// round: a second yield, and the start of the flow. BM_Future_ThenInBatch has 64 rounds in flight,
// as a busy shard does.

#include <benchmark/benchmark.h>

#define ASIO_STANDALONE  // Debian's libasio-dev, headers only
#include <asio.hpp>
#include <asio/experimental/deferred.hpp>
#include <asio/experimental/promise.hpp>
#include <cstdint>
#include <future>
#include <optional>
#include <utility>
#include <vector>

#include "bench/sched/benchmark_shard.h"
#include "framework/base/check.h"
#include "sched/clock.h"
#include "sched/future/future.h"
#include "sched/preemption.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {
namespace {

constexpr int kBatch = 64;

// Says what one round costs, in CPU time.
void CountRounds(benchmark::State& state, int64_t rounds) {
  state.counters["per_round"] = benchmark::Counter(
      static_cast<double>(rounds), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

Task<void> ThenAndYield(benchmark::State& state, int batch, int yields) {
  int64_t sum = 0;
  for (auto _ : state) {
    // pelton: bounded: kBatch at most; what a batch costs between two yields is what is measured
    for (int i = 0; i < batch; ++i) {
      Promise<int64_t> promise;
      Future<int64_t> next = promise.future().Then([&sum](int64_t n) { return sum += n; });
      promise.Fulfil(1);
    }
    for (int i = 0; i < yields; ++i) co_await Yield();
  }
  const int64_t rounds = static_cast<int64_t>(state.iterations()) * batch;
  while (sum < rounds) co_await Yield();  // the quota may have cut the last batch in two
  CountRounds(state, rounds);
}

void BM_Future_Then(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(ThenAndYield(state, 1, 1));
}
BENCHMARK(BM_Future_Then);

void BM_Future_ThenFromIdle(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(ThenAndYield(state, 1, 2));
}
BENCHMARK(BM_Future_ThenFromIdle);

void BM_Future_ThenInBatch(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(ThenAndYield(state, kBatch, 1));
}
BENCHMARK(BM_Future_ThenInBatch);

// One more Then() on a chain that is run through: what each link costs.
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
  CountRounds(state, static_cast<int64_t>(state.iterations()) * kBatch);
}

void BM_Future_ChainOf64(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(RunChains(state));
}
BENCHMARK(BM_Future_ChainOf64);

Task<void> AwaitPromises(benchmark::State& state) {
  for (auto _ : state) {
    Promise<int64_t> promise;
    Future<int64_t> future = promise.future();
    promise.Fulfil(1);
    benchmark::DoNotOptimize(*co_await future);
  }
}

void BM_Future_AwaitFulfilled(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(AwaitPromises(state));
}
BENCHMARK(BM_Future_AwaitFulfilled);

// Asio's promise: an operation that posts its completion, and a handler that waits for the promise.
template <typename Token>
auto PostOne(asio::io_context& context, Token&& token) {
  return asio::async_initiate<Token, void(int64_t)>(
      [&context](auto handler) {
        asio::post(context, [handler = std::move(handler)]() mutable { std::move(handler)(1); });
      },
      token);
}

void AsioPromises(benchmark::State& state, int batch) {
  asio::io_context context(1);
  using AsioPromise = decltype(PostOne(context, asio::experimental::use_promise));
  std::vector<AsioPromise> promises;  // one that dies cancels its operation
  promises.reserve(batch);
  int64_t sum = 0;
  for (auto _ : state) {
    for (int i = 0; i < batch; ++i) {
      promises.push_back(PostOne(context, asio::experimental::use_promise));
      promises.back().async_wait([&sum](int64_t n) { sum += n; });
    }
    context.restart();
    context.run();
    promises.clear();
  }
  PELTON_CHECK(sum == static_cast<int64_t>(state.iterations()) * batch);
  CountRounds(state, sum);
}

void BM_AsioPromise_Then(benchmark::State& state) { AsioPromises(state, 1); }
BENCHMARK(BM_AsioPromise_Then);
void BM_AsioPromise_ThenInBatch(benchmark::State& state) { AsioPromises(state, kBatch); }
BENCHMARK(BM_AsioPromise_ThenInBatch);

// Asio's cheapest: a deferred operation with a continuation, and no shared state.
void AsioDeferred(benchmark::State& state, int batch) {
  asio::io_context context(1);
  int64_t sum = 0;
  for (auto _ : state) {
    for (int i = 0; i < batch; ++i) {
      PostOne(context, asio::experimental::deferred)([&sum](int64_t n) { sum += n; });
    }
    context.restart();
    context.run();
  }
  PELTON_CHECK(sum == static_cast<int64_t>(state.iterations()) * batch);
  CountRounds(state, sum);
}

void BM_AsioDeferred_Then(benchmark::State& state) { AsioDeferred(state, 1); }
BENCHMARK(BM_AsioDeferred_Then);
void BM_AsioDeferred_ThenInBatch(benchmark::State& state) { AsioDeferred(state, kBatch); }
BENCHMARK(BM_AsioDeferred_ThenInBatch);

// std::future has no continuations: make, set, get.
void BM_StdFuture_SetThenGet(benchmark::State& state) {
  int64_t sum = 0;
  for (auto _ : state) {
    std::promise<int64_t> promise;
    std::future<int64_t> future = promise.get_future();
    promise.set_value(1);
    sum += future.get();
  }
  PELTON_CHECK(sum == static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_StdFuture_SetThenGet);

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
