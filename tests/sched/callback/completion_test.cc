// Completion<T>: its copies, its single call, and its C form.

#include "sched/callback/completion.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/callback/from_callback.h"
#include "sched/preemption.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

// Awaits a callback, and leaves its completion in `*slot` for the test to call.
template <typename T>
Task<void> AwaitInto(std::optional<Completion<T>>* slot, std::optional<Outcome<T>>* outcome) {
  outcome->emplace(co_await FromCallback<T>([slot](Completion<T> done) { *slot = done; }));
}

TEST(CompletionTest, TakesAValueAnErrorOrAStatusOr) {
  TaskHarness harness;
  std::optional<Completion<int>> done[3];
  std::optional<absl::StatusOr<int>> outcome[3];
  for (int i = 0; i < 3; ++i) harness.scope().Spawn(AwaitInto<int>, &done[i], &outcome[i]);
  harness.RunUntilIdle();
  (*done[0])(5);
  (*done[1])(absl::NotFoundError("none"));
  (*done[2])(absl::StatusOr<int>(6));
  EXPECT_FALSE(outcome[0].has_value()) << "the task ran inside the call";
  harness.RunUntilIdle();
  EXPECT_EQ(**outcome[0], 5);
  EXPECT_EQ(outcome[1]->status(), absl::NotFoundError("none"));
  EXPECT_EQ(**outcome[2], 6);
}

TEST(CompletionTest, OfVoidTakesNothingOrAStatus) {
  TaskHarness harness;
  std::optional<Completion<void>> done[2];
  std::optional<absl::Status> outcome[2];
  for (int i = 0; i < 2; ++i) harness.scope().Spawn(AwaitInto<void>, &done[i], &outcome[i]);
  harness.RunUntilIdle();
  (*done[0])();
  (*done[1])(absl::NotFoundError("none"));
  harness.RunUntilIdle();
  EXPECT_TRUE(outcome[0]->ok());
  EXPECT_TRUE(absl::IsNotFound(*outcome[1]));
}

TEST(CompletionTest, FitsIntoAStdFunction) {
  TaskHarness harness;
  std::function<void(int)> legacy;
  auto program = [&]() -> Task<int> {
    co_return *co_await FromCallback<int>([&](Completion<int> done) { legacy = done; });
  };
  std::optional<int> result;
  auto run = [&]() -> Task<void> { result = co_await program(); };
  harness.scope().Spawn(run);
  harness.RunUntilIdle();
  std::function<void(int)> copy = legacy;
  copy(7);
  harness.RunUntilIdle();
  EXPECT_EQ(result, 7);
}

TEST(CompletionTest, IsBrokenByTheDeathOfTheLastCopyOnly) {
  TaskHarness harness;
  std::optional<Completion<int>> done;
  std::optional<absl::StatusOr<int>> outcome;
  harness.scope().Spawn(AwaitInto<int>, &done, &outcome);
  harness.RunUntilIdle();
  {
    std::optional<Completion<int>> copy = done;
    Completion<int> moved = *std::move(done);
    done.reset();
    copy.reset();
    harness.RunUntilIdle();
    EXPECT_FALSE(outcome.has_value());
  }
  harness.RunUntilIdle();
  ASSERT_TRUE(outcome.has_value());
  EXPECT_TRUE(absl::IsAborted(outcome->status()));
  EXPECT_NE(outcome->status().ToString().find("broken callback"), std::string::npos);
}

// A C library: takes a function and its argument, and calls it later.
struct CLibrary {
  void (*function)(void*, int) = nullptr;
  void* argument = nullptr;
};
int StartC(CLibrary* library, bool works, void (*function)(void*, int), void* argument) {
  if (!works) return -1;
  *library = {function, argument};
  return 0;
}

Task<absl::StatusOr<int>> AwaitC(CLibrary* library, bool works) {
  co_return co_await FromCallback<int>([library, works](Completion<int> done) {
    const CCallback<int> c = done.AsCCallback();
    if (StartC(library, works, c.function, c.argument) != 0) c.Drop();
  });
}

TEST(CompletionTest, BecomesACFunctionAndItsArgument) {
  TaskHarness harness;
  CLibrary library;
  absl::StatusOr<int> result;
  auto run = [&]() -> Task<void> { result = co_await AwaitC(&library, true); };
  harness.scope().Spawn(run);
  harness.RunUntilIdle();
  library.function(library.argument, 11);
  harness.RunUntilIdle();
  EXPECT_EQ(*result, 11);
}

TEST(CompletionTest, ACCallbackThatIsDroppedIsBroken) {
  TaskHarness harness;
  CLibrary library;
  EXPECT_TRUE(absl::IsAborted(harness.Run(AwaitC(&library, false)).status()));
}

TEST(CompletionTest, OfVoidBecomesACFunctionOfItsArgumentAlone) {
  TaskHarness harness;
  CCallback<void> c;
  absl::Status result = absl::UnknownError("not called");
  auto run = [&]() -> Task<void> {
    result = co_await FromCallback<void>([&c](Completion<void> done) { c = done.AsCCallback(); });
  };
  harness.scope().Spawn(run);
  harness.RunUntilIdle();
  c.function(c.argument);
  harness.RunUntilIdle();
  EXPECT_TRUE(result.ok());
}

TEST(CompletionTest, OutlivesItsTask) {
  TaskHarness harness;
  auto value = std::make_shared<int>(1);
  std::optional<Completion<std::shared_ptr<int>>> done;
  auto wait = [&]() -> Task<absl::Status> {
    co_return (co_await FromCallback<std::shared_ptr<int>>(
                   [&](Completion<std::shared_ptr<int>> completion) { done = completion; }))
        .status();
  };
  harness.scope().Spawn(wait);
  harness.RunUntilIdle();
  harness.scope().Cancel();
  harness.RunUntilIdle();
  EXPECT_EQ(harness.scope().live(), 0u);
  (*done)(value);
  EXPECT_EQ(value.use_count(), 1) << "a late value is kept";
}

TEST(CompletionDeathTest, IsCalledOnce) {
  TaskHarness harness;
  std::optional<Completion<int>> done;
  std::optional<absl::StatusOr<int>> outcome;
  harness.scope().Spawn(AwaitInto<int>, &done, &outcome);
  harness.RunUntilIdle();
  Completion<int> copy = *done;
  (*done)(1);
  EXPECT_DEATH(copy(2), "a Completion was called twice");
  harness.RunUntilIdle();
  EXPECT_DEATH(copy(2), "a Completion was called twice");
}

TEST(CompletionDeathTest, StaysOnItsShard) {
  TaskHarness harness;
  std::optional<Completion<int>> done;
  std::optional<absl::StatusOr<int>> outcome;
  harness.scope().Spawn(AwaitInto<int>, &done, &outcome);
  harness.RunUntilIdle();
  {
    TaskHarness elsewhere;
    EXPECT_DEATH((*done)(1), "use FromForeignCallback");
  }
  (*done)(1);
  harness.RunUntilIdle();
}

}  // namespace
}  // namespace pelton
