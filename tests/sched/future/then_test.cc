// Then(), Recover() and what their functions may return and throw.

#include "sched/future/then.h"

#include <gtest/gtest.h>

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

TEST(ThenTest, RunsLaterAndNeverInsideFulfil) {
  TaskHarness harness;
  Promise<int> promise;
  int got = 0;
  Future<int> next = promise.future().Then([&](int n) {
    got = n;
    return n + 1;
  });
  promise.Fulfil(3);
  EXPECT_EQ(got, 0);
  harness.RunUntilIdle();
  EXPECT_EQ(got, 3);
  EXPECT_EQ(*next.Take(), 4);
}

TEST(ThenTest, OnASettledFutureRunsLaterToo) {
  TaskHarness harness;
  bool ran = false;
  Future<void> next = FulfilledFuture(3).Then([&](int) { ran = true; });
  EXPECT_FALSE(ran);
  EXPECT_EQ(next.phase(), FuturePhase::kPending);
  harness.RunUntilIdle();
  EXPECT_TRUE(ran);
  EXPECT_TRUE(next.Take().ok());
}

TEST(ThenTest, ContinuationsRunInTheOrderInWhichTheyBecameReady) {
  TaskHarness harness;
  std::vector<int> order;
  Promise<int> first;
  Promise<int> second;
  Future<void> a = first.future().Then([&](int n) { order.push_back(n); });
  Future<void> b = second.future().Then([&](int n) { order.push_back(n); });
  second.Fulfil(2);
  Future<void> c = FulfilledFuture(3).Then([&](int n) { order.push_back(n); });
  first.Fulfil(1);
  harness.RunUntilIdle();
  EXPECT_EQ(order, (std::vector<int>{2, 3, 1}));
}

TEST(ThenTest, AContinuationIsNotReEntered) {
  TaskHarness harness;
  std::vector<std::string> log;
  Promise<void> inner;
  Future<void> a = inner.future().Then([&] { log.push_back("inner"); });
  Future<void> b = FulfilledFuture().Then([&] {
    log.push_back("outer begins");
    inner.Fulfil();
    log.push_back("outer ends");
  });
  harness.RunUntilIdle();
  EXPECT_EQ(log, (std::vector<std::string>{"outer begins", "outer ends", "inner"}));
}

TEST(ThenTest, LeadsFromAnyTypeToAnyOther) {
  TaskHarness harness;
  Future<std::string> text = FulfilledFuture()
                                 .Then([] { return 1; })
                                 .Then([](int n) -> absl::StatusOr<int> { return n + 1; })
                                 .Then([](int n) { EXPECT_EQ(n, 2); })
                                 .Then([]() -> absl::Status { return absl::OkStatus(); })
                                 .Then([] { return FulfilledFuture(std::make_unique<int>(5)); })
                                 .Then([](std::unique_ptr<int> n) { return std::to_string(*n); });
  harness.RunUntilIdle();
  EXPECT_EQ(*text.Take(), "5");
}

TEST(ThenTest, AnErrorPassesByUntilItIsRecovered) {
  TaskHarness harness;
  int skipped = 0;
  absl::Status seen;
  Future<int> result = RejectedFuture<int>(absl::NotFoundError("row 7"))
                           .Then([&](int n) { return ++skipped, n; })
                           .Then([&](int n) { return ++skipped, n; })
                           .Recover([&](absl::Status error) {
                             seen = error;
                             return -1;
                           })
                           .Then([](int n) { return n * 10; });
  harness.RunUntilIdle();
  EXPECT_EQ(skipped, 0);
  EXPECT_EQ(seen, absl::NotFoundError("row 7"));
  EXPECT_EQ(*result.Take(), -10);
}

TEST(ThenTest, AReturnedErrorRejects) {
  TaskHarness harness;
  Future<void> status =
      FulfilledFuture(1).Then([](int) -> absl::Status { return absl::DataLossError("a"); });
  Future<int> value =
      FulfilledFuture(1).Then([](int) -> absl::StatusOr<int> { return absl::DataLossError("b"); });
  Future<int> inner =
      FulfilledFuture(1).Then([](int) { return RejectedFuture<int>(absl::DataLossError("c")); });
  harness.RunUntilIdle();
  EXPECT_EQ(status.Take(), absl::DataLossError("a"));
  EXPECT_EQ(value.Take().status(), absl::DataLossError("b"));
  EXPECT_EQ(inner.Take().status(), absl::DataLossError("c"));
}

TEST(ThenTest, AnExceptionRejectsWithItsText) {
  TaskHarness harness;
  Future<int> thrown =
      FulfilledFuture(1).Then([](int) -> int { throw std::runtime_error("disk on fire"); });
  Future<int> odd = FulfilledFuture(1).Then([](int) -> int { throw 7; });
  Future<int> inner =
      FulfilledFuture(1).Then([](int) -> Future<int> { throw std::runtime_error("no future"); });
  harness.RunUntilIdle();
  EXPECT_EQ(FirstLine(thrown.Take().status()),
            "INTERNAL: a future's continuation ended by an exception: disk on fire");
  EXPECT_TRUE(absl::IsInternal(odd.Take().status()));
  EXPECT_TRUE(absl::IsInternal(inner.Take().status()));
}

TEST(ThenTest, CopiesWhatIsReturnedByReference) {
  TaskHarness harness;
  std::string text = "a";
  Future<std::string> copy =
      FulfilledFuture().Then([&text]() -> const std::string& { return text; });
  harness.RunUntilIdle();
  text = "b";
  EXPECT_EQ(*copy.Take(), "a");
}

TEST(ThenTest, WaitsForAReturnedFuture) {
  TaskHarness harness;
  Promise<int> inner;
  Future<int> outer = FulfilledFuture(1).Then([&](int) { return inner.future(); });
  harness.RunUntilIdle();
  EXPECT_EQ(outer.phase(), FuturePhase::kPending);
  inner.Fulfil(9);
  harness.RunUntilIdle();
  EXPECT_EQ(*outer.Take(), 9);
}

TEST(ThenTest, ItsFunctionDiesAsSoonAsItHasRun) {
  TaskHarness harness;
  auto held = std::make_shared<int>(1);
  Promise<int> promise;
  Future<int> next = promise.future().Then([held](int n) { return n; });
  EXPECT_EQ(held.use_count(), 2);
  promise.Fulfil(1);
  harness.RunUntilIdle();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(next.phase(), FuturePhase::kFulfilled);
}

TEST(ThenTest, ItsFunctionDiesUncalledWhenAnErrorPassesBy) {
  TaskHarness harness;
  auto held = std::make_shared<int>(1);
  Future<int> next;
  {
    Promise<int> promise;
    next = promise.future().Then([held](int n) { return n; });
  }
  harness.RunUntilIdle();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_TRUE(absl::IsAborted(next.Take().status()));
}

TEST(ThenTest, RunsAlsoWhenNobodyHoldsItsFuture) {
  TaskHarness harness;
  int got = 0;
  Promise<int> promise;
  {
    Future<void> dropped = promise.future().Then([&](int n) { got = n; });
  }
  promise.Fulfil(3);
  harness.RunUntilIdle();
  EXPECT_EQ(got, 3);
}

TEST(ThenTest, AContinuationMayDestroyItsOwnFuture) {
  TaskHarness harness;
  Promise<int> promise;
  Future<int> next;
  next = promise.future().Then([&](int n) {
    next = Future<int>();
    return n;
  });
  promise.Fulfil(3);
  harness.RunUntilIdle();
  EXPECT_FALSE(next.valid());
}

TEST(ThenTest, RunsOutsideOfTasksAsWell) {
  TaskHarness harness;
  class Alarm final : public Timer {
   public:
    explicit Alarm(Promise<int> promise) : promise_(std::move(promise)) {}

   private:
    void Fire() override { promise_.Fulfil(1); }
    Promise<int> promise_;
  };
  Promise<int> promise;
  int got = 0;
  Future<void> next = promise.future().Then([&](int n) { got = n; });
  Alarm alarm(std::move(promise));
  harness.scheduler().timers().Arm(alarm, absl::ToInt64Nanoseconds(absl::Seconds(1)));
  harness.RunUntilIdle();
  EXPECT_EQ(got, 1);
  EXPECT_TRUE(next.Take().ok());
}

TEST(ThenTest, WithAScopeRunsATask) {
  TaskHarness harness;
  auto program = [&harness]() -> Task<void> {
    TaskScope scope;
    Future<std::string> text = FulfilledFuture(3)
                                   .Then(scope,
                                         [](int n) -> Task<int> {
                                           (void)co_await SleepFor(absl::Seconds(n));
                                           co_return n * 2;
                                         })
                                   .Then([](int n) { return std::to_string(n); });
    EXPECT_EQ(*co_await text, "6");
    EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(3));
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(program());
}

TEST(ThenTest, WithAScopeTakesEveryKindOfTask) {
  TaskHarness harness;
  auto program = []() -> Task<void> {
    TaskScope scope;
    Future<void> a = FulfilledFuture().Then(scope, []() -> Task<void> { co_return; });
    Future<void> b = FulfilledFuture().Then(
        scope, []() -> Task<absl::Status> { co_return absl::DataLossError("b"); });
    Future<int> c =
        FulfilledFuture(1).Then(scope, [](int n) -> Task<absl::StatusOr<int>> { co_return n; });
    Future<int> d = FulfilledFuture(1).Then(scope, [](int) -> Task<int> {
      co_await Yield();
      throw std::runtime_error("d");
    });
    bool called = false;
    Future<int> e =
        RejectedFuture<int>(absl::NotFoundError("e")).Then(scope, [&](int) -> Task<int> {
          called = true;
          co_return 1;
        });
    EXPECT_TRUE((co_await a).ok());
    EXPECT_TRUE(absl::IsDataLoss(co_await b));
    EXPECT_EQ(*co_await c, 1);
    EXPECT_EQ(FirstLine((co_await d).status()), "INTERNAL: a task ended by an exception: d");
    EXPECT_TRUE(absl::IsNotFound((co_await e).status()));
    EXPECT_FALSE(called);
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(program());
}

TEST(ThenTest, WithAScopeIsRejectedWhenTheScopeIsCancelled) {
  TaskHarness harness;
  auto program = []() -> Task<void> {
    TaskScope scope;
    Promise<int> promise;
    Future<int> waiting = promise.future().Then(scope, [](int n) -> Task<int> { co_return n; });
    Future<int> running = FulfilledFuture(1).Then(scope, [](int) -> Task<absl::StatusOr<int>> {
      PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Hours(1)));
      co_return 1;
    });
    co_await Yield();
    scope.Cancel();
    EXPECT_TRUE((co_await scope.Join()).ok());
    EXPECT_TRUE(absl::IsCancelled((co_await waiting).status()));
    EXPECT_TRUE(absl::IsCancelled((co_await running).status()));
    promise.Fulfil(1);
  };
  harness.Run(program());
  EXPECT_EQ(harness.now(), Timestamp());
}

TEST(RecoverTest, PassesAValueByWithoutACall) {
  TaskHarness harness;
  bool called = false;
  Future<std::unique_ptr<int>> result =
      FulfilledFuture(std::make_unique<int>(4)).Recover([&](absl::Status) {
        called = true;
        return std::unique_ptr<int>();
      });
  harness.RunUntilIdle();
  EXPECT_FALSE(called);
  EXPECT_EQ(**result.Take(), 4);
}

TEST(RecoverTest, MayFailAgainOrWait) {
  TaskHarness harness;
  Promise<int> later;
  Future<int> again =
      RejectedFuture<int>(absl::NotFoundError("a"))
          .Recover([](absl::Status) -> absl::StatusOr<int> { return absl::DataLossError("b"); });
  Future<int> waits = RejectedFuture<int>(absl::NotFoundError("a")).Recover([&](absl::Status) {
    return later.future();
  });
  Future<void> nothing =
      RejectedFuture<void>(absl::NotFoundError("a")).Recover([](const absl::Status&) {});
  harness.RunUntilIdle();
  EXPECT_TRUE(absl::IsDataLoss(again.Take().status()));
  EXPECT_TRUE(nothing.Take().ok());
  EXPECT_EQ(waits.phase(), FuturePhase::kPending);
  later.Fulfil(2);
  harness.RunUntilIdle();
  EXPECT_EQ(*waits.Take(), 2);
}

TEST(RecoverTest, WithAScopeRunsATask) {
  TaskHarness harness;
  auto program = []() -> Task<void> {
    TaskScope scope;
    Future<int> result = RejectedFuture<int>(absl::NotFoundError("a"))
                             .Recover(scope, [](absl::Status error) -> Task<int> {
                               EXPECT_TRUE(absl::IsNotFound(error));
                               (void)co_await SleepFor(absl::Seconds(1));
                               co_return 7;
                             });
    Future<int> passed =
        FulfilledFuture(3).Recover(scope, [](absl::Status) -> Task<int> { co_return 7; });
    EXPECT_EQ(*co_await result, 7);
    EXPECT_EQ(*co_await passed, 3);
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(program());
}

TEST(ThenDeathTest, AContinuationDoesNotReturnItsOwnFuture) {
  TaskHarness harness;
  Future<int> own;
  own = FulfilledFuture(1).Then([&](int) { return std::move(own); });
  EXPECT_DEATH(harness.RunUntilIdle(), "returned the future that waits for it");
  own = FulfilledFuture(2);  // what it returns in this process
  harness.RunUntilIdle();
}

}  // namespace
}  // namespace pelton
