// WithTaskScope: the scope is joined whatever becomes of its body.

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "absl/status/status.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

Task<absl::Status> Sleep(absl::Duration duration) { co_return co_await SleepFor(duration); }

Task<absl::Status> FailAfter(absl::Duration duration, absl::Status status) {
  (void)co_await SleepFor(duration);
  co_return status;
}

Task<void> ThrowAfter(absl::Duration duration, std::string text) {
  (void)co_await SleepFor(duration);
  throw std::runtime_error(text);
}

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
