// WithTaskScope: the scope is joined whatever becomes of its body.

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

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
using testing::ThrowAfter;
using testing::UnderEverySeed;

TEST(WithTaskScopeTest, JoinsWhatTheBodySpawned) {
  TaskHarness harness;
  int ended = 0;
  auto child = [&]() -> Task<void> {
    EXPECT_TRUE((co_await SleepFor(absl::Seconds(1))).ok());
    ++ended;
  };
  auto body = [&](TaskScope& scope) -> Task<absl::Status> {
    for (int i = 0; i < 3; ++i) scope.Spawn(child);
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(harness.Run(WithTaskScope(body)).ok());
  EXPECT_EQ(ended, 3);
}

TEST(WithTaskScopeTest, AFailingBodyCancelsTheChildren) {
  TaskHarness harness;
  auto body = [&](TaskScope& scope) -> Task<absl::Status> {
    scope.Spawn(Sleep, absl::Hours(1));
    co_await Yield();
    co_return absl::NotFoundError("body");
  };
  EXPECT_TRUE(absl::IsNotFound(harness.Run(WithTaskScope(body))));
  EXPECT_EQ(harness.now(), Timestamp());
}

TEST(WithTaskScopeTest, AThrowingBodyCancelsTheChildren) {
  TaskHarness harness;
  auto body = [&](TaskScope& scope) -> Task<absl::Status> {
    scope.Spawn(Sleep, absl::Hours(1));
    co_await Yield();
    throw std::runtime_error("body");
  };
  EXPECT_THROW((void)harness.Run(WithTaskScope(body)), std::runtime_error);
  EXPECT_EQ(harness.now(), Timestamp());
}

TEST(WithTaskScopeTest, YieldsTheErrorOfAChild) {
  TaskHarness harness;
  auto body = [&](TaskScope& scope) -> Task<absl::Status> {
    scope.Spawn(FailAfter, absl::Seconds(1), absl::DataLossError("child"));
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsDataLoss(harness.Run(WithTaskScope(body))));
}

TEST(WithTaskScopeTest, RethrowsTheExceptionOfAChild) {
  TaskHarness harness;
  auto body = [&](TaskScope& scope) -> Task<absl::Status> {
    scope.Spawn(ThrowAfter, absl::Seconds(1), "child");
    co_return absl::OkStatus();
  };
  EXPECT_THROW((void)harness.Run(WithTaskScope(body)), std::runtime_error);
}

TEST(WithTaskScopeTest, AFailingChildCancelsTheBody) {
  UnderEverySeed([](TaskHarness& harness) {
    absl::Status in_body;
    auto body = [&](TaskScope& scope) -> Task<absl::Status> {
      scope.Spawn(FailAfter, absl::Seconds(1), absl::DataLossError("child"));
      in_body = co_await SleepFor(absl::Hours(1));
      co_return in_body;
    };
    const absl::Status status = harness.Run(WithTaskScope(body));
    EXPECT_TRUE(absl::IsDataLoss(status)) << "the cause, not the consequence: " << status;
    EXPECT_TRUE(absl::IsCancelled(in_body)) << in_body;
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
  });
}

TEST(WithTaskScopeTest, AThrowingChildCancelsTheBody) {
  UnderEverySeed([](TaskHarness& harness) {
    absl::Status in_body;
    auto body = [&](TaskScope& scope) -> Task<absl::Status> {
      scope.Spawn(ThrowAfter, absl::Seconds(1), "child");
      in_body = co_await SleepFor(absl::Hours(1));
      throw std::logic_error("a consequence");
    };
    EXPECT_THROW((void)harness.Run(WithTaskScope(body)), std::runtime_error);
    EXPECT_TRUE(absl::IsCancelled(in_body)) << in_body;
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
  });
}

TEST(WithTaskScopeTest, AFailingChildEndsTheBodysWaitForRoomAndItsOwnScopes) {
  TaskHarness harness;
  absl::Status nested;
  absl::Status room;
  auto body = [&](TaskScope& scope) -> Task<absl::Status> {
    scope.Spawn(FailAfter, absl::Seconds(1), absl::DataLossError("child"));
    nested = co_await WithTaskScope([](TaskScope& inner) -> Task<absl::Status> {
      inner.Spawn(Sleep, absl::Hours(1));
      co_return co_await Sleep(absl::Hours(1));
    });
    room = co_await scope.WaitForRoom();
    co_return room;
  };
  EXPECT_TRUE(absl::IsDataLoss(harness.Run(WithTaskScope(body, {.max_children = 1}))));
  EXPECT_TRUE(absl::IsCancelled(nested)) << nested;
  EXPECT_TRUE(absl::IsCancelled(room)) << room;
}

TEST(WithTaskScopeTest, AContainedFailureLeavesTheBodyAlone) {
  TaskHarness harness;
  auto body = [](TaskScope& scope) -> Task<absl::Status> {
    scope.SpawnContained(FailAfter, absl::Seconds(1), absl::DataLossError("child"));
    co_return co_await SleepFor(absl::Seconds(5));
  };
  EXPECT_TRUE(harness.Run(WithTaskScope(body)).ok());
  EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(5));
}

TEST(WithTaskScopeTest, ABodyThatCancelsItsScopeGoesOn) {
  TaskHarness harness;
  auto body = [](TaskScope& scope) -> Task<absl::Status> {
    scope.Spawn(Sleep, absl::Hours(1));
    co_await Yield();
    scope.Cancel();
    co_return co_await SleepFor(absl::Seconds(5));
  };
  EXPECT_TRUE(harness.Run(WithTaskScope(body)).ok());
  EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(5));
}

TEST(WithTaskScopeTest, ABodyThatJoinsItsScopeHasTheErrorForItself) {
  TaskHarness harness;
  absl::Status joined;
  auto body = [&](TaskScope& scope) -> Task<absl::Status> {
    scope.Spawn(FailAfter, absl::Seconds(1), absl::DataLossError("child"));
    joined = co_await scope.Join();
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(harness.Run(WithTaskScope(body)).ok());
  EXPECT_TRUE(absl::IsDataLoss(joined)) << joined;
}

TEST(WithTaskScopeTest, TheOutsideIsNotStoppedByAFailingChild) {
  TaskHarness harness;
  auto outside = []() -> Task<absl::Status> {
    auto body = [](TaskScope& scope) -> Task<absl::Status> {
      scope.Spawn(FailAfter, absl::Seconds(1), absl::DataLossError("child"));
      co_return co_await SleepFor(absl::Hours(1));
    };
    EXPECT_TRUE(absl::IsDataLoss(co_await WithTaskScope(body)));
    co_return co_await SleepFor(absl::Seconds(1));
  };
  EXPECT_TRUE(harness.Run(outside()).ok());
}

TEST(WithTaskScopeTest, TheBodysErrorComesBeforeAChildsException) {
  TaskHarness harness;
  auto body = [&](TaskScope& scope) -> Task<absl::Status> {
    scope.Spawn(ThrowAfter, absl::Hours(1), "a consequence of the cancellation");
    co_await Yield();
    co_return absl::NotFoundError("body");
  };
  EXPECT_TRUE(absl::IsNotFound(harness.Run(WithTaskScope(body))));
}

TEST(WithTaskScopeTest, KeepsTheLimitOfItsOptions) {
  TaskHarness harness;
  auto body = [&](TaskScope& scope) -> Task<absl::Status> {
    for (int i = 0; i < 4; ++i) {
      EXPECT_TRUE((co_await scope.WaitForRoom()).ok());
      scope.Spawn(Sleep, absl::Seconds(1));
      EXPECT_EQ(scope.live(), 1u);
    }
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(harness.Run(WithTaskScope(body, {.max_children = 1})).ok());
}

}  // namespace
}  // namespace pelton
