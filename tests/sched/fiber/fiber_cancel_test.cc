// How fibers are told to stop: as the flow that awaits them.

#include <gtest/gtest.h>

#include <vector>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/fiber/fiber.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "tests/support/task_harness.h"
#include "tests/support/waits.h"

namespace pelton {
namespace {

using testing::StopWait;
using testing::TaskHarness;

TEST(FiberCancelTest, CancellationInterruptsWhatTheFiberAwaits) {
  TaskHarness harness;
  absl::Status seen;
  bool requested = false;
  auto program = [&]() -> Task<void> {
    TaskScope scope;
    scope.Spawn(RunFiber([&] {
      seen = Await(SleepFor(absl::Hours(1)));
      requested = StopRequested();
    }));
    co_await Yield();
    scope.Cancel();
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(program());
  EXPECT_TRUE(absl::IsCancelled(seen)) << seen;
  EXPECT_TRUE(requested);
  EXPECT_EQ(harness.now(), Timestamp::FromNanoseconds(0));
}

TEST(FiberCancelTest, CancellationReachesATaskThatTheFiberAwaits) {
  TaskHarness harness;
  absl::Status seen;
  auto nap = []() -> Task<absl::Status> { co_return co_await SleepFor(absl::Hours(1)); };
  auto program = [&]() -> Task<void> {
    TaskScope scope;
    scope.Spawn(RunFiber([&] { seen = Await(nap()); }));
    co_await Yield();
    scope.Cancel();
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(program());
  EXPECT_TRUE(absl::IsCancelled(seen)) << seen;
}

TEST(FiberCancelTest, AFiberThatWasCancelledBeforeRunsAndIsToldAtItsFirstWait) {
  TaskHarness harness;
  std::vector<absl::Status> seen;
  auto program = [&]() -> Task<void> {
    TaskScope scope;
    scope.Spawn(RunFiber([&] {
      seen.push_back(Await(SleepFor(absl::Hours(1))));
      seen.push_back(Await(SleepFor(absl::Hours(1))));
    }));
    scope.Cancel();
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(program());
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_TRUE(absl::IsCancelled(seen[0]));
  EXPECT_TRUE(absl::IsCancelled(seen[1]));
}

TEST(FiberCancelTest, PhasesOfADrainInterruptOnlyTheirWaits) {
  TaskHarness harness;
  std::vector<absl::Status> seen;
  auto program = [&]() -> Task<void> {
    TaskScope scope;
    scope.SpawnContained([&]() -> Task<absl::Status> {
      co_return co_await RunFiber([&] {
        seen.push_back(Await(StopWait(StopPhase::kIdle)));
        seen.push_back(Await(SleepFor(absl::Milliseconds(1))));
      });
    });
    co_await Yield();
    scope.Stop(StopPhase::kIdle, StopReason::kDraining);
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(program());
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_TRUE(absl::IsUnavailable(seen[0])) << seen[0];
  EXPECT_TRUE(seen[1].ok()) << "work that has begun goes on";
}

TEST(FiberCancelTest, ADeadlineAroundAFiberStopsIt) {
  TaskHarness harness;
  Timestamp inherited;
  auto sleep = [&] {
    inherited = CurrentDeadline();
    return Await(SleepFor(absl::Hours(1)));
  };
  const absl::Status late = harness.Run([&]() -> Task<absl::Status> {
    co_return co_await WithTimeout(absl::Milliseconds(5), RunFiber(sleep));
  }());
  EXPECT_TRUE(absl::IsDeadlineExceeded(late)) << late;
  EXPECT_EQ(inherited, Timestamp::FromNanoseconds(5'000'000));
  EXPECT_LT(harness.now(), Timestamp::FromNanoseconds(6'000'000));
}

TEST(FiberCancelTest, ADeadlineInsideAFiberStopsOnlyWhatIsBelow) {
  TaskHarness harness;
  absl::Status inner;
  absl::Status scoped;
  absl::Status outer;
  auto nap = []() -> Task<absl::Status> { co_return co_await SleepFor(absl::Hours(1)); };
  auto function = [&] {
    inner = Await(WithTimeout(absl::Milliseconds(5), nap()));
    {
      ScopedDeadline deadline(absl::Milliseconds(5));
      scoped = Await(SleepFor(absl::Hours(1)));
    }
    outer = Await(SleepFor(absl::Milliseconds(5)));
  };
  EXPECT_TRUE(harness.Run(RunFiber(function)).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(inner)) << inner;
  EXPECT_TRUE(absl::IsDeadlineExceeded(scoped)) << scoped;
  EXPECT_TRUE(outer.ok()) << outer;
}

TEST(FiberCancelTest, TheLoserOfARaceIsJoined) {
  TaskHarness harness;
  absl::Status loser;
  auto program = [&]() -> Task<void> {
    const auto first =
        co_await WhenAny(RunFiber([] { return Await(SleepFor(absl::Seconds(1))); }), RunFiber([&] {
                           loser = Await(SleepFor(absl::Hours(1)));
                           return loser;
                         }));
    EXPECT_EQ(first.index(), 0u);
    EXPECT_TRUE(absl::IsCancelled(loser)) << "it has ended before the race is over";
  };
  harness.Run(program());
}

}  // namespace
}  // namespace pelton
