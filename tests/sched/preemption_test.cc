#include "sched/preemption.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "sched/task.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

TEST(PreemptionPointTest, GoesStraightOnWhenNothingIsDue) {
  TaskHarness harness;
  auto compute = [&]() -> Task<void> {
    const uint64_t resumptions = harness.scheduler().statistics().resumptions;
    for (int i = 0; i < 100; ++i) co_await PreemptionPoint();
    EXPECT_EQ(harness.scheduler().statistics().resumptions, resumptions);
  };
  harness.Run(compute());
  EXPECT_EQ(harness.scheduler().statistics().preemptions, 0u);
}

TEST(PreemptionPointTest, GivesWayWhenTheOperationBudgetIsSpent) {
  TaskHarness harness({.operation_budget = 32, .virtual_quota = 1 << 20});
  int points = 0;
  std::vector<int> points_when_other_ran;
  auto compute = [&]() -> Task<void> {
    for (; points < 320; ++points) co_await PreemptionPoint();
  };
  auto other = [&]() -> Task<void> {
    while (points < 320) {
      points_when_other_ran.push_back(points);
      co_await Yield();
    }
  };
  harness.scope().Spawn(compute);
  harness.scope().Spawn(other);
  harness.RunReady();
  EXPECT_GE(points_when_other_ran.size(), 9u);
  int last = 0;
  for (const int at : points_when_other_ran) {
    EXPECT_LE(at - last, 32 + 16);
    last = at;
  }
}

TEST(PreemptionPointTest, ALoopThatPassesPointsDoesNotOutlastTheTurn) {
  TaskHarness harness({.operation_budget = 1 << 30, .virtual_quota = 512});
  bool stop = false;
  auto compute = [&]() -> Task<void> {
    while (!stop) co_await PreemptionPoint();
  };
  harness.scope().Spawn(compute);
  harness.Turn();
  EXPECT_TRUE(harness.scheduler().HasReady());
  EXPECT_EQ(harness.scheduler().statistics().preemptions, 1u);
  stop = true;
  harness.RunReady();
}

TEST(YieldTest, LetsEveryReadyTaskRunFirst) {
  TaskHarness harness;
  int others = 0;
  auto other = [&]() -> Task<void> {
    ++others;
    co_return;
  };
  auto yield = [&]() -> Task<int> {
    for (int i = 0; i < 10; ++i) harness.scope().Spawn(other);
    co_await Yield();
    co_return others;
  };
  EXPECT_EQ(harness.Run(yield()), 10);
}

TEST(YieldTest, ALoneTaskGoesOnInTheSameTurn) {
  TaskHarness harness;
  auto yield = []() -> Task<void> {
    for (int i = 0; i < 10; ++i) co_await Yield();
  };
  harness.Run(yield());
  EXPECT_EQ(harness.turns(), 1u);
}

}  // namespace
}  // namespace pelton
