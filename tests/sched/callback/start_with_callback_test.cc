// Starting tasks and other awaitables with a completion callback.

#include "sched/callback/start_with_callback.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/future/future.h"
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

constexpr uint64_t kSeeds = 200;

Task<int> Sum(int a, int b) {
  co_await Yield();
  co_return a + b;
}

TEST(StartWithCallbackTest, CallsBackWithTheResultAndNeverInsideTheCall) {
  TaskHarness harness;
  absl::StatusOr<int> result = absl::UnknownError("not called");
  StartWithCallback(harness.scope(), Sum(1, 2), [&](absl::StatusOr<int> sum) { result = sum; });
  EXPECT_FALSE(result.ok());
  harness.RunUntilIdle();
  EXPECT_EQ(*result, 3);
}

TEST(StartWithCallbackTest, TakesEveryKindOfTask) {
  TaskHarness harness;
  auto nothing = []() -> Task<void> { co_return; };
  auto status = []() -> Task<absl::Status> { co_return absl::NotFoundError("b"); };
  auto moved = []() -> Task<absl::StatusOr<std::unique_ptr<int>>> {
    co_return std::make_unique<int>(3);
  };
  int calls = 0;
  StartWithCallback(harness.scope(), nothing(), [&](absl::Status a) { calls += a.ok(); });
  StartWithCallback(harness.scope(), status(),
                    [&](absl::Status b) { calls += absl::IsNotFound(b); });
  StartWithCallback(harness.scope(), moved(),
                    [&](absl::StatusOr<std::unique_ptr<int>> c) { calls += c.ok() && **c == 3; });
  harness.RunUntilIdle();
  EXPECT_EQ(calls, 3);
}

TEST(StartWithCallbackTest, TakesAFutureAndAFunctionThatMakesAnyAwaitable) {
  TaskHarness harness;
  std::vector<std::string> log;
  StartWithCallback(
      harness.scope(), [] { return SleepFor(absl::Seconds(2)); },
      [&](absl::Status slept) { log.push_back("slept " + slept.ToString()); });
  StartWithCallback(harness.scope(), FulfilledFuture(5),
                    [&](absl::StatusOr<int> n) { log.push_back(std::to_string(*n)); });
  StartWithCallback(harness.scope(), Yield(), [&](absl::Status) { log.push_back("yielded"); });
  auto held = std::make_shared<int>(8);
  StartWithCallback(
      harness.scope(), [held]() -> Task<int> { co_return *held; },
      [&](absl::StatusOr<int> n) { log.push_back(std::to_string(*n)); });
  harness.RunUntilIdle();
  EXPECT_EQ(log, (std::vector<std::string>{"5", "8", "yielded", "slept OK"}));
  EXPECT_EQ(held.use_count(), 1);
}

TEST(StartWithCallbackTest, AnExceptionOfTheTaskIsAnErrorForTheCallback) {
  TaskHarness harness;
  auto fail = []() -> Task<int> {
    co_await Yield();
    throw std::runtime_error("out of tape");
  };
  absl::StatusOr<int> result;
  StartWithCallback(harness.scope(), fail(), [&](absl::StatusOr<int> n) { result = n; });
  harness.RunUntilIdle();
  EXPECT_EQ(FirstLine(result.status()), "INTERNAL: a task ended by an exception: out of tape");
}

TEST(StartWithCallbackTest, AnErrorOfTheTaskHarmsNoSibling) {
  TaskHarness harness;
  auto fail = []() -> Task<absl::Status> { co_return absl::NotFoundError("none"); };
  auto program = [&]() -> Task<absl::Status> {
    TaskScope scope;
    int calls = 0;
    StartWithCallback(scope, fail(), [&](absl::Status status) { calls += !status.ok(); });
    StartWithCallback(
        scope, [] { return SleepFor(absl::Seconds(1)); },
        [&](absl::Status status) { calls += status.ok(); });
    const absl::Status joined = co_await scope.Join();
    EXPECT_EQ(calls, 2);
    co_return joined;
  };
  EXPECT_TRUE(harness.Run(program()).ok());
}

TEST(StartWithCallbackTest, AnExceptionOfTheCallbackIsTheScopes) {
  TaskHarness harness;
  auto program = []() -> Task<void> {
    TaskScope scope;
    StartWithCallback(scope, Sum(1, 2),
                      [](absl::StatusOr<int>) { throw std::runtime_error("callback"); });
    (void)co_await scope.Join();
  };
  EXPECT_THROW(harness.Run(program()), std::runtime_error);
}

TEST(StartWithCallbackTest, CallsBackOnceWhenItIsCancelledBeforeItBegins) {
  TaskHarness harness;
  int calls = 0;
  StartWithCallback(
      harness.scope(), [] { return SleepFor(absl::Hours(1)); },
      [&](absl::Status status) { calls += absl::IsCancelled(status); });
  harness.scope().Cancel();
  harness.RunUntilIdle();
  EXPECT_EQ(calls, 1);
}

TEST(StartWithCallbackTest, CallsBackOnceForEachInEveryOrder) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    TaskHarness harness({.shuffle_seed = seed});
    constexpr int kTasks = 30;
    int done = 0;
    int cancelled = 0;
    auto program = [&]() -> Task<void> {
      TaskScope scope;
      for (int i = 0; i < kTasks; ++i) {
        StartWithCallback(
            scope, [i] { return SleepFor(absl::Milliseconds(i % 3 * 10)); },
            [&](absl::Status status) { ++(status.ok() ? done : cancelled); });
      }
      (void)co_await SleepFor(absl::Milliseconds(15));
      scope.Cancel();
      EXPECT_TRUE((co_await scope.Join()).ok());
    };
    harness.Run(program());
    EXPECT_EQ(done, kTasks * 2 / 3);
    EXPECT_EQ(cancelled, kTasks / 3);
  }
}

}  // namespace
}  // namespace pelton
