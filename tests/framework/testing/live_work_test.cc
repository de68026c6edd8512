#include "framework/testing/internal/live_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "framework/stepped_runtime.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/shield.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "tests/support/waits.h"

namespace pelton::testing_internal {
namespace {

using ::testing::HasSubstr;

absl::Status RunOnOneShard(const ServeFunction& body) { return SteppedRuntime().Run(body); }

TEST(LiveWorkTest, IsToldInWords) {
  EXPECT_EQ((LiveWork{.tasks = 1, .timers = 2, .connections = 1}.ToString()),
            "1 task, 2 timers, 0 operations and 1 connection");
  LiveWork sum;
  EXPECT_FALSE(sum.any());
  sum += {.tasks = 1, .timers = 2, .operations = 3, .connections = 4};
  sum += {.tasks = 10, .timers = 20, .operations = 30, .connections = 40};
  EXPECT_EQ(sum.ToString(), "11 tasks, 22 timers, 33 operations and 44 connections");
  EXPECT_TRUE(sum.any());
}

TEST(LiveWorkTest, CountsFlowsThatHaveNotEndedButForTheRunningOne) {
  auto body = [](Shard& shard) -> Task<absl::Status> {
    EXPECT_FALSE(InspectShard(shard).any());
    TaskScope scope;
    for (int i = 0; i < 3; ++i) {
      scope.Spawn([]() -> Task<void> {
        // In a context of its own; still one flow.
        (void)co_await WithTimeout(absl::Hours(2), SleepFor(absl::Hours(1)));
      });
    }
    EXPECT_EQ(InspectShard(shard).tasks, 3u) << "ready";
    co_await Yield();
    EXPECT_EQ(InspectShard(shard).tasks, 3u) << "waiting";
    EXPECT_EQ(InspectShard(shard).timers, 6u);
    EXPECT_EQ(CountTasks(scope.context()), 3u);
    EXPECT_THAT(DumpShard(shard), HasSubstr("waits for timer due in 1h"));
    scope.Cancel();
    (void)co_await scope.Join();
    EXPECT_FALSE(InspectShard(shard).any());
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnOneShard(body).ok());
}

TEST(LiveWorkTest, CountsScopesBelowTheRoot) {
  auto body = [](Shard& shard) -> Task<absl::Status> {
    EXPECT_EQ(InspectShard(shard).scopes, 0u);
    const TaskScope below(&shard.scheduler().root(), {});
    EXPECT_EQ(InspectShard(shard).scopes, 1u);
    const TaskScope in_the_body;
    EXPECT_EQ(InspectShard(shard).scopes, 1u);
    EXPECT_FALSE(InspectShard(shard).any());
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnOneShard(body).ok());
}

TEST(LiveWorkTest, EndsWhatIsBelowAFlowAndNotTheFlow) {
  auto body = [](Shard& shard) -> Task<absl::Status> {
    TaskContext& own = shard.scheduler().current_context();
    TaskScope scope;
    scope.Spawn([]() -> Task<void> { (void)co_await testing::StopWait(StopPhase::kEverything); });
    // Out of a nested context, too.
    const absl::Status ended = co_await WithTimeout(absl::Hours(1), [&]() -> Task<absl::Status> {
      EXPECT_TRUE(co_await EndTasksBelow(own));
      co_return co_await SleepFor(absl::Seconds(1));
    }());
    EXPECT_TRUE(ended.ok()) << ended;
    EXPECT_EQ(scope.live(), 0u);
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnOneShard(body).ok());
}

TEST(LiveWorkTest, WaitsForWorkThatIsShielded) {
  auto body = [](Shard& shard) -> Task<absl::Status> {
    bool done = false;
    TaskScope scope;
    scope.Spawn([&]() -> Task<void> {
      (void)co_await Shield(SleepFor(absl::Seconds(3)));
      done = true;
    });
    co_await Yield();
    EXPECT_TRUE(co_await EndTasksBelow(shard.scheduler().current_context()));
    EXPECT_TRUE(done);
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnOneShard(body).ok());
}

TEST(LiveWorkTest, APauseIsNotInterrupted) {
  auto body = [](Shard& shard) -> Task<absl::Status> {
    const Timestamp start = shard.scheduler().PreciseNow();
    shard.scheduler().root().Stop(StopPhase::kEverything, StopReason::kCancelled);
    co_await Pause(absl::Seconds(2));
    EXPECT_GE(shard.scheduler().PreciseNow() - start, absl::Seconds(2));
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnOneShard(body).ok());
}

}  // namespace
}  // namespace pelton::testing_internal
