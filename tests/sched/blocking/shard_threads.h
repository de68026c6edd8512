// Several real threads, each a shard with a harness of its own, that share one pool.

#ifndef PELTON_TESTS_SCHED_BLOCKING_SHARD_THREADS_H_
#define PELTON_TESTS_SCHED_BLOCKING_SHARD_THREADS_H_

#include <cstdint>
#include <latch>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "framework/base/check.h"
#include "sched/blocking/blocking_pool.h"
#include "tests/support/task_harness.h"

namespace pelton::testing {

inline std::unique_ptr<BlockingPool> MakePool(const BlockingPool::Options& options = {}) {
  absl::StatusOr<std::unique_ptr<BlockingPool>> pool = BlockingPool::Create(options);
  PELTON_CHECK(pool.ok()) << pool.status();
  return *std::move(pool);
}

// Steps until no task of the harness's scope lives.
inline void StepUntilEnded(TaskHarness& harness) {
  while (harness.scope().live() > 0) {
    PELTON_CHECK(harness.Step() || harness.scope().live() == 0) << "a task never ends";
  }
}

// Calls `body(harness, index)` on `shards` threads, and destroys the pool before their harnesses,
// which its threads may be about to wake.
template <typename Body>
void RunOnShards(int shards, std::unique_ptr<BlockingPool> pool, Body body) {
  std::latch ended(shards);
  std::latch pool_is_gone(1);
  std::vector<std::thread> threads;
  for (int i = 0; i < shards; ++i) {
    threads.emplace_back([&, i] {
      TaskHarness harness;
      body(harness, i);
      ended.count_down();
      pool_is_gone.wait();
    });
  }
  ended.wait();
  pool.reset();
  pool_is_gone.count_down();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace pelton::testing

#endif  // PELTON_TESTS_SCHED_BLOCKING_SHARD_THREADS_H_
