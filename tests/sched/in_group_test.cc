#include "sched/in_group.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

SchedulingGroup Batch() {
  static const SchedulingGroup group = *SchedulingGroup::Create("batch");
  return group;
}
SchedulingGroup Other() {
  static const SchedulingGroup group = *SchedulingGroup::Create("other");
  return group;
}

Task<std::string> NameOfGroup() { co_return std::string(CurrentGroup().name()); }

TEST(InGroupTest, TheTaskRunsInTheGroupAndTheCallerInItsOwnAgain) {
  TaskHarness harness;
  harness.Run([]() -> Task<void> {
    EXPECT_EQ(CurrentGroup().name(), "main");
    EXPECT_EQ(co_await In(Batch(), NameOfGroup()), "batch");
    EXPECT_EQ(CurrentGroup().name(), "main");
  }());
}

TEST(InGroupTest, Nests) {
  TaskHarness harness;
  harness.Run([]() -> Task<void> {
    co_await In(Batch(), []() -> Task<void> {
      EXPECT_EQ(co_await In(Other(), NameOfGroup()), "other");
      EXPECT_EQ(CurrentGroup().name(), "batch");
      EXPECT_EQ(co_await In(Batch(), NameOfGroup()), "batch");
      EXPECT_EQ(co_await In(SchedulingGroup(), NameOfGroup()), "main");
    }());
  }());
}

TEST(InGroupTest, ASpawnedTaskInheritsTheGroupOfItsSpawner) {
  TaskHarness harness;
  std::string inside;
  std::string outside;
  harness.Run([](std::string* inside, std::string* outside) -> Task<void> {
    // The scope is older than the change of the group.
    TaskScope scope;
    const auto note = [](std::string* into) -> Task<void> { *into = co_await NameOfGroup(); };
    co_await In(Batch(), [](TaskScope& scope, auto note, std::string* inside) -> Task<void> {
      scope.Spawn(note, inside);
      co_return;
    }(scope, note, inside));
    scope.Spawn(note, outside);
    EXPECT_TRUE((co_await scope.Join()).ok());
  }(&inside, &outside));
  EXPECT_EQ(inside, "batch");
  EXPECT_EQ(outside, "main");
}

TEST(InGroupTest, AnExceptionPassesInTheCallersGroup) {
  TaskHarness harness;
  harness.Run([]() -> Task<void> {
    try {
      co_await In(Batch(), []() -> Task<void> {
        co_await Yield();
        throw std::runtime_error("lost");
      }());
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "lost");
      EXPECT_EQ(CurrentGroup().name(), "main");
    }
  }());
}

TEST(InGroupTest, ADeadlineReachesIntoTheGroup) {
  TaskHarness harness;
  harness.Run([]() -> Task<void> {
    const absl::Status status =
        co_await WithTimeout(absl::Milliseconds(5), In(Batch(), []() -> Task<absl::Status> {
                               EXPECT_EQ(CurrentGroup().name(), "batch");
                               co_return co_await SleepFor(absl::Hours(1));
                             }()));
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    EXPECT_EQ(CurrentGroup().name(), "main");
  }());
}

TEST(InGroupTest, StatisticsFollowTheFlow) {
  TaskHarness harness;
  harness.Run([](TaskHarness& harness) -> Task<void> {
    const auto live = [&](SchedulingGroup group) {
      return harness.scheduler().group_statistics(group).live;
    };
    EXPECT_EQ(live(SchedulingGroup()), 1u);
    co_await In(Batch(), [](auto live) -> Task<void> {
      EXPECT_EQ(live(SchedulingGroup()), 0u);
      EXPECT_EQ(live(Batch()), 1u);
      co_return;
    }(live));
    EXPECT_EQ(live(SchedulingGroup()), 1u);
    EXPECT_EQ(live(Batch()), 0u);
  }(harness));
}

}  // namespace
}  // namespace pelton
