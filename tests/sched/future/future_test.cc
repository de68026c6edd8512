#include "sched/future/future.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

TEST(FutureTest, IsPendingThenFulfilled) {
  TaskHarness harness;
  Promise<int> promise;
  Future<int> future = promise.future();
  EXPECT_EQ(future.phase(), FuturePhase::kPending);
  promise.Fulfil(3);
  EXPECT_FALSE(promise.pending());
  EXPECT_EQ(future.phase(), FuturePhase::kFulfilled);
  EXPECT_EQ(*future.Take(), 3);
  EXPECT_FALSE(future.valid());
}

TEST(FutureTest, ThenRunsLaterAndNeverInsideFulfil) {
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

}  // namespace
}  // namespace pelton
