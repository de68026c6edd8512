// Deadlines around awaitables other than tasks, which need no frame.

#include "sched/nested_context.h"

#include <gtest/gtest.h>

#include <coroutine>
#include <functional>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

// Sleeps and yields what `Result` says: of the awaiters whose results are no absl::Status.
template <typename Result>
class SleepAndYield final : public SleepUntil {
 public:
  SleepAndYield(Timestamp wake, Result result)
      : SleepUntil(wake), result_(std::forward<Result>(result)) {}
  Result await_resume() {
    (void)SleepUntil::await_resume();
    return std::forward<Result>(result_);
  }

 private:
  Result result_;
};

Timestamp At(absl::Duration since_start) { return Timestamp() + since_start; }

TEST(WithTimeoutOfAnAwaiterTest, OneThatIsInTimeKeepsItsResult) {
  TaskHarness harness;
  auto body = []() -> Task<absl::Status> {
    co_return co_await WithTimeout(absl::Seconds(2), SleepFor(absl::Seconds(1)));
  };
  EXPECT_TRUE(harness.Run(body()).ok());
  EXPECT_LT(harness.now() - Timestamp(), absl::Milliseconds(1001)) << "the timer is gone";
}

TEST(WithTimeoutOfAnAwaiterTest, OneThatIsLateIsStoppedAndFails) {
  TaskHarness harness;
  auto body = []() -> Task<absl::Status> {
    const absl::Status late =
        co_await WithTimeout(absl::Milliseconds(200), SleepFor(absl::Hours(1)));
    EXPECT_FALSE(StopRequested()) << "the task itself goes on";
    EXPECT_TRUE(CurrentDeadline().infinite());
    EXPECT_TRUE((co_await SleepFor(absl::Milliseconds(1))).ok());
    co_return late;
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(body())));
  EXPECT_GE(harness.now() - Timestamp(), absl::Milliseconds(201));
  EXPECT_LT(harness.now() - Timestamp(), absl::Milliseconds(202));
}

TEST(WithTimeoutOfAnAwaiterTest, NeedsNoFrame) {
  TaskHarness harness;
  auto body = [&]() -> Task<void> {
    const uint64_t before = harness.frames().GetStatistics().live;
    uint64_t during = 0;
    auto look = [&]() -> Task<void> {
      (void)co_await SleepFor(absl::Seconds(1));
      during = harness.frames().GetStatistics().live;
    };
    TaskScope scope;
    scope.Spawn(look());
    const uint64_t spawned = harness.frames().GetStatistics().live;
    EXPECT_GT(spawned, before);
    EXPECT_TRUE((co_await WithTimeout(absl::Hours(1), SleepFor(absl::Seconds(2)))).ok());
    EXPECT_EQ(during, spawned);
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(body());
}

TEST(WithTimeoutOfAnAwaiterTest, EveryKindOfResultBecomesAStatusOrAStatusOr) {
  TaskHarness harness;
  auto body = []() -> Task<void> {
    int target = 4;
    const absl::Status nothing = co_await WithTimeout(absl::Seconds(1), Yield());
    EXPECT_TRUE(nothing.ok());
    const absl::StatusOr<int> number =
        co_await WithTimeout(absl::Seconds(1), SleepAndYield<int>(At(absl::ZeroDuration()), 7));
    EXPECT_EQ(*number, 7);
    const absl::StatusOr<std::reference_wrapper<int>> reference = co_await WithTimeout(
        absl::Seconds(1), SleepAndYield<int&>(At(absl::ZeroDuration()), target));
    EXPECT_EQ(&reference->get(), &target);
    absl::StatusOr<std::unique_ptr<int>> moved = co_await WithTimeout(
        absl::Seconds(1),
        SleepAndYield<std::unique_ptr<int>>(At(absl::ZeroDuration()), std::make_unique<int>(3)));
    EXPECT_EQ(**moved, 3);
    const absl::StatusOr<int> maybe = co_await WithTimeout(
        absl::Seconds(1),
        SleepAndYield<absl::StatusOr<int>>(At(absl::ZeroDuration()), absl::NotFoundError("")));
    EXPECT_TRUE(absl::IsNotFound(maybe.status()));
  };
  harness.Run(body());
}

TEST(WithTimeoutOfAnAwaiterTest, ATaskThatYieldsAReferenceYieldsAWrapper) {
  TaskHarness harness;
  int target = 4;
  auto refer = [&]() -> Task<int&> { co_return target; };
  const absl::StatusOr<std::reference_wrapper<int>> result =
      harness.Run(WithTimeout(absl::Seconds(1), refer()));
  EXPECT_EQ(&result->get(), &target);
}

TEST(WithTimeoutOfAnAwaiterTest, AValueInSpiteOfTheDeadlineIsKept) {
  TaskHarness harness;
  auto body = []() -> Task<absl::StatusOr<int>> {
    co_return co_await WithTimeout(absl::Seconds(1), SleepAndYield<int>(At(absl::Hours(1)), 7));
  };
  EXPECT_EQ(*harness.Run(body()), 7);
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
}

TEST(WithTimeoutOfAnAwaiterTest, JoinOfAScopeIsStopped) {
  TaskHarness harness;
  auto body = []() -> Task<absl::Status> {
    TaskScope scope;
    scope.Spawn([]() -> Task<absl::Status> { co_return co_await SleepFor(absl::Hours(1)); });
    const absl::Status joined = co_await WithTimeout(absl::Seconds(5), scope.Join());
    EXPECT_EQ(scope.live(), 0u);
    co_return joined;
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(body())));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(6));
}

TEST(WithTimeoutOfAnAwaiterTest, CancellingTheTaskEndsTheWait) {
  TaskHarness harness;
  absl::Status result;
  auto body = [&]() -> Task<void> {
    result = co_await WithTimeout(absl::Hours(1), SleepFor(absl::Hours(2)));
  };
  harness.scope().Spawn(body);
  harness.Turn();
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_TRUE(absl::IsCancelled(result)) << result;
}

TEST(WithTimeoutOfAnAwaiterTest, TheTighterOfNestedOnesWins) {
  TaskHarness harness;
  auto body = []() -> Task<absl::Status> {
    co_return co_await WithTimeout(absl::Seconds(5),
                                   WithTimeout(absl::Seconds(50), SleepFor(absl::Hours(1))));
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(body())));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(6));
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run([]() -> Task<absl::Status> {
    co_return co_await WithTimeout(absl::Seconds(50),
                                   WithTimeout(absl::Seconds(5), SleepFor(absl::Hours(1))));
  }())));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(12));
}

TEST(WithTimeoutOfAnAwaiterTest, AnExceptionOfTheAwaiterLeavesTheDeadlineBehind) {
  struct Throwing final : SleepUntil {
    Throwing() : SleepUntil(At(absl::Seconds(1))) {}
    void await_resume() const { throw std::runtime_error("failed"); }
  };
  TaskHarness harness;
  auto body = []() -> Task<absl::Status> {
    const TaskContext* context = &Scheduler::Current()->current_context();
    bool caught = false;
    try {
      (void)co_await WithTimeout(absl::Seconds(3), WithTimeout(absl::Seconds(2), Throwing()));
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
    EXPECT_EQ(&Scheduler::Current()->current_context(), context);
    co_return co_await SleepFor(absl::Hours(1));
  };
  EXPECT_TRUE(harness.Run(body()).ok());
}

TEST(WithTimeoutOfAnAwaiterTest, OneThatIsNeverAwaitedArmsNothing) {
  TaskHarness harness;
  auto body = []() -> Task<bool> {
    (void)WithTimeout(absl::Seconds(1), SleepFor(absl::Seconds(1)));
    co_return Scheduler::Current()->NextTimer().infinite();
  };
  EXPECT_TRUE(harness.Run(body()));
}

}  // namespace
}  // namespace pelton
