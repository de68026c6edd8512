// How continuations run: stack, order, budget, groups, memory.

#include "sched/future/continuation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "alloc/thread_allocations.h"
#include "sched/future/future.h"
#include "sched/in_group.h"
#include "sched/preemption.h"
#include "sched/scheduling_group.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

constexpr int kMillion = 1'000'000;

TEST(ContinuationTest, AChainOfAMillionTakesNoStack) {
  TaskHarness harness;
  Promise<int> promise;
  Future<int> future = promise.future();
  for (int i = 0; i < kMillion; ++i) {
    future = std::move(future).Then([](int n) { return n + 1; });
  }
  promise.Fulfil(0);
  harness.RunUntilIdle();
  EXPECT_EQ(*future.Take(), kMillion);
}

TEST(ContinuationTest, AnErrorPassesAMillionByWithoutStack) {
  TaskHarness harness;
  Promise<int> promise;
  Future<int> future = promise.future();
  for (int i = 0; i < kMillion; ++i) {
    future = std::move(future).Then([](int n) { return n + 1; });
  }
  {
    Promise<int> broken = std::move(promise);
  }
  harness.RunUntilIdle();
  EXPECT_TRUE(absl::IsAborted(future.Take().status()));
}

TEST(ContinuationTest, AChainOfAMillionMayBeDropped) {
  TaskHarness harness;
  Promise<int> promise;
  {
    Future<int> future = promise.future();
    for (int i = 0; i < kMillion; ++i) {
      future = std::move(future).Then([](int n) { return n + 1; });
    }
  }
  promise.Fulfil(0);
  harness.RunUntilIdle();
  EXPECT_EQ(harness.frames().GetStatistics().live, 0u);
}

// Counts down by returning the next round's future.
Future<int> CountDown(int n, uint64_t* most_live) {
  if (n % 1000 == 0) {
    *most_live = std::max(*most_live, FramePool::Current()->GetStatistics().live);
  }
  if (n == 0) return FulfilledFuture(7);
  return FulfilledFuture(n - 1).Then([most_live](int rest) { return CountDown(rest, most_live); });
}

TEST(ContinuationTest, ALoopOfAMillionFuturesTakesConstantMemory) {
  TaskHarness harness;
  uint64_t most_live = 0;
  Future<int> end = CountDown(kMillion, &most_live);
  harness.RunUntilIdle();
  EXPECT_EQ(*end.Take(), 7);
  EXPECT_LE(most_live, 10u);
}

TEST(ContinuationTest, ALoopWhoseFutureIsDroppedEndsAllTheSame) {
  TaskHarness harness;
  uint64_t most_live = 0;
  {
    Future<int> dropped = CountDown(1000, &most_live);
  }
  harness.RunUntilIdle();
  EXPECT_EQ(harness.frames().GetStatistics().live, 0u);
}

TEST(ContinuationTest, ALongChainGivesWayToTasks) {
  TaskHarness harness;
  Promise<int> promise;
  Future<int> future = promise.future();
  for (int i = 0; i < 10'000; ++i) future = std::move(future).Then([](int n) { return n + 1; });
  int turns = 0;
  auto watch = [&]() -> Task<void> {
    while (future.phase() == FuturePhase::kPending) {
      ++turns;
      co_await Yield();
    }
  };
  promise.Fulfil(0);
  harness.scope().Spawn(watch);
  harness.RunUntilIdle();
  EXPECT_GE(turns, 10'000 / 300);
}

TEST(ContinuationTest, ABusyShardRunsThemInOneFlow) {
  TaskHarness harness;
  for (int i = 0; i < 100; ++i) FulfilledFuture(i).OnSettled([](absl::StatusOr<int>) {});
  const uint64_t before = harness.scheduler().statistics().resumptions;
  harness.RunUntilIdle();
  EXPECT_LE(harness.scheduler().statistics().resumptions, before + 3);
  EXPECT_EQ(harness.frames().GetStatistics().live, 0u) << "the flow outlives its work";
}

TEST(ContinuationTest, RunsInTheGroupOfTheTaskThatAttachedIt) {
  TaskHarness harness;
  const SchedulingGroup group = *SchedulingGroup::Create("continuations");
  Promise<void> promise;
  std::vector<uint32_t> groups;
  Future<void> inside;
  auto attach = [&]() -> Task<void> {
    inside = promise.future().Then([&] { groups.push_back(CurrentGroup().index()); });
    co_return;
  };
  auto program = [&]() -> Task<void> {
    co_await In(group, attach());
    promise.Fulfil();
    Future<void> outside =
        FulfilledFuture().Then([&] { groups.push_back(CurrentGroup().index()); });
    EXPECT_TRUE((co_await outside).ok());
    EXPECT_TRUE((co_await inside).ok());
  };
  harness.Run(program());
  std::sort(groups.begin(), groups.end());
  EXPECT_EQ(groups, (std::vector<uint32_t>{0, group.index()}));
  EXPECT_EQ(harness.scheduler().group_statistics(group).live, 0u);
}

TEST(ContinuationTest, EachShardOfAThreadRunsItsOwn) {
  TaskHarness first;
  int ran_on_first = 0;
  Promise<void> promise;
  Future<void> a = promise.future().Then([&] { ++ran_on_first; });
  promise.Fulfil();
  {
    TaskHarness second;
    int ran_on_second = 0;
    Future<void> b = FulfilledFuture().Then([&] { ++ran_on_second; });
    Future<void> c = FulfilledFuture().Then([&] { ++ran_on_second; });
    second.RunUntilIdle();
    EXPECT_EQ(ran_on_second, 2);
    EXPECT_EQ(ran_on_first, 0);
  }
  first.RunUntilIdle();
  EXPECT_EQ(ran_on_first, 1);
}

TEST(ContinuationTest, AThenAllocatesNothingOutsideThePool) {
  TaskHarness harness;
  auto program = []() -> Task<void> {
    uint64_t before = 0;
    for (int i = 0; i < 200; ++i) {
      if (i == 100) before = ThreadAllocatedBytes();
      Promise<int> promise;
      Future<int> future = promise.future()
                               .Then([i](int n) { return n + i; })
                               .Then([](int n) { return FulfilledFuture(n); })
                               .Recover([](absl::Status) { return 0; });
      promise.Fulfil(1);
      EXPECT_EQ(*co_await future, i + 1);
      FulfilledFuture(i).OnSettled([](absl::StatusOr<int>) {});
    }
    if (ThreadAllocationsCounted()) EXPECT_EQ(ThreadAllocatedBytes(), before);
  };
  harness.Run(program());
  harness.RunUntilIdle();
}

// Whatever the order of the tasks, continuations keep theirs.
TEST(ContinuationTest, KeepsItsOrderInEveryShuffledOne) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    TaskHarness harness({.shuffle_seed = seed});
    std::vector<int> made_ready;
    std::vector<int> ran;
    auto fulfil = [&](int i) -> Task<void> {
      for (int turns = i % 5; turns > 0; --turns) co_await Yield();
      Promise<int> promise;
      promise.future().OnSettled([&](absl::StatusOr<int> n) { ran.push_back(*n); });
      made_ready.push_back(i);
      promise.Fulfil(i);
    };
    for (int i = 0; i < 30; ++i) harness.scope().Spawn(fulfil, i);
    harness.RunUntilIdle();
    EXPECT_EQ(ran, made_ready);
  }
}

}  // namespace
}  // namespace pelton
