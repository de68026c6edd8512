// One future of several.

#include "sched/future/gather.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sched/preemption.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

TEST(GatherTest, OfAVectorHasTheValuesInTheirOrder) {
  TaskHarness harness;
  Promise<int> promises[3];
  std::vector<Future<int>> futures;
  for (auto& promise : promises) futures.push_back(promise.future());
  Future<std::vector<int>> all = Gather(std::move(futures));
  promises[2].Fulfil(3);
  promises[0].Fulfil(1);
  harness.RunUntilIdle();
  EXPECT_EQ(all.phase(), FuturePhase::kPending);
  promises[1].Fulfil(2);
  harness.RunUntilIdle();
  EXPECT_EQ(*all.Take(), (std::vector<int>{1, 2, 3}));
}

TEST(GatherTest, OfNothingIsFulfilled) {
  TaskHarness harness;
  EXPECT_TRUE(Gather(std::vector<Future<int>>()).Take()->empty());
  EXPECT_TRUE(Gather(std::vector<Future<void>>()).Take().ok());
}

TEST(GatherTest, OfVoidFuturesIsAVoidFuture) {
  TaskHarness harness;
  std::vector<Future<void>> futures;
  for (int i = 0; i < 3; ++i) futures.push_back(FulfilledFuture());
  Future<void> all = Gather(std::move(futures));
  harness.RunUntilIdle();
  EXPECT_TRUE(all.Take().ok());
}

TEST(GatherTest, OfSeveralTypesIsATuple) {
  TaskHarness harness;
  auto all = Gather(FulfilledFuture(1), FulfilledFuture(std::make_unique<int>(2)),
                    FulfilledFuture(), FulfilledFuture(std::string("three")));
  harness.RunUntilIdle();
  auto [one, two, nothing, three] = *all.Take();
  EXPECT_EQ(one, 1);
  EXPECT_EQ(*two, 2);
  EXPECT_EQ(three, "three");
}

TEST(GatherTest, IsRejectedByTheFirstErrorAtOnce) {
  TaskHarness harness;
  Promise<int> promises[3];
  std::vector<Future<int>> futures;
  for (auto& promise : promises) futures.push_back(promise.future());
  Future<std::vector<int>> all = Gather(std::move(futures));
  promises[1].Reject(absl::NotFoundError("first"));
  promises[2].Reject(absl::DataLossError("second"));
  harness.RunUntilIdle();
  EXPECT_EQ(all.phase(), FuturePhase::kRejected);
  EXPECT_EQ(all.Take().status(), absl::NotFoundError("first"));
  promises[0].Fulfil(1);
  harness.RunUntilIdle();
}

TEST(GatherTest, EndsInEveryOrder) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    TaskHarness harness({.shuffle_seed = seed});
    auto make = [](int n) -> Task<int> {
      for (int turns = n % 4; turns > 0; --turns) co_await Yield();
      co_return n;
    };
    auto program = [&]() -> Task<void> {
      TaskScope scope;
      std::vector<Future<int>> futures;
      std::vector<int> expected;
      for (int i = 0; i < 20; ++i) {
        futures.push_back(SpawnFuture(scope, make(i)));
        expected.push_back(i);
      }
      EXPECT_EQ(*co_await Gather(std::move(futures)), expected);
      EXPECT_TRUE((co_await scope.Join()).ok());
    };
    harness.Run(program());
  }
}

}  // namespace
}  // namespace pelton
