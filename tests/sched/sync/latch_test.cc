#include "sched/sync/latch.h"

#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::TaskHarness;
using testing::Waiters;

TEST(LatchTest, OpensWhenAllHaveCountedDown) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    Latch latch(10);
    Waiters waiters(harness);
    int counted = 0;
    auto wait = [&](auto) -> Task<absl::Status> {
      const absl::Status status = co_await latch.Wait();
      EXPECT_EQ(counted, 10);
      co_return status;
    };
    auto count = [&](auto) -> Task<absl::Status> {
      if (random.Below(2) == 0) co_await Yield();
      ++counted;
      latch.CountDown();
      co_return absl::OkStatus();
    };
    waiters.StartAll(3, wait);
    EXPECT_EQ(waiters.ended(), 0u);
    waiters.StartAll(10, count);
    EXPECT_EQ(waiters.ended(), 13u);
    EXPECT_TRUE(latch.open());
  });
}

TEST(LatchTest, TasksThatArriveAndWaitLeaveTogether) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Latch latch(3);
    Waiters waiters(harness);
    auto arrive_and_wait = [&](auto) -> Task<absl::Status> {
      co_return co_await latch.ArriveAndWait();
    };
    waiters.StartAll(2, arrive_and_wait);
    EXPECT_EQ(latch.count(), 1u);
    EXPECT_EQ(waiters.ended(), 0u);
    waiters.StartAll(1, arrive_and_wait);
    EXPECT_EQ(waiters.ended(), 3u);
  });
}

TEST(LatchTest, AWaitThatIsStoppedTakesNoCountBack) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Latch latch(2);
    Waiters waiters(harness);
    waiters.StartAll(1,
                     [&](auto) -> Task<absl::Status> { co_return co_await latch.ArriveAndWait(); });
    waiters.CancelAll();
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 1u);
    EXPECT_EQ(latch.count(), 1u);
    latch.CountDown();
    EXPECT_TRUE(latch.open());
  });
}

TEST(LatchTest, CountsDownByMoreThanOneAndMayBeOpenFromTheStart) {
  TaskHarness harness;
  Latch latch(5);
  latch.CountDown(5);
  Latch open(0);
  auto wait = [&]() -> Task<absl::Status> {
    PELTON_CO_RETURN_IF_ERROR(co_await latch.Wait());
    co_return co_await open.Wait();
  };
  EXPECT_TRUE(harness.Run(wait()).ok());
}

TEST(LatchTest, TakesADeadlineWithoutATask) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Latch latch(1);
    auto wait = [&]() -> Task<absl::Status> {
      co_return co_await WithTimeout(absl::Seconds(1), latch.Wait());
    };
    EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(wait())));
    latch.CountDown();
    EXPECT_TRUE(harness.Run(wait()).ok());
  });
}

TEST(LatchDeathTest, IsNotCountedDownBelowNothing) {
  Latch latch(1);
  EXPECT_DEATH(latch.CountDown(2), "a Latch that waits for 1 was counted down by 2");
}

}  // namespace
}  // namespace pelton
