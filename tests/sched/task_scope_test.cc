#include "sched/task_scope.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "tests/sched/flows.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::FailAfter;
using testing::Sleep;
using testing::TaskHarness;
using testing::ThrowAfter;

TEST(TaskScopeTest, JoinWaitsForEveryChild) {
  TaskHarness harness;
  int ended = 0;
  auto child = [&](int seconds) -> Task<void> {
    EXPECT_TRUE((co_await SleepFor(absl::Seconds(seconds))).ok());
    ++ended;
  };
  auto parent = [&]() -> Task<absl::Status> {
    TaskScope scope;
    for (int i = 0; i < 10; ++i) scope.Spawn(child, i);
    EXPECT_EQ(scope.live(), 10u);
    EXPECT_EQ(ended, 0) << "a child never runs inside Spawn()";
    const absl::Status joined = co_await scope.Join();
    EXPECT_EQ(scope.live(), 0u);
    co_return joined;
  };
  EXPECT_TRUE(harness.Run(parent()).ok());
  EXPECT_EQ(ended, 10);
}

TEST(TaskScopeTest, AnEmptyScopeJoinsAtOnce) {
  TaskHarness harness;
  auto parent = []() -> Task<absl::Status> {
    TaskScope scope;
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(harness.Run(parent()).ok());
}

TEST(TaskScopeTest, JoiningAnEmptyScopeInALoopGivesWay) {
  TaskHarness harness;
  bool other_ran = false;
  auto other = [&]() -> Task<void> {
    other_ran = true;
    co_return;
  };
  auto loop = [&]() -> Task<void> {
    TaskScope scope;
    harness.scope().Spawn(other);
    while (!other_ran) {
      EXPECT_TRUE((co_await scope.Join()).ok());
    }
  };
  harness.Run(loop());
  EXPECT_TRUE(other_ran);
}

TEST(TaskScopeTest, CanBeUsedAgainAfterAJoin) {
  TaskHarness harness;
  auto parent = []() -> Task<void> {
    TaskScope scope;
    for (int round = 0; round < 3; ++round) {
      scope.Spawn(Sleep, absl::Seconds(1));
      EXPECT_TRUE((co_await scope.Join()).ok());
    }
  };
  harness.Run(parent());
}

TEST(TaskScopeTest, TakesEveryKindOfTask) {
  TaskHarness harness;
  auto parent = []() -> Task<absl::Status> {
    TaskScope scope;
    scope.Spawn([]() -> Task<void> { co_return; });
    scope.Spawn([]() -> Task<absl::Status> { co_return absl::OkStatus(); });
    scope.Spawn([]() -> Task<absl::StatusOr<int>> { co_return 1; });
    scope.Spawn(Sleep(absl::Seconds(1)));
    scope.SpawnContained(
        []() -> Task<absl::StatusOr<std::unique_ptr<int>>> { co_return std::make_unique<int>(1); });
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(harness.Run(parent()).ok());
}

TEST(TaskScopeTest, ChildrenKeepTheCapturesOfTheirLambda) {
  TaskHarness harness;
  std::string seen;
  auto parent = [&]() -> Task<void> {
    TaskScope scope;
    {
      const std::string text(100, 'x');
      // The closure is a temporary; the child has a copy of its own.
      scope.Spawn([text, &seen]() -> Task<void> {
        EXPECT_TRUE((co_await SleepFor(absl::Seconds(1))).ok());
        seen = text;
      });
    }
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(parent());
  EXPECT_EQ(seen, std::string(100, 'x'));
}

TEST(TaskScopeTest, ChildrenKeepTheirArguments) {
  TaskHarness harness;
  size_t total = 0;
  auto by_value = [&](std::string text) -> Task<void> {
    co_await Yield();
    total += text.size();
  };
  auto by_reference = [&](const std::string& text) -> Task<void> {
    co_await Yield();
    total += text.size();
  };
  auto move_only = [&](std::unique_ptr<int> number) -> Task<void> {
    co_await Yield();
    total += static_cast<size_t>(*number);
  };
  auto parent = [&]() -> Task<void> {
    TaskScope scope;
    scope.Spawn(by_value, std::string(100, 'x'));
    scope.Spawn(by_reference, std::string(20, 'x'));
    scope.Spawn(move_only, std::make_unique<int>(3));
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(parent());
  EXPECT_EQ(total, 123u);
}

TEST(TaskScopeTest, SpawnsMemberFunctions) {
  struct Worker {
    int sum = 0;
    Task<void> Add(int value) {
      co_await Yield();
      sum += value;
    }
  };
  TaskHarness harness;
  Worker worker;
  auto parent = [&]() -> Task<void> {
    TaskScope scope;
    scope.Spawn(&Worker::Add, &worker, 3);
    scope.Spawn(&Worker::Add, std::ref(worker), 4);
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(parent());
  EXPECT_EQ(worker.sum, 7);
}

TEST(TaskScopeTest, TheFirstErrorWinsAndCancelsTheSiblings) {
  TaskHarness harness;
  absl::Status sibling;
  auto parent = [&]() -> Task<absl::Status> {
    TaskScope scope;
    auto watch = [&]() -> Task<absl::Status> {
      sibling = co_await SleepFor(absl::Hours(1));
      co_return sibling;
    };
    scope.Spawn(watch);
    scope.Spawn(FailAfter, absl::Seconds(2), absl::DataLossError("second"));
    scope.Spawn(FailAfter, absl::Seconds(1), absl::NotFoundError("first"));
    co_return co_await scope.Join();
  };
  const absl::Status status = harness.Run(parent());
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_EQ(status.message(), "first");
  EXPECT_TRUE(absl::IsCancelled(sibling)) << sibling;
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
}

TEST(TaskScopeTest, AnErrorIsReportedOnce) {
  TaskHarness harness;
  auto parent = []() -> Task<void> {
    TaskScope scope;
    scope.Spawn(FailAfter, absl::ZeroDuration(), absl::NotFoundError("once"));
    EXPECT_TRUE(absl::IsNotFound(co_await scope.Join()));
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(parent());
}

TEST(TaskScopeTest, TheFirstExceptionComesOutOfJoinAndCancelsTheSiblings) {
  TaskHarness harness;
  absl::Status sibling;
  auto parent = [&]() -> Task<void> {
    TaskScope scope;
    auto watch = [&]() -> Task<void> { sibling = co_await SleepFor(absl::Hours(1)); };
    scope.Spawn(watch);
    scope.Spawn(ThrowAfter, absl::Seconds(1), "first");
    scope.Spawn(ThrowAfter, absl::Seconds(2), "second");
    (void)co_await scope.Join();
    ADD_FAILURE() << "Join() returned";
  };
  try {
    harness.Run(parent());
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "first");
  }
  EXPECT_TRUE(absl::IsCancelled(sibling));
}

TEST(TaskScopeTest, AnExceptionAfterAnErrorIsDropped) {
  TaskHarness harness;
  auto parent = []() -> Task<absl::Status> {
    TaskScope scope;
    scope.Spawn(ThrowAfter, absl::Hours(1), "a consequence of the cancellation");
    scope.Spawn(FailAfter, absl::Seconds(1), absl::NotFoundError("first"));
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(absl::IsNotFound(harness.Run(parent())));
}

TEST(TaskScopeTest, ChildrenMaySpawnSiblings) {
  TaskHarness harness;
  int ran = 0;
  auto parent = [&]() -> Task<void> {
    TaskScope scope;
    struct Tree {
      static Task<void> Grow(TaskScope* scope, int depth, int* ran) {
        ++*ran;
        if (depth == 0) co_return;
        scope->Spawn(Grow, scope, depth - 1, ran);
        scope->Spawn(Grow, scope, depth - 1, ran);
        co_await Yield();
      }
    };
    scope.Spawn(Tree::Grow, &scope, 9, &ran);
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(parent());
  EXPECT_EQ(ran, (1 << 10) - 1);
}

TEST(TaskScopeTest, HoldsAHundredThousandChildren) {
  TaskHarness harness;
  int ended = 0;
  auto child = [&]() -> Task<void> {
    EXPECT_TRUE((co_await SleepFor(absl::Seconds(1))).ok());
    ++ended;
  };
  auto parent = [&]() -> Task<void> {
    TaskScope scope;
    // pelton: bounded: they are to be there all at once, and nothing else waits to run
    for (int i = 0; i < 100'000; ++i) scope.Spawn(child);
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(parent());
  EXPECT_EQ(ended, 100'000);
}

TEST(TaskScopeTest, AChildThatCannotBeMadeIsNotWaitedFor) {
  // Refuses to be moved a second time, which happens when the child's frame is made.
  struct Refusing {
    int moves = 0;
    Refusing() = default;
    Refusing(Refusing&& other) : moves(other.moves + 1) {
      if (moves == 2) throw std::runtime_error("refused");
    }
    Task<void> operator()() { co_return; }
  };
  TaskHarness harness;
  auto parent = []() -> Task<absl::Status> {
    TaskScope scope;
    bool refused = false;
    try {
      Refusing function;
      scope.Spawn(std::move(function));
    } catch (const std::runtime_error&) {
      refused = true;
    }
    EXPECT_TRUE(refused);
    EXPECT_EQ(scope.live(), 0u);
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(harness.Run(parent()).ok());
}

TEST(DescribeExceptionTest, GivesTheText) {
  EXPECT_EQ(DescribeException(std::make_exception_ptr(std::runtime_error("text"))), "text");
  EXPECT_NE(DescribeException(std::make_exception_ptr(42)).find("not derived"), std::string::npos);
}

TEST(TaskScopeDeathTest, DiesWhenItIsDestroyedWithLiveChildren) {
  TaskHarness harness;
  auto parent = []() -> Task<void> {
    TaskScope scope;
    scope.Spawn(Sleep, absl::Seconds(1));
    co_return;
  };
  EXPECT_DEATH(harness.Run(parent()), "destroyed with 1 live children.*Join.*WithTaskScope");
}

TEST(TaskScopeDeathTest, DiesWhenItIsSpawnedIntoBeyondItsLimit) {
  TaskHarness harness;
  auto parent = []() -> Task<void> {
    TaskScope scope({.max_children = 1});
    scope.Spawn(Sleep, absl::Seconds(1));
    scope.Spawn(Sleep, absl::Seconds(1));
    (void)co_await scope.Join();
  };
  EXPECT_DEATH(harness.Run(parent()), "limit of 1 children.*WaitForRoom");
}

TEST(TaskScopeDeathTest, DiesWhenTwoTasksJoinIt) {
  TaskHarness harness;
  auto parent = []() -> Task<void> {
    TaskScope scope;
    TaskScope joiners;
    auto join = [&]() -> Task<absl::Status> { co_return co_await scope.Join(); };
    scope.Spawn(Sleep, absl::Seconds(1));
    joiners.Spawn(join);
    joiners.Spawn(join);
    (void)co_await joiners.Join();
  };
  EXPECT_DEATH(harness.Run(parent()), "two tasks join");
}

}  // namespace
}  // namespace pelton
