// Futures of tasks that run in a scope.

#include "sched/future/spawn_future.h"

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
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

// The first line of an error's text: a backtrace may follow.
std::string FirstLine(const absl::Status& status) {
  const std::string text = status.ToString();
  return text.substr(0, text.find('\n'));
}

Task<int> Later(absl::Duration delay, int value) {
  (void)co_await SleepFor(delay);
  co_return value;
}

TEST(SpawnFutureTest, RunsTasksAtTheSameTime) {
  TaskHarness harness;
  auto program = []() -> Task<int> {
    TaskScope scope;
    Future<int> a = SpawnFuture(scope, Later(absl::Seconds(2), 1));
    Future<int> b = SpawnFuture(scope, Later(absl::Seconds(1), 2));
    const int sum = *co_await a + *co_await b;
    EXPECT_TRUE((co_await scope.Join()).ok());
    co_return sum;
  };
  EXPECT_EQ(harness.Run(program()), 3);
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2.5));
}

TEST(SpawnFutureTest, KeepsTheCapturesOfAFunction) {
  TaskHarness harness;
  auto held = std::make_shared<int>(5);
  auto program = [&]() -> Task<int> {
    TaskScope scope;
    Future<int> a = SpawnFuture(scope, [held]() -> Task<int> {
      co_await Yield();
      co_return *held;
    });
    EXPECT_TRUE((co_await scope.Join()).ok());
    co_return *co_await a;
  };
  EXPECT_EQ(harness.Run(program()), 5);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(SpawnFutureTest, TakesEveryKindOfTask) {
  TaskHarness harness;
  auto nothing = []() -> Task<void> { co_return; };
  auto status = []() -> Task<absl::Status> { co_return absl::NotFoundError("b"); };
  auto moved = []() -> Task<absl::StatusOr<std::unique_ptr<int>>> {
    co_return std::make_unique<int>(3);
  };
  Future<void> a = SpawnFuture(harness.scope(), nothing());
  Future<void> b = SpawnFuture(harness.scope(), status);
  Future<std::unique_ptr<int>> c = SpawnFuture(harness.scope(), moved());
  Future<void> d = SpawnFuture(harness.scope(), nothing);
  harness.RunUntilIdle();
  EXPECT_TRUE(a.Take().ok());
  EXPECT_TRUE(absl::IsNotFound(b.Take()));
  EXPECT_EQ(**c.Take(), 3);
  EXPECT_TRUE(d.Take().ok());
}

TEST(SpawnFutureTest, AFailureIsTheFuturesAndNotTheScopes) {
  TaskHarness harness;
  auto fail = []() -> Task<int> {
    co_await Yield();
    throw std::runtime_error("wires crossed");
  };
  auto program = [&]() -> Task<void> {
    TaskScope scope;
    Future<int> a = SpawnFuture(scope, fail());
    Future<int> b = SpawnFuture(scope, fail);
    Future<int> sibling = SpawnFuture(scope, Later(absl::Seconds(1), 1));
    EXPECT_TRUE((co_await scope.Join()).ok());
    EXPECT_EQ(FirstLine((co_await a).status()),
              "INTERNAL: a task ended by an exception: wires crossed");
    EXPECT_TRUE(absl::IsInternal((co_await b).status()));
    EXPECT_EQ(*co_await sibling, 1);
  };
  harness.Run(program());
}

TEST(SpawnFutureTest, CancellingTheScopeRejectsTheFuture) {
  TaskHarness harness;
  auto sleep = []() -> Task<absl::Status> { co_return co_await SleepFor(absl::Hours(1)); };
  auto program = [&]() -> Task<absl::Status> {
    TaskScope scope;
    Future<void> future = SpawnFuture(scope, sleep());
    co_await Yield();
    scope.Cancel();
    EXPECT_TRUE((co_await scope.Join()).ok());
    co_return co_await future;
  };
  EXPECT_TRUE(absl::IsCancelled(harness.Run(program())));
}

TEST(SpawnFutureTest, DroppingTheFutureLetsTheTaskGoOn) {
  TaskHarness harness;
  bool ended = false;
  auto work = [&]() -> Task<void> {
    (void)co_await SleepFor(absl::Seconds(1));
    ended = true;
  };
  {
    Future<void> dropped = SpawnFuture(harness.scope(), work());
  }
  harness.RunUntilIdle();
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace pelton
