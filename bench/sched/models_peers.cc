// What others take for the same as models_benchmark.cc: Boost.Context alone, Asio, and std::thread.

#include <benchmark/benchmark.h>

// Asio 1.22 does not recognise this compiler's coroutines by itself.
#define ASIO_STANDALONE
#define ASIO_HAS_CO_AWAIT
#define ASIO_HAS_STD_COROUTINE
#include <asio.hpp>
#include <asio/experimental/promise.hpp>
#include <boost/context/detail/fcontext.hpp>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "bench/sched/models_counters.h"
#include "framework/base/check.h"

namespace pelton {
namespace {

namespace context = boost::context::detail;

// --- Boost.Context ---

void JumpForever(context::transfer_t from) {
  for (;;) from = context::jump_fcontext(from.fctx, nullptr);
}

// A context on a stack that is there, a jump there and one back: no more is needed.
void BM_BoostContext_Create(benchmark::State& state) {
  std::vector<char> stack(64 * 1024);
  for (auto _ : state) {
    const context::fcontext_t made =
        context::make_fcontext(stack.data() + stack.size(), stack.size(), &JumpForever);
    benchmark::DoNotOptimize(context::jump_fcontext(made, nullptr));
  }
  CountEach(state, state.iterations());
}
BENCHMARK(BM_BoostContext_Create);

void BM_BoostContext_Switch(benchmark::State& state) {
  std::vector<char> stack(64 * 1024);
  context::transfer_t at{
      context::make_fcontext(stack.data() + stack.size(), stack.size(), &JumpForever), nullptr};
  for (auto _ : state) at = context::jump_fcontext(at.fctx, nullptr);
  CountEach(state, state.iterations() * 2);
}
BENCHMARK(BM_BoostContext_Switch);

// --- Asio ---

asio::awaitable<void> Nothing() { co_return; }

void BM_AsioCoroutine_Create(benchmark::State& state) {
  asio::io_context loop(1);
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) asio::co_spawn(loop, Nothing(), asio::detached);
    loop.restart();
    loop.run();
  }
  CountEach(state, state.iterations() * kBatch);
}
BENCHMARK(BM_AsioCoroutine_Create);

asio::awaitable<void> PostTimes(int times) {
  for (int i = 0; i < times; ++i) {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  }
}

void BM_AsioCoroutine_Switch(benchmark::State& state) {
  constexpr int kTimes = 1000;
  asio::io_context loop(1);
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) asio::co_spawn(loop, PostTimes(kTimes), asio::detached);
    loop.restart();
    loop.run();
  }
  CountEach(state, state.iterations() * kBatch * kTimes);
}
BENCHMARK(BM_AsioCoroutine_Switch);

// A handler that is posted and called is both: a start and a switch.
void BM_AsioPost_Switch(benchmark::State& state) {
  asio::io_context loop(1);
  int64_t calls = 0;
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) asio::post(loop, [&calls] { ++calls; });
    loop.restart();
    loop.run();
  }
  PELTON_CHECK(calls == state.iterations() * kBatch);
  CountEach(state, calls);
}
BENCHMARK(BM_AsioPost_Switch);

template <typename Token>
auto PostOne(asio::io_context& loop, Token&& token) {
  return asio::async_initiate<Token, void(int64_t)>(
      [&loop](auto handler) {
        asio::post(loop, [handler = std::move(handler)]() mutable { std::move(handler)(1); });
      },
      token);
}

// An operation that posts its completion, and a handler that waits for its promise.
void BM_AsioPromise_Create(benchmark::State& state) {
  asio::io_context loop(1);
  using Promised = decltype(PostOne(loop, asio::experimental::use_promise));
  std::vector<Promised> promises;  // one that dies cancels its operation
  promises.reserve(kBatch);
  int64_t sum = 0;
  for (auto _ : state) {
    for (int i = 0; i < kBatch; ++i) {
      promises.push_back(PostOne(loop, asio::experimental::use_promise));
      promises.back().async_wait([&sum](int64_t n) { sum += n; });
    }
    loop.restart();
    loop.run();
    promises.clear();
  }
  PELTON_CHECK(sum == state.iterations() * kBatch);
  CountEach(state, sum);
}
BENCHMARK(BM_AsioPromise_Create);

// --- std::thread ---

void BM_StdThread_Create(benchmark::State& state) {
  for (auto _ : state) std::thread([] {}).join();
  CountEach(state, state.iterations());
}
BENCHMARK(BM_StdThread_Create)->UseRealTime();

// Two threads that wake each other: one way.
void BM_StdThread_Switch(benchmark::State& state) {
  std::mutex mutex;
  std::condition_variable changed;
  enum class Word { kNone, kCalled, kEnd } word = Word::kNone;
  std::thread other([&] {
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return word != Word::kNone; });
      if (word == Word::kEnd) return;
      word = Word::kNone;
      changed.notify_one();
    }
  });
  const auto say = [&](Word next) {
    const std::lock_guard<std::mutex> lock(mutex);
    word = next;
    changed.notify_one();
  };
  for (auto _ : state) {
    say(Word::kCalled);
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return word == Word::kNone; });
  }
  CountEach(state, state.iterations() * 2);
  say(Word::kEnd);
  other.join();
}
BENCHMARK(BM_StdThread_Switch)->UseRealTime();

}  // namespace
}  // namespace pelton
