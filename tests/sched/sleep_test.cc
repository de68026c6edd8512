#include "sched/sleep.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "sched/preemption.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

constexpr absl::Duration kTick = absl::Nanoseconds(1 << TimerWheel::kTickBits);

Task<absl::Status> Sleep(absl::Duration duration) { co_return co_await SleepFor(duration); }

TEST(SleepTest, NeverWakesEarlyAndAtMostATickLate) {
  TaskHarness harness;
  for (const absl::Duration duration :
       {absl::Nanoseconds(1), absl::Nanoseconds(16'384), absl::Nanoseconds(16'385),
        absl::Milliseconds(50), absl::Seconds(3), absl::Hours(1000)}) {
    const Timestamp start = harness.now();
    EXPECT_TRUE(harness.Run(Sleep(duration)).ok());
    EXPECT_GE(harness.now() - start, duration);
    EXPECT_LE(harness.now() - start, duration + 2 * kTick);
  }
}

TEST(SleepTest, TakesNoTurnsWhileItSleeps) {
  TaskHarness harness;
  EXPECT_TRUE(harness.Run(Sleep(absl::Hours(24))).ok());
  EXPECT_LT(harness.turns(), 50u) << "the clock jumps to the deadline, in the wheel's few steps";
}

TEST(SleepTest, SleepersWakeInTheOrderOfTheirDeadlines) {
  TaskHarness harness;
  std::vector<int> order;
  auto sleeper = [&](int milliseconds) -> Task<absl::Status> {
    const absl::Status status = co_await SleepFor(absl::Milliseconds(milliseconds));
    order.push_back(milliseconds);
    co_return status;
  };
  for (const int milliseconds : {30, 10, 50, 20, 40}) harness.scope().Spawn(sleeper, milliseconds);
  harness.RunUntilIdle();
  EXPECT_EQ(order, (std::vector<int>{10, 20, 30, 40, 50}));
}

TEST(SleepTest, ASleepOfNothingGivesWayOnce) {
  TaskHarness harness;
  const uint64_t before = harness.scheduler().statistics().timers_fired;
  EXPECT_TRUE(harness.Run(Sleep(absl::ZeroDuration())).ok());
  EXPECT_TRUE(harness.Run(Sleep(-absl::Seconds(5))).ok());
  EXPECT_EQ(harness.scheduler().statistics().timers_fired, before + 2);
  EXPECT_LE(harness.now() - Timestamp(), 2 * kTick);
}

TEST(SleepTest, AnEndlessSleepEndsWhenItIsCancelled) {
  TaskHarness harness;
  auto endless = []() -> Task<absl::Status> {
    TaskScope scope;
    absl::Status status;
    auto sleep = [&]() -> Task<void> { status = co_await SleepFor(absl::InfiniteDuration()); };
    scope.Spawn(sleep);
    co_await Yield();
    EXPECT_TRUE(Scheduler::Current()->NextTimer().infinite());
    scope.Cancel();
    EXPECT_TRUE((co_await scope.Join()).ok());
    co_return status;
  };
  EXPECT_TRUE(absl::IsCancelled(harness.Run(endless())));
}

TEST(SleepTest, ReturnsAtOnceInAFlowThatWasStopped) {
  TaskHarness harness;
  auto stopped = [&]() -> Task<void> {
    TaskScope scope;
    auto sleep_twice = [&]() -> Task<void> {
      EXPECT_TRUE(absl::IsCancelled(co_await SleepFor(absl::Hours(1))));
      EXPECT_TRUE(absl::IsCancelled(co_await SleepFor(absl::Hours(1))));
    };
    scope.Spawn(sleep_twice);
    co_await Yield();
    scope.Cancel();
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(stopped());
  EXPECT_EQ(harness.now(), Timestamp());
}

TEST(SleepTest, AStoppedLoopAroundASleepStillLetsOthersRun) {
  TaskHarness harness;
  bool end = false;
  auto loop = [&]() -> Task<void> {
    while (!end) {
      EXPECT_FALSE((co_await SleepFor(absl::Seconds(1))).ok());
    }
  };
  auto ender = [&]() -> Task<void> {
    for (int i = 0; i < 100; ++i) co_await Yield();
    end = true;
  };
  auto both = [&]() -> Task<void> {
    TaskScope scope;
    scope.Spawn(loop);
    scope.Cancel();
    harness.scope().Spawn(ender);
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(both());
  EXPECT_TRUE(end);
}

TEST(SleepTest, SleepUntilTakesAPointInTime) {
  TaskHarness harness;
  auto until = [](Timestamp time) -> Task<absl::Status> { co_return co_await SleepUntil(time); };
  const Timestamp time = Timestamp::FromNanoseconds(7'000'000'000);
  EXPECT_TRUE(harness.Run(until(time)).ok());
  EXPECT_GE(harness.now(), time);
  EXPECT_TRUE(harness.Run(until(Timestamp::FromNanoseconds(-1))).ok());
  EXPECT_TRUE(
      harness.Run(until(Timestamp::FromNanoseconds(std::numeric_limits<int64_t>::min()))).ok());
}

TEST(SleepTest, WhenTheTimerFiredFirstACancellationComesTooLate) {
  TaskHarness harness;
  absl::Status status = absl::UnknownError("not set");
  TaskScope* inner = nullptr;
  auto parent = [&]() -> Task<void> {
    TaskScope scope;
    inner = &scope;
    auto sleep = [&]() -> Task<void> { status = co_await SleepFor(absl::Milliseconds(1)); };
    scope.Spawn(sleep);
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.scope().Spawn(parent);
  harness.Turn();
  harness.clock().Advance(absl::Milliseconds(2));
  harness.scheduler().BeginTurn();
  EXPECT_EQ(harness.scheduler().FireTimers(), 1u);
  inner->Cancel();  // the sleeper is ready, and has not run yet
  harness.RunReady();
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace pelton
