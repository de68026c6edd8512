#include "sched/deadline.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "tests/sched/flows.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::Sleep;
using testing::SleepThen;
using testing::TaskHarness;

TEST(WithTimeoutTest, ATaskThatIsInTimeKeepsItsResult) {
  TaskHarness harness;
  EXPECT_TRUE(harness.Run(WithTimeout(absl::Seconds(2), Sleep(absl::Seconds(1)))).ok());
  EXPECT_LT(harness.now() - Timestamp(), absl::Milliseconds(1001)) << "the timer is gone";
}

TEST(WithTimeoutTest, ATaskThatIsLateIsStoppedAndFails) {
  TaskHarness harness;
  const absl::Status status =
      harness.Run(WithTimeout(absl::Milliseconds(200), Sleep(absl::Hours(1))));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_GE(harness.now() - Timestamp(), absl::Milliseconds(200));
  EXPECT_LT(harness.now() - Timestamp(), absl::Milliseconds(201));
}

TEST(WithTimeoutTest, EveryKindOfResultBecomesAStatusOrAStatusOr) {
  TaskHarness harness;
  auto nothing = []() -> Task<void> { co_return; };
  auto number = []() -> Task<int> { co_return 1; };
  auto maybe = []() -> Task<absl::StatusOr<std::string>> { co_return "text"; };
  auto moved = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  EXPECT_TRUE(harness.Run(WithTimeout(absl::Seconds(1), nothing())).ok());
  EXPECT_EQ(*harness.Run(WithTimeout(absl::Seconds(1), number())), 1);
  EXPECT_EQ(*harness.Run(WithTimeout(absl::Seconds(1), maybe())), "text");
  EXPECT_EQ(**harness.Run(WithTimeout(absl::Seconds(1), moved())), 3);
}

TEST(WithTimeoutTest, AnErrorBeforeTheDeadlineStaysItself) {
  TaskHarness harness;
  auto fail = []() -> Task<absl::StatusOr<int>> { co_return absl::NotFoundError("no such key"); };
  EXPECT_TRUE(absl::IsNotFound(harness.Run(WithTimeout(absl::Seconds(1), fail())).status()));
}

TEST(WithTimeoutTest, AnErrorAfterTheDeadlineBecomesDeadlineExceeded) {
  TaskHarness harness;
  auto fail = []() -> Task<absl::Status> {
    (void)co_await SleepFor(absl::Seconds(10));
    co_return absl::NotFoundError("a consequence of the interruption");
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(WithTimeout(absl::Seconds(1), fail()))));
}

TEST(WithTimeoutTest, ATaskThatSucceedsInSpiteOfItsDeadlineKeepsItsValue) {
  TaskHarness harness;
  const absl::StatusOr<int> value =
      harness.Run(WithTimeout(absl::Seconds(1), SleepThen(absl::Seconds(10), 5)));
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(*value, 5);
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2)) << "its sleep was interrupted";
}

TEST(WithTimeoutTest, AVoidTaskThatIsLateFails) {
  TaskHarness harness;
  auto sleep = []() -> Task<void> { (void)co_await SleepFor(absl::Seconds(10)); };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(WithTimeout(absl::Seconds(1), sleep()))));
}

TEST(WithDeadlineTest, ADeadlineInThePastStopsTheFirstWait) {
  TaskHarness harness;
  harness.clock().Advance(absl::Seconds(5));
  const Timestamp past = Timestamp::FromNanoseconds(1);
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(WithDeadline(past, Sleep(absl::Hours(1))))));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(6));
}

TEST(WithDeadlineTest, AnInfiniteDeadlineArmsNoTimer) {
  TaskHarness harness;
  auto look = []() -> Task<bool> {
    co_await Yield();
    co_return Scheduler::Current()->NextTimer().infinite();
  };
  EXPECT_TRUE(*harness.Run(WithDeadline(Timestamp::InfiniteFuture(), look())));
  EXPECT_TRUE(*harness.Run(WithTimeout(absl::InfiniteDuration(), look())));
}

TEST(WithDeadlineTest, WhenTheOuterDeadlineIsTighterItWins) {
  TaskHarness harness;
  absl::Status inner_status;
  auto inner = [&]() -> Task<absl::Status> {
    inner_status = co_await WithTimeout(absl::Seconds(50), Sleep(absl::Hours(1)));
    co_return inner_status;
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(WithTimeout(absl::Seconds(5), inner()))));
  EXPECT_TRUE(absl::IsDeadlineExceeded(inner_status));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(6));
}

TEST(WithDeadlineTest, WhenTheInnerDeadlineIsTighterTheOuterGoesOn) {
  TaskHarness harness;
  auto outer = [&]() -> Task<absl::Status> {
    const absl::Status inner = co_await WithTimeout(absl::Seconds(5), Sleep(absl::Hours(1)));
    EXPECT_TRUE(absl::IsDeadlineExceeded(inner));
    EXPECT_FALSE(StopRequested());
    co_return co_await Sleep(absl::Seconds(10));
  };
  EXPECT_TRUE(harness.Run(WithTimeout(absl::Seconds(50), outer())).ok());
  EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(15));
}

TEST(WithDeadlineTest, CurrentDeadlineIsTheTightestOne) {
  TaskHarness harness;
  const Timestamp near = Timestamp::FromNanoseconds(1'000'000'000);
  const Timestamp far = Timestamp::FromNanoseconds(2'000'000'000);
  auto current = []() -> Task<Timestamp> { co_return CurrentDeadline(); };
  auto within = [&](Timestamp deadline) -> Task<Timestamp> {
    co_return *co_await WithDeadline(deadline, current());
  };
  EXPECT_EQ(harness.Run(current()), Timestamp::InfiniteFuture());
  EXPECT_EQ(*harness.Run(WithDeadline(near, within(far))), near);
  EXPECT_EQ(*harness.Run(WithDeadline(far, within(near))), near);
  auto after = [&]() -> Task<Timestamp> {
    co_await within(near);
    co_return CurrentDeadline();
  };
  EXPECT_EQ(*harness.Run(WithDeadline(far, after())), far) << "it ends with its scope";
}

TEST(WithDeadlineTest, SpawnedChildrenInheritItAndAreStopped) {
  TaskHarness harness;
  auto parent = []() -> Task<absl::Status> {
    TaskScope scope;
    Timestamp inherited;
    auto child = [&]() -> Task<absl::Status> {
      inherited = CurrentDeadline();
      co_return co_await SleepFor(absl::Hours(1));
    };
    scope.Spawn(child);
    const absl::Status joined = co_await scope.Join();
    EXPECT_EQ(inherited, CurrentDeadline());
    EXPECT_FALSE(inherited.infinite());
    co_return joined;
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(WithTimeout(absl::Seconds(1), parent()))));
}

TEST(WithDeadlineTest, ExpiryWhileReadyDoesNotUndoTheWakeUp) {
  TaskHarness harness;
  absl::Status first = absl::UnknownError("not set");
  absl::Status second = absl::UnknownError("not set");
  // Both are due at the same moment: the sleep's timer was armed later, and the task is ready when
  // the deadline expires or the other way round. In both cases the sleep has one outcome.
  auto body = [&]() -> Task<absl::Status> {
    first = co_await SleepFor(absl::Milliseconds(10));
    second = co_await SleepFor(absl::Milliseconds(10));
    co_return second;
  };
  const absl::Status status = harness.Run(WithTimeout(absl::Milliseconds(10), body()));
  EXPECT_TRUE(first.ok() || absl::IsDeadlineExceeded(first)) << first;
  EXPECT_TRUE(absl::IsDeadlineExceeded(second)) << second;
  EXPECT_TRUE(absl::IsDeadlineExceeded(status));
  EXPECT_LT(harness.now() - Timestamp(), absl::Milliseconds(11));
}

TEST(WithDeadlineTest, AnExceptionLeavesTheDeadlineBehind) {
  TaskHarness harness;
  auto fail = []() -> Task<int> {
    co_await Yield();
    throw std::runtime_error("failed");
  };
  auto catching = [&]() -> Task<absl::Status> {
    const TaskContext* context = &Scheduler::Current()->current_context();
    bool caught = false;
    try {
      (void)co_await WithTimeout(absl::Seconds(1), fail());
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
    EXPECT_EQ(&Scheduler::Current()->current_context(), context);
    EXPECT_TRUE(CurrentDeadline().infinite());
    co_return co_await SleepFor(absl::Seconds(2));
  };
  EXPECT_TRUE(harness.Run(catching()).ok());
}

TEST(WithDeadlineTest, ATaskThatNeverRanIsNotHarmed) {
  TaskHarness harness;
  const auto task = WithTimeout(absl::Seconds(1), Sleep(absl::Seconds(1)));
  EXPECT_TRUE(task.valid());
  EXPECT_TRUE(harness.scheduler().NextTimer().infinite());
}

TEST(ScopedDeadlineTest, RestartPutsItOff) {
  TaskHarness harness;
  auto progress = []() -> Task<absl::Status> {
    ScopedDeadline idle(absl::Seconds(10));
    for (int i = 0; i < 5; ++i) {
      const absl::Status status = co_await SleepFor(absl::Seconds(8));
      if (!status.ok()) co_return status;
      idle.Restart(absl::Seconds(10));
    }
    EXPECT_FALSE(idle.expired());
    const absl::Status late = co_await SleepFor(absl::Seconds(11));
    EXPECT_TRUE(idle.expired());
    co_return late;
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(progress())));
  EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(50));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(51));
}

TEST(ScopedDeadlineTest, RestartMayTightenToo) {
  TaskHarness harness;
  auto tighten = []() -> Task<absl::Status> {
    ScopedDeadline deadline(absl::Hours(1));
    deadline.Restart(absl::Seconds(1));
    EXPECT_EQ(CurrentDeadline() - Scheduler::Current()->now(), absl::Seconds(1));
    co_return co_await SleepFor(absl::Minutes(1));
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(tighten())));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
}

TEST(ScopedDeadlineTest, RestartOfAnInfiniteOneArmsIt) {
  TaskHarness harness;
  auto arm = []() -> Task<absl::Status> {
    ScopedDeadline deadline(absl::InfiniteDuration());
    deadline.Restart(absl::Seconds(1));
    co_return co_await SleepFor(absl::Minutes(1));
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(arm())));
}

TEST(ScopedDeadlineTest, RestartWithAnInfiniteDurationLiftsIt) {
  TaskHarness harness;
  auto lift = []() -> Task<absl::Status> {
    ScopedDeadline deadline(absl::Seconds(1));
    deadline.Restart(absl::InfiniteDuration());
    EXPECT_TRUE(CurrentDeadline().infinite());
    co_return co_await SleepFor(absl::Minutes(1));
  };
  EXPECT_TRUE(harness.Run(lift()).ok());
}

TEST(ScopedDeadlineTest, RestartHasNoEffectOnceItExpired) {
  TaskHarness harness;
  auto late = []() -> Task<void> {
    ScopedDeadline deadline(absl::Seconds(1));
    EXPECT_TRUE(absl::IsDeadlineExceeded(co_await SleepFor(absl::Minutes(1))));
    const Timestamp passed = CurrentDeadline();
    deadline.Restart(absl::Hours(1));
    EXPECT_TRUE(deadline.expired());
    EXPECT_EQ(CurrentDeadline(), passed);
    EXPECT_TRUE(Scheduler::Current()->NextTimer().infinite()) << "nothing is left to fire";
    EXPECT_TRUE(absl::IsDeadlineExceeded(co_await SleepFor(absl::Seconds(1))));
  };
  harness.Run(late());
}

TEST(ScopedDeadlineTest, NeverReportsADeadlineBeyondTheOuterOne) {
  TaskHarness harness;
  auto nested = []() -> Task<void> {
    ScopedDeadline outer(absl::Seconds(5));
    const Timestamp limit = CurrentDeadline();
    ScopedDeadline inner(absl::Seconds(1));
    inner.Restart(absl::Hours(1));
    EXPECT_EQ(CurrentDeadline(), limit);
    EXPECT_TRUE(absl::IsDeadlineExceeded(co_await SleepFor(absl::Minutes(1))));
    EXPECT_TRUE(outer.expired());
    EXPECT_FALSE(inner.expired());
  };
  harness.Run(nested());
}

TEST(ScopedDeadlineTest, TheFlowGoesOnWhenItsScopeEnds) {
  TaskHarness harness;
  auto after = []() -> Task<absl::Status> {
    {
      ScopedDeadline deadline(absl::Seconds(1));
      EXPECT_TRUE(absl::IsDeadlineExceeded(co_await SleepFor(absl::Minutes(1))));
      EXPECT_TRUE(StopRequested());
    }
    EXPECT_FALSE(StopRequested());
    co_return co_await SleepFor(absl::Seconds(1));
  };
  EXPECT_TRUE(harness.Run(after()).ok());
}

TEST(ScopedDeadlineTest, AJoinUnderADeadlineStopsAScopeFromOutside) {
  TaskHarness harness;
  auto join = []() -> Task<absl::Status> {
    TaskScope scope;
    auto child = []() -> Task<absl::Status> { co_return co_await SleepFor(absl::Hours(1)); };
    scope.Spawn(child);
    // The scope is older than the deadline, so it does not stand below it.
    auto joined = [&]() -> Task<absl::Status> { co_return co_await scope.Join(); };
    co_return co_await WithTimeout(absl::Seconds(5), joined());
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(join())));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(6));
}

TEST(ScopedDeadlineTest, AJoinInAFlowThatExpiredStopsAScopeFromOutside) {
  TaskHarness harness;
  auto join = []() -> Task<absl::Status> {
    TaskScope scope;
    auto child = []() -> Task<absl::Status> { co_return co_await SleepFor(absl::Hours(1)); };
    scope.Spawn(child);
    ScopedDeadline deadline(absl::Seconds(5));
    EXPECT_TRUE(absl::IsDeadlineExceeded(co_await SleepFor(absl::Seconds(10))));
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(join())));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(6));
}

#ifndef NDEBUG
TEST(ScopedDeadlineDeathTest, DiesWhenScopesEndInTheWrongOrder) {
  TaskHarness harness;
  auto crossed = []() -> Task<void> {
    std::optional<ScopedDeadline> outer(std::in_place, absl::Seconds(5));
    const ScopedDeadline inner(absl::Seconds(1));
    outer.reset();
    co_return;
  };
  EXPECT_DEATH(harness.Run(crossed()), "opposite order");
}
#endif

}  // namespace
}  // namespace pelton
