// TaskScope::Cancel(), and what a scope does when its parent is stopped.

#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "tests/sched/flows.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::FailAfter;
using testing::Sleep;
using testing::TaskHarness;

TEST(TaskScopeTest, CancelReachesEveryChildAndIsNoFailure) {
  TaskHarness harness;
  auto parent = []() -> Task<absl::Status> {
    TaskScope scope;
    for (int i = 0; i < 100; ++i) scope.Spawn(Sleep, absl::Hours(1));
    co_await Yield();
    scope.Cancel();
    scope.Cancel();
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(harness.Run(parent()).ok());
  EXPECT_EQ(harness.now(), Timestamp());
}

TEST(TaskScopeTest, CancellingAnEmptyScopeIsHarmless) {
  TaskHarness harness;
  auto parent = []() -> Task<absl::Status> {
    TaskScope scope;
    scope.Cancel();
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(harness.Run(parent()).ok());
}

TEST(TaskScopeTest, AChildSpawnedAfterCancelIsBornCancelled) {
  TaskHarness harness;
  auto parent = []() -> Task<absl::Status> {
    TaskScope scope;
    scope.Cancel();
    scope.Spawn(Sleep, absl::Hours(1));
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(harness.Run(parent()).ok());
  EXPECT_EQ(harness.now(), Timestamp());
}

TEST(TaskScopeTest, OtherErrorsAfterCancelAreStillReported) {
  TaskHarness harness;
  auto parent = []() -> Task<absl::Status> {
    TaskScope scope;
    scope.Spawn(FailAfter, absl::Hours(1), absl::DataLossError("lost while it was cancelled"));
    co_await Yield();
    scope.Cancel();
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(absl::IsDataLoss(harness.Run(parent())));
}

TEST(TaskScopeTest, AChildCanCancelItsOwnScope) {
  TaskHarness harness;
  auto parent = []() -> Task<absl::Status> {
    TaskScope scope;
    auto cancel = [&]() -> Task<absl::Status> {
      scope.Cancel();
      co_return co_await SleepFor(absl::Hours(1));
    };
    scope.Spawn(Sleep, absl::Hours(1));
    scope.Spawn(cancel);
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(harness.Run(parent()).ok());
}

TEST(TaskScopeTest, StoppingTheParentStopsTheChildren) {
  TaskHarness harness;
  auto parent = []() -> Task<absl::Status> {
    TaskScope scope;
    scope.Spawn(Sleep, absl::Hours(1));
    co_return co_await scope.Join();
  };
  harness.scope().Spawn(parent);
  harness.Turn();
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_EQ(harness.scope().live(), 0u);
}

TEST(TaskScopeTest, AParentThatWasStoppedSeesItsChildrensCancellation) {
  TaskHarness harness;
  absl::Status joined;
  auto parent = [&]() -> Task<void> {
    TaskScope scope;
    scope.Spawn(Sleep, absl::Hours(1));
    joined = co_await scope.Join();
  };
  harness.scope().Spawn(parent);
  harness.Turn();
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_TRUE(absl::IsCancelled(joined)) << joined;
}

TEST(TaskScopeTest, AScopeMadeInAStoppedFlowIsStopped) {
  TaskHarness harness;
  absl::Status joined;
  auto parent = [&]() -> Task<void> {
    (void)co_await SleepFor(absl::Hours(1));
    TaskScope scope;
    EXPECT_TRUE(scope.context().StoppedFrom(StopPhase::kEverything));
    scope.Spawn(Sleep, absl::Hours(1));
    joined = co_await scope.Join();
  };
  harness.scope().Spawn(parent);
  harness.Turn();
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_TRUE(absl::IsCancelled(joined)) << joined;
}

}  // namespace
}  // namespace pelton
