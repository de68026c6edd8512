// What a call on a thread of a pool costs, beside what it replaces: a thread for each call, and two
// threads that wake each other by a condition variable.

#include <benchmark/benchmark.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "bench/sched/benchmark_shard.h"
#include "framework/base/check.h"
#include "sched/blocking/blocking_pool.h"
#include "sched/blocking/run_blocking.h"
#include "sched/clock.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {
namespace {

// A benchmark's shard with a pool of four threads.
class ShardWithPool : public BenchmarkShard {
 public:
  ShardWithPool() {
    absl::StatusOr<std::unique_ptr<BlockingPool>> pool = BlockingPool::Create({.max_threads = 4});
    PELTON_CHECK(pool.ok()) << pool.status();
    pool_ = *std::move(pool);
  }

  BlockingPool& pool() { return *pool_; }

 private:
  std::unique_ptr<BlockingPool> pool_;
};

Task<void> CallInTurn(benchmark::State& state, BlockingPool& pool) {
  for (auto _ : state) PELTON_CHECK((co_await RunBlocking(pool, [] {})).ok());
}

// One call at a time: there, and back home.
void BM_Blocking_RoundTrip(benchmark::State& state) {
  ShardWithPool shard;
  shard.scope().Spawn(CallInTurn(state, shard.pool()));
  shard.RunToTheEnd();
}
BENCHMARK(BM_Blocking_RoundTrip)->UseRealTime();

Task<void> CallOnce(BlockingPool& pool) {
  PELTON_CHECK((co_await RunBlocking(pool, [] {})).ok());
}

// Many at a time: an item is a call.
void BM_Blocking_CallsAtOnce(benchmark::State& state) {
  ShardWithPool shard;
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) shard.scope().Spawn(CallOnce(shard.pool()));
    shard.RunToTheEnd();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Blocking_CallsAtOnce)->Arg(16)->Arg(1024)->UseRealTime();

void BM_Thread_CreateAndJoin(benchmark::State& state) {
  for (auto _ : state) std::thread([] {}).join();
}
BENCHMARK(BM_Thread_CreateAndJoin)->UseRealTime();

// The floor: a wake-up there, and one back.
void BM_ConditionVariable_RoundTrip(benchmark::State& state) {
  std::mutex mutex;
  std::condition_variable changed;
  enum { kIdle, kCalled, kEnd } what = kIdle;
  std::thread other([&] {
    std::unique_lock<std::mutex> lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return what != kIdle; });
      if (what == kEnd) return;
      what = kIdle;
      changed.notify_one();
    }
  });
  const auto say = [&](auto word) {
    const std::lock_guard<std::mutex> lock(mutex);
    what = word;
    changed.notify_one();
  };
  for (auto _ : state) {
    say(kCalled);
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return what == kIdle; });
  }
  say(kEnd);
  other.join();
}
BENCHMARK(BM_ConditionVariable_RoundTrip)->UseRealTime();

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
