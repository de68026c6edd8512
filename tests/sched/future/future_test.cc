// Promise and Future: phases, who may do what when, broken promises. Then() and Recover() are in
// then_test.cc, awaiting in future_await_test.cc.

#include "sched/future/future.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

static_assert(!std::is_copy_constructible_v<Promise<int>>);
static_assert(!std::is_copy_constructible_v<Future<int>>);
static_assert(std::is_nothrow_move_constructible_v<Promise<int>>);
static_assert(std::is_nothrow_move_constructible_v<Future<int>>);

TEST(FutureTest, IsPendingThenFulfilled) {
  TaskHarness harness;
  Promise<int> promise;
  Future<int> future = promise.future();
  EXPECT_EQ(future.phase(), FuturePhase::kPending);
  EXPECT_TRUE(promise.pending());
  promise.Fulfil(3);
  EXPECT_FALSE(promise.pending());
  EXPECT_EQ(future.phase(), FuturePhase::kFulfilled);
  EXPECT_EQ(*future.Take(), 3);
  EXPECT_FALSE(future.valid());
}

TEST(FutureTest, IsPendingThenRejected) {
  TaskHarness harness;
  Promise<int> promise;
  Future<int> future = promise.future();
  promise.Reject(absl::NotFoundError("no such row"));
  EXPECT_EQ(future.phase(), FuturePhase::kRejected);
  EXPECT_EQ(future.Take().status(), absl::NotFoundError("no such row"));
}

TEST(FutureTest, OfVoidHasAStatus) {
  TaskHarness harness;
  Promise<void> promise;
  Future<void> future = promise.future();
  promise.Fulfil();
  EXPECT_TRUE(future.Take().ok());
}

TEST(FutureTest, CarriesWhatCanOnlyBeMoved) {
  TaskHarness harness;
  Promise<std::unique_ptr<int>> promise;
  Future<std::unique_ptr<int>> future = promise.future();
  promise.Fulfil(std::make_unique<int>(7));
  EXPECT_EQ(**future.Take(), 7);
}

TEST(FutureTest, SettlesByAStatusOr) {
  TaskHarness harness;
  Promise<std::string> good;
  Future<std::string> good_future = good.future();
  good.Settle("yes");
  EXPECT_EQ(*good_future.Take(), "yes");
  Promise<std::string> bad;
  Future<std::string> bad_future = bad.future();
  bad.Settle(absl::DataLossError("no"));
  EXPECT_TRUE(absl::IsDataLoss(bad_future.Take().status()));
}

TEST(FutureTest, APromiseDestroyedUnsettledRejectsAndNamesItsLine) {
  TaskHarness harness;
  Future<int> future;
  int line = 0;
  {
    line = __LINE__ + 1;
    Promise<int> promise;
    future = promise.future();
  }
  const absl::Status error = future.Take().status();
  EXPECT_TRUE(absl::IsAborted(error));
  EXPECT_NE(error.ToString().find("future_test.cc:" + std::to_string(line)), std::string::npos)
      << error;
  EXPECT_NE(error.ToString().find("broken promise"), std::string::npos) << error;
}

TEST(FutureTest, APromiseAssignedToIsBrokenFirst) {
  TaskHarness harness;
  Promise<int> promise;
  Future<int> first = promise.future();
  promise = Promise<int>();
  Future<int> second = promise.future();
  EXPECT_TRUE(absl::IsAborted(first.Take().status()));
  EXPECT_EQ(second.phase(), FuturePhase::kPending);
  promise.Fulfil(1);
  EXPECT_EQ(*second.Take(), 1);
}

TEST(FutureTest, AMovedPromiseIsNotBroken) {
  TaskHarness harness;
  Future<int> future;
  Promise<int> kept = [&future] {
    Promise<int> promise;
    future = promise.future();
    return Promise<int>(std::move(promise));
  }();
  EXPECT_EQ(future.phase(), FuturePhase::kPending);
  kept.Fulfil(2);
  EXPECT_EQ(*future.Take(), 2);
}

TEST(FutureTest, MayBeDroppedBeforeOrAfterItsPromiseIsSettled) {
  TaskHarness harness;
  auto value = std::make_shared<int>(1);
  Promise<std::shared_ptr<int>> promise;
  {
    Future<std::shared_ptr<int>> dropped = promise.future();
  }
  promise.Fulfil(value);
  EXPECT_EQ(value.use_count(), 1);
  Promise<std::shared_ptr<int>> second;
  {
    Future<std::shared_ptr<int>> dropped = second.future();
    second.Fulfil(value);
    EXPECT_EQ(value.use_count(), 2);
  }
  EXPECT_EQ(value.use_count(), 1);
}

TEST(FutureTest, CanBeMadeSettled) {
  TaskHarness harness;
  EXPECT_EQ(*FulfilledFuture(4).Take(), 4);
  EXPECT_TRUE(FulfilledFuture().Take().ok());
  EXPECT_TRUE(absl::IsNotFound(RejectedFuture<int>(absl::NotFoundError("none")).Take().status()));
}

TEST(FutureTest, OnSettledGetsTheValueOrTheErrorAndRunsLater) {
  TaskHarness harness;
  absl::StatusOr<int> value = absl::UnknownError("not called");
  absl::Status error;
  FulfilledFuture(4).OnSettled([&](absl::StatusOr<int> outcome) { value = outcome; });
  Promise<void> promise;
  promise.future().OnSettled([&](absl::Status status) { error = status; });
  promise.Reject(absl::NotFoundError("none"));
  EXPECT_FALSE(value.ok());
  EXPECT_TRUE(error.ok());
  harness.RunUntilIdle();
  EXPECT_EQ(*value, 4);
  EXPECT_TRUE(absl::IsNotFound(error));
}

using FutureDeathTest = ::testing::Test;

TEST(FutureDeathTest, APromiseIsSettledOnce) {
  TaskHarness harness;
  Promise<int> promise;
  Future<int> future = promise.future();
  promise.Fulfil(1);
  EXPECT_DEATH(promise.Fulfil(2), "after it was settled or moved");
  EXPECT_DEATH(promise.Reject(absl::UnknownError("")), "after it was settled or moved");
}

TEST(FutureDeathTest, AnErrorIsNotOk) {
  TaskHarness harness;
  Promise<int> promise;
  EXPECT_DEATH(promise.Reject(absl::OkStatus()), "rejected with an OK status");
  promise.Fulfil(1);
}

TEST(FutureDeathTest, AFutureIsConsumedOnce) {
  TaskHarness harness;
  Future<int> future = FulfilledFuture(1);
  (void)future.Take();
  EXPECT_DEATH((void)future.Take(), "after its outcome was consumed or moved");
  EXPECT_DEATH((void)std::move(future).Then([](int) {}), "after its outcome was consumed");
}

TEST(FutureDeathTest, APromiseHasOneFuture) {
  TaskHarness harness;
  Promise<int> promise;
  Future<int> future = promise.future();
  EXPECT_DEATH((void)promise.future(), "future\\(\\) was called twice");
}

TEST(FutureDeathTest, APendingFutureHasNothingToTake) {
  TaskHarness harness;
  Promise<int> promise;
  Future<int> future = promise.future();
  EXPECT_DEATH((void)future.Take(), "co_await it");
}

TEST(FutureDeathTest, APromiseStaysOnItsShard) {
  TaskHarness home;
  Promise<int> promise;
  Future<int> future = promise.future();
  {
    TaskHarness elsewhere;
    EXPECT_DEATH(promise.Fulfil(1), "away from the shard that made it");
    EXPECT_DEATH((void)future.phase(), "future_test.cc:.*use ForeignPromise");
  }
  promise.Fulfil(1);
}

TEST(FutureDeathTest, APromiseNeedsAShard) {
  EXPECT_DEATH(Promise<int>(), "a thread that runs no shard");
}

}  // namespace
}  // namespace pelton
