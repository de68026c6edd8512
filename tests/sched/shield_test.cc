#include "sched/shield.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "tests/sched/flows.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::Sleep;
using testing::TaskHarness;
using testing::UnderEverySeed;

TEST(ShieldTest, WorkGoesOnWhenItsTaskIsCancelledAndIsAwaited) {
  UnderEverySeed([](TaskHarness& harness) {
    absl::Status inside = absl::UnknownError("not set");
    absl::Status outside;
    auto body = [&]() -> Task<void> {
      inside = co_await Shield(Sleep(absl::Seconds(2)));
      EXPECT_TRUE(StopRequested()) << "the task sees its own cancellation afterwards";
      outside = co_await SleepFor(absl::Hours(1));
    };
    harness.scope().Spawn(body);
    harness.Turn();
    harness.scope().Cancel();
    harness.RunReady();
    EXPECT_EQ(harness.scope().live(), 1u);
    harness.RunUntilIdle();
    EXPECT_TRUE(inside.ok()) << inside;
    EXPECT_TRUE(absl::IsCancelled(outside)) << outside;
    EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(2));
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(3));
  });
}

TEST(ShieldTest, AnAwaiterIsShieldedWithoutAFrame) {
  TaskHarness harness;
  absl::Status inside = absl::UnknownError("not set");
  uint64_t frames = 0;
  auto body = [&]() -> Task<void> {
    frames = harness.frames().GetStatistics().live;
    inside = co_await Shield(SleepFor(absl::Seconds(2)));
  };
  harness.scope().Spawn(body);
  harness.Turn();
  EXPECT_EQ(harness.frames().GetStatistics().live, frames);
  harness.scope().Cancel();
  harness.RunUntilIdle();
  EXPECT_TRUE(inside.ok()) << inside;
}

TEST(ShieldTest, StartsCleanInATaskThatWasStoppedBefore) {
  TaskHarness harness;
  absl::Status inside = absl::UnknownError("not set");
  auto body = [&]() -> Task<void> {
    EXPECT_TRUE(absl::IsCancelled(co_await SleepFor(absl::Hours(1))));
    inside = co_await Shield(Sleep(absl::Seconds(1)));
  };
  harness.scope().Spawn(body);
  harness.Turn();
  harness.scope().Cancel();
  harness.RunUntilIdle();
  EXPECT_TRUE(inside.ok()) << inside;
}

TEST(ShieldTest, ReachesWhatIsSpawnedBelow) {
  UnderEverySeed([](TaskHarness& harness) {
    int ended = 0;
    auto many = [&]() -> Task<absl::Status> {
      TaskScope scope;
      for (int i = 0; i < 5; ++i) {
        scope.Spawn([&]() -> Task<absl::Status> {
          const absl::Status slept = co_await SleepFor(absl::Seconds(1));
          ended += slept.ok();
          co_return slept;
        });
      }
      co_return co_await scope.Join();
    };
    auto body = [&]() -> Task<void> { EXPECT_TRUE((co_await Shield(many())).ok()); };
    harness.scope().Spawn(body);
    harness.Turn();
    harness.scope().Cancel();
    harness.RunUntilIdle();
    EXPECT_EQ(ended, 5);
  });
}

TEST(ShieldTest, TheDeadlineOfTheTaskDoesNotReachIt) {
  TaskHarness harness;
  auto body = []() -> Task<absl::Status> {
    const absl::Status inside = co_await Shield(Sleep(absl::Seconds(2)));
    EXPECT_TRUE(inside.ok()) << inside;
    EXPECT_TRUE(StopRequested());
    co_return co_await SleepFor(absl::Hours(1));
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(WithTimeout(absl::Seconds(1), body()))));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(3));
}

TEST(ShieldTest, ItsOwnLimitStopsIt) {
  UnderEverySeed([](TaskHarness& harness) {
    auto body = []() -> Task<absl::Status> {
      const absl::Status late = co_await Shield(Sleep(absl::Hours(1)), {.limit = absl::Seconds(3)});
      EXPECT_FALSE(StopRequested());
      co_return late;
    };
    EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(body())));
    EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(3));
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(4));
  });
}

TEST(ShieldTest, CurrentDeadlineIsTheLimit) {
  TaskHarness harness;
  auto body = []() -> Task<void> {
    const ScopedDeadline outer(absl::Seconds(1));
    const Timestamp started = Scheduler::Current()->PreciseNow();
    auto look = []() -> Task<Timestamp> { co_return CurrentDeadline(); };
    EXPECT_EQ(*co_await Shield(look(), {.limit = absl::Seconds(7)}), started + absl::Seconds(7));
    EXPECT_EQ(CurrentDeadline(), started + absl::Seconds(1));
  };
  harness.Run(body());
}

TEST(ShieldTest, TheEndOfTheServicePassesOverItUnlessItSaysOtherwise) {
  UnderEverySeed([](TaskHarness& harness) {
    absl::Status stubborn = absl::UnknownError("not set");
    absl::Status obedient = absl::UnknownError("not set");
    harness.scope().Spawn(
        [&]() -> Task<void> { stubborn = co_await Shield(Sleep(absl::Seconds(2))); });
    harness.scope().Spawn([&]() -> Task<void> {
      obedient = co_await Shield(Sleep(absl::Seconds(2)), {.until_service_ends = true});
    });
    harness.RunReady();
    harness.root().Stop(StopPhase::kAccepting, StopReason::kDraining);
    harness.root().Stop(StopPhase::kIdle, StopReason::kDraining);
    harness.scope().Cancel();
    harness.RunReady();
    EXPECT_EQ(harness.scope().live(), 2u) << "cancelling a scope is not the service's end";
    harness.root().Stop(StopPhase::kEverything, StopReason::kCancelled);
    harness.RunReady();
    EXPECT_EQ(harness.scope().live(), 1u) << "it goes below what had been cancelled before";
    EXPECT_TRUE(absl::IsCancelled(obedient)) << obedient;
    harness.RunUntilIdle();
    EXPECT_TRUE(stubborn.ok()) << stubborn;
  });
}

TEST(ShieldTest, AfterTheServiceEndedNewWorkThatObeysIsStoppedFromTheBeginning) {
  TaskHarness harness;
  harness.root().Stop(StopPhase::kEverything, StopReason::kCancelled);
  auto body = []() -> Task<void> {
    EXPECT_TRUE(
        absl::IsCancelled(co_await Shield(Sleep(absl::Seconds(1)), {.until_service_ends = true})));
    EXPECT_TRUE((co_await Shield(Sleep(absl::Seconds(1)))).ok());
    auto inner = []() -> Task<absl::Status> {
      co_return co_await Shield(Sleep(absl::Seconds(1)), {.until_service_ends = true});
    };
    EXPECT_TRUE((co_await Shield(inner())).ok()) << "the outer shield protects the inner one";
  };
  harness.Run(body());
}

TEST(ShieldTest, AnExceptionTravelsAndLeavesTheShield) {
  TaskHarness harness;
  auto body = []() -> Task<void> {
    const TaskContext* context = &Scheduler::Current()->current_context();
    bool caught = false;
    try {
      (void)co_await Shield(testing::ThrowAfter(absl::Seconds(1), "failed"));
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
    EXPECT_EQ(&Scheduler::Current()->current_context(), context);
    EXPECT_TRUE(Scheduler::Current()->NextTimer().infinite());
  };
  harness.Run(body());
}

TEST(ShieldTest, YieldsEveryKindOfResult) {
  TaskHarness harness;
  int target = 4;
  auto moved = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  auto reference = [&]() -> Task<int&> { co_return target; };
  EXPECT_EQ(**harness.Run(Shield(moved())), 3);
  EXPECT_EQ(&harness.Run(Shield(reference()))->get(), &target);
}

TEST(ScopedShieldTest, ShieldsTheRestOfItsBlock) {
  TaskHarness harness;
  absl::Status inside = absl::UnknownError("not set");
  absl::Status outside;
  auto body = [&]() -> Task<void> {
    {
      const ScopedShield shield;
      inside = co_await SleepFor(absl::Seconds(1));
    }
    outside = co_await SleepFor(absl::Seconds(1));
  };
  harness.scope().Spawn(body);
  harness.Turn();
  harness.scope().Cancel();
  harness.RunUntilIdle();
  EXPECT_TRUE(inside.ok()) << inside;
  EXPECT_TRUE(absl::IsCancelled(outside)) << outside;
}

}  // namespace
}  // namespace pelton
