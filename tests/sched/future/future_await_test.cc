// Awaiting futures: order, cancellation, deadlines, destruction, in 200 shuffled orders.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/deadline.h"
#include "sched/future/future.h"
#include "sched/in_group.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

constexpr uint64_t kSeeds = 200;

Task<void> AwaitInto(Future<int> future, std::optional<absl::StatusOr<int>>* outcome) {
  *outcome = co_await future;
}

TEST(FutureAwaitTest, YieldsTheValueOrTheError) {
  TaskHarness harness;
  auto program = []() -> Task<void> {
    EXPECT_EQ(*co_await FulfilledFuture(3), 3);
    EXPECT_TRUE((co_await FulfilledFuture()).ok());
    EXPECT_TRUE(absl::IsNotFound((co_await RejectedFuture<int>(absl::NotFoundError(""))).status()));
    Future<std::unique_ptr<int>> moved = FulfilledFuture(std::make_unique<int>(4));
    EXPECT_EQ(**co_await moved, 4);
    EXPECT_FALSE(moved.valid());
  };
  harness.Run(program());
}

TEST(FutureAwaitTest, WaitsUntilThePromiseIsSettled) {
  TaskHarness harness;
  Promise<int> promise;
  std::optional<absl::StatusOr<int>> outcome;
  harness.scope().Spawn(AwaitInto(promise.future(), &outcome));
  harness.RunUntilIdle();
  EXPECT_FALSE(outcome.has_value());
  promise.Fulfil(5);
  EXPECT_FALSE(outcome.has_value()) << "the task ran inside Fulfil()";
  harness.RunUntilIdle();
  EXPECT_EQ(**outcome, 5);
}

TEST(FutureAwaitTest, ABrokenPromiseEndsTheWait) {
  TaskHarness harness;
  std::optional<absl::StatusOr<int>> outcome;
  {
    Promise<int> promise;
    harness.scope().Spawn(AwaitInto(promise.future(), &outcome));
    harness.RunUntilIdle();
  }
  harness.RunUntilIdle();
  EXPECT_TRUE(absl::IsAborted(outcome->status()));
}

TEST(FutureAwaitTest, CancellingTheTaskEndsTheWaitAndKeepsTheFuture) {
  TaskHarness harness;
  Promise<int> promise;
  Future<int> future = promise.future();
  absl::Status status;
  auto wait = [&]() -> Task<void> { status = (co_await future).status(); };
  harness.scope().Spawn(wait);
  harness.RunUntilIdle();
  harness.scope().Cancel();
  harness.RunUntilIdle();
  EXPECT_TRUE(absl::IsCancelled(status));
  EXPECT_TRUE(future.valid());
  promise.Fulfil(6);
  EXPECT_EQ(*future.Take(), 6);
}

TEST(FutureAwaitTest, AStoppedTaskDoesNotWaitButTakesWhatIsThere) {
  TaskHarness harness;
  Promise<int> promise;
  Future<int> pending = promise.future();
  Future<int> settled = FulfilledFuture(2);
  auto wait = [&]() -> Task<void> {
    EXPECT_TRUE(absl::IsCancelled((co_await pending).status()));
    EXPECT_EQ(*co_await settled, 2);
  };
  harness.scope().Spawn(wait);
  harness.scope().Cancel();
  harness.RunUntilIdle();
  EXPECT_EQ(harness.scope().live(), 0u);
}

TEST(FutureAwaitTest, AnOutcomeThatArrivesWithTheCancellationIsTaken) {
  TaskHarness harness;
  for (const bool fulfil_first : {false, true}) {
    Promise<int> promise;
    std::optional<absl::StatusOr<int>> outcome;
    TaskScope scope(&harness.root(), {});
    scope.Spawn(AwaitInto(promise.future(), &outcome));
    harness.RunUntilIdle();
    if (fulfil_first) promise.Fulfil(1);
    scope.Cancel();
    if (!fulfil_first) promise.Fulfil(1);
    harness.RunUntilIdle();
    EXPECT_EQ(**outcome, 1) << fulfil_first;
  }
}

TEST(FutureAwaitTest, EndsAtItsDeadlineAndMayBeAwaitedAgain) {
  TaskHarness harness;
  auto program = []() -> Task<int> {
    TaskScope scope;
    Future<int> future = SpawnFuture(scope, []() -> Task<int> {
      (void)co_await SleepFor(absl::Seconds(10));
      co_return 4;
    });
    const absl::StatusOr<int> early = co_await WithTimeout(absl::Seconds(1), future);
    EXPECT_TRUE(absl::IsDeadlineExceeded(early.status()));
    const absl::StatusOr<int> later = co_await future;
    EXPECT_TRUE((co_await scope.Join()).ok());
    co_return *later;
  };
  EXPECT_EQ(harness.Run(program()), 4);
}

TEST(FutureAwaitTest, BecomesATaskForWhatTakesTasks) {
  TaskHarness harness;
  Promise<int> never;
  auto program = [&]() -> Task<size_t> {
    co_return (co_await WhenAny(never.future().ToTask(), FulfilledFuture(1).ToTask())).index();
  };
  EXPECT_EQ(harness.Run(program()), 1u);
}

TEST(FutureAwaitTest, SaysWhereTheFutureWasMade) {
  TaskHarness harness;
  const int line = __LINE__ + 1;
  Promise<int> promise;
  const TaskContext* waiting = nullptr;
  auto wait = [&]() -> Task<void> {
    waiting = &Scheduler::Current()->current_context();
    (void)co_await promise.future();
  };
  harness.scope().Spawn(wait);
  harness.RunUntilIdle();
  std::ostringstream out;
  waiting->waiting_for()->Describe(out);
  EXPECT_NE(out.str().find("future made at"), std::string::npos) << out.str();
  EXPECT_NE(out.str().find("future_await_test.cc:" + std::to_string(line)), std::string::npos);
  promise.Fulfil(1);
  harness.RunUntilIdle();
}

TEST(FutureAwaitTest, ALoopOfSettledFuturesGivesWay) {
  TaskHarness harness;
  bool stop = false;
  uint64_t rounds = 0;
  auto loop = [&]() -> Task<void> {
    while (!stop) rounds += *co_await FulfilledFuture(1);
  };
  auto stopper = [&]() -> Task<void> {
    stop = true;
    co_return;
  };
  harness.scope().Spawn(loop);
  harness.scope().Spawn(stopper);
  harness.RunUntilIdle();
  EXPECT_GT(rounds, 0u);
  EXPECT_LE(rounds, 300u);
}

// Waiters that are fulfilled, rejected, broken, cancelled and timed out by other tasks, in every
// order that a seed makes.
TEST(FutureAwaitTest, EveryWaitEndsOnceInEveryOrder) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    TaskHarness harness({.shuffle_seed = seed});
    constexpr int kWaits = 50;
    std::vector<std::optional<absl::StatusOr<int>>> outcomes(kWaits);
    auto settle = [](std::optional<Promise<int>>* promise, int i) -> Task<void> {
      for (int turns = i % 7; turns > 0; --turns) co_await Yield();
      if (i % 5 == 0) (*promise)->Fulfil(i);
      if (i % 5 == 1) (*promise)->Reject(absl::NotFoundError("none"));
      if (i % 5 == 2) promise->reset();
    };
    auto wait_with_deadline = [](Future<int> future,
                                 std::optional<absl::StatusOr<int>>* outcome) -> Task<void> {
      *outcome = co_await WithTimeout(absl::Milliseconds(3), future);
    };
    auto program = [&]() -> Task<void> {
      TaskScope waits;
      TaskScope settlers;
      std::vector<std::optional<Promise<int>>> promises(kWaits);
      for (int i = 0; i < kWaits; ++i) {
        Future<int> future = promises[i].emplace().future();
        if (i % 5 == 4) {
          waits.Spawn(wait_with_deadline(std::move(future), &outcomes[i]));
        } else {
          waits.Spawn(AwaitInto(std::move(future), &outcomes[i]));
        }
        settlers.Spawn(settle, &promises[i], i);
      }
      EXPECT_TRUE((co_await settlers.Join()).ok());
      (void)co_await SleepFor(absl::Seconds(1));
      waits.Cancel();
      EXPECT_TRUE((co_await waits.Join()).ok());
    };
    harness.Run(program());
    for (int i = 0; i < kWaits; ++i) {
      SCOPED_TRACE(i);
      ASSERT_TRUE(outcomes[i].has_value());
      const absl::Status status = outcomes[i]->status();
      if (i % 5 == 0) EXPECT_EQ(**outcomes[i], i);
      if (i % 5 == 1) EXPECT_TRUE(absl::IsNotFound(status)) << status;
      if (i % 5 == 2) EXPECT_TRUE(absl::IsAborted(status)) << status;
      if (i % 5 == 3) EXPECT_TRUE(absl::IsCancelled(status)) << status;
      if (i % 5 == 4) EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    }
  }
}

// Promises, futures and continuations that die in every order.
TEST(FutureAwaitTest, MayBeDestroyedInEveryOrder) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    TaskHarness harness({.shuffle_seed = seed});
    auto held = std::make_shared<int>(0);
    auto drop = [](auto owned, int turns) -> Task<void> {
      for (; turns > 0; --turns) co_await Yield();
    };
    auto program = [&]() -> Task<void> {
      TaskScope scope;
      for (int i = 0; i < 10; ++i) {
        Promise<std::shared_ptr<int>> promise;
        Future<int> future =
            promise.future()
                .Then([held](std::shared_ptr<int> n) { return FulfilledFuture(n); })
                .Then([held](std::shared_ptr<int>) { return 1; });
        if (i % 2 == 0) promise.Fulfil(held);
        scope.Spawn(drop, std::move(promise), i % 3);
        scope.Spawn(drop, std::move(future).Recover([](absl::Status) { return 2; }), i % 4);
      }
      EXPECT_TRUE((co_await scope.Join()).ok());
    };
    harness.Run(program());
    harness.RunUntilIdle();
    EXPECT_EQ(held.use_count(), 1);
  }
}

}  // namespace
}  // namespace pelton
