// Futures that other threads settle: real threads, so it means most under tsan.

#include "sched/future/foreign_promise.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/future/gather.h"
#include "sched/preemption.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

TEST(ForeignPromiseTest, IsFulfilledByAnotherThread) {
  TaskHarness harness;
  ForeignPromise<std::unique_ptr<int>> promise;
  Future<std::unique_ptr<int>> future = promise.future();
  std::thread thread([promise = std::move(promise)]() mutable {
    EXPECT_TRUE(promise.pending());
    promise.Fulfil(std::make_unique<int>(3));
    EXPECT_FALSE(promise.pending());
  });
  auto program = [&]() -> Task<int> { co_return **co_await future; };
  EXPECT_EQ(harness.Run(program()), 3);
  thread.join();
}

TEST(ForeignPromiseTest, IsRejectedByAnotherThread) {
  TaskHarness harness;
  ForeignPromise<void> promise;
  Future<void> future = promise.future();
  std::thread([promise = std::move(promise)]() mutable {
    promise.Settle(absl::DataLossError("disk"));
  }).join();
  harness.RunUntilIdle();
  EXPECT_EQ(future.Take(), absl::DataLossError("disk"));
}

TEST(ForeignPromiseTest, SettlesTheFutureInTheShardsNextTurnAndNotBefore) {
  TaskHarness harness;
  ForeignPromise<int> promise;
  Future<int> future = promise.future();
  EXPECT_EQ(harness.scheduler().external(), 1u);
  promise.Fulfil(1);
  EXPECT_EQ(future.phase(), FuturePhase::kPending);
  EXPECT_EQ(harness.scheduler().external(), 1u);
  harness.Turn();
  EXPECT_EQ(*future.Take(), 1);
  EXPECT_EQ(harness.scheduler().external(), 0u);
}

TEST(ForeignPromiseTest, DestroyedUnsettledOnAThreadNamesItsLine) {
  TaskHarness harness;
  const int line = __LINE__ + 1;
  ForeignPromise<int> promise;
  Future<int> future = promise.future();
  std::thread([promise = std::move(promise)] {}).join();
  harness.RunUntilIdle();
  const absl::Status error = future.Take().status();
  EXPECT_TRUE(absl::IsAborted(error));
  EXPECT_NE(error.ToString().find("foreign_promise_test.cc:" + std::to_string(line)),
            std::string::npos)
      << error;
}

TEST(ForeignPromiseTest, RunsContinuationsOnTheHomeShard) {
  TaskHarness harness;
  const std::thread::id home = std::this_thread::get_id();
  ForeignPromise<int> promise;
  Future<bool> at_home =
      promise.future().Then([home](int n) { return n == 2 && std::this_thread::get_id() == home; });
  std::thread([promise = std::move(promise)]() mutable { promise.Fulfil(2); }).join();
  harness.RunUntilIdle();
  EXPECT_TRUE(*at_home.Take());
}

TEST(ForeignPromiseTest, CrossesFromShardToShard) {
  TaskHarness home;
  ForeignPromise<std::string> promise;
  Future<std::string> future = promise.future();
  {
    TaskHarness other;
    auto work = [](ForeignPromise<std::string> answer) -> Task<void> {
      co_await Yield();
      answer.Fulfil("from the other shard");
    };
    other.Run(work(std::move(promise)));
  }
  home.RunUntilIdle();
  EXPECT_EQ(*future.Take(), "from the other shard");
}

TEST(ForeignPromiseTest, MayOutliveItsFuture) {
  TaskHarness harness;
  ForeignPromise<std::shared_ptr<int>> promise;
  {
    Future<std::shared_ptr<int>> dropped = promise.future();
  }
  auto value = std::make_shared<int>(1);
  std::thread([&, promise = std::move(promise)]() mutable { promise.Fulfil(value); }).join();
  harness.RunUntilIdle();
  EXPECT_EQ(value.use_count(), 1);
}

TEST(ForeignPromiseTest, TravelsAsAPointer) {
  TaskHarness harness;
  ForeignPromise<int> promise;
  Future<int> future = promise.future();
  void* const pointer = std::move(promise).Release();
  std::thread([pointer] { ForeignPromise<int>::FromReleased(pointer).Fulfil(8); }).join();
  harness.RunUntilIdle();
  EXPECT_EQ(*future.Take(), 8);
}

TEST(ForeignPromiseTest, ManyThreadsSettleManyInEveryOrder) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    TaskHarness harness({.shuffle_seed = seed});
    constexpr int kThreads = 4;
    constexpr int kEach = 8;
    std::vector<Future<int>> futures;
    std::vector<std::vector<ForeignPromise<int>>> promises(kThreads);
    int64_t expected = 0;
    for (int i = 0; i < kThreads * kEach; ++i) {
      futures.push_back(promises[i % kThreads].emplace_back().future());
      expected += i % kThreads;
    }
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([t, owned = std::move(promises[t])]() mutable {
        for (auto& promise : owned) promise.Fulfil(t);
      });
    }
    auto program = [&]() -> Task<int64_t> {
      int64_t sum = 0;
      const std::vector<int> numbers = *co_await Gather(std::move(futures));
      // pelton: bounded: kThreads * kEach additions
      for (const int n : numbers) sum += n;
      co_return sum;
    };
    EXPECT_EQ(harness.Run(program()), expected);
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(ForeignPromiseDeathTest, IsMadeOnAShardAndSettledOnce) {
  EXPECT_DEATH(ForeignPromise<int>(), "on a thread that runs no shard");
  TaskHarness harness;
  ForeignPromise<int> promise;
  promise.Fulfil(1);
  EXPECT_DEATH(promise.Fulfil(2), "after it was settled or moved");
  harness.RunUntilIdle();
}

}  // namespace
}  // namespace pelton
