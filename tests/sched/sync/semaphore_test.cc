#include "sched/sync/semaphore.h"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::TaskHarness;
using testing::Waiters;

// A task that acquires `count` and gives them back at once.
auto Acquire(Semaphore& semaphore, uint64_t count) {
  return [&semaphore, count](auto arrive) -> Task<absl::Status> {
    arrive();
    co_return (co_await semaphore.Acquire(count)).status();
  };
}

TEST(SemaphoreTest, ABigRequestIsNotOvertakenBySmallOnes) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Semaphore semaphore(4);
    Waiters waiters(harness);
    Semaphore::Permits held = *semaphore.TryAcquire(2);
    waiters.StartAll(1, Acquire(semaphore, 4));
    waiters.StartAll(3, Acquire(semaphore, 1));
    EXPECT_EQ(waiters.ended(), 0u) << "two are available, and the first in line wants four";
    EXPECT_FALSE(semaphore.TryAcquire(1).has_value()) << "a try does not pass the line either";
    held.Release();
    harness.RunReady();
    ASSERT_EQ(waiters.ended(), 4u);
    EXPECT_EQ(waiters.order_of_ending()[0], &waiters.arrived(0));
    EXPECT_EQ(semaphore.available(), 4u);
  });
}

TEST(SemaphoreTest, WhenABigRequestIsCancelledTheSmallOnesBehindItAreGranted) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    Semaphore semaphore(4);
    Waiters waiters(harness);
    const Semaphore::Permits held = *semaphore.TryAcquire(2);
    Waiters::Waiter& big = waiters.Start(Acquire(semaphore, 4));
    harness.RunReady();
    waiters.StartAll(1 + static_cast<int>(random.Below(5)), Acquire(semaphore, 1));
    big.scope.Cancel();
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), waiters.started().size());
    EXPECT_TRUE(absl::IsCancelled(big.status));
    EXPECT_EQ(semaphore.available(), 2u);
  });
}

TEST(SemaphoreTest, ADeadlineOfABigRequestLetsTheSmallOnesThrough) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Semaphore semaphore(1);
    Waiters waiters(harness);
    auto late = [&](auto) -> Task<absl::Status> {
      co_return (co_await WithTimeout(absl::Seconds(1), semaphore.Acquire(2))).status();
    };
    Waiters::Waiter& big = waiters.Start(late);
    harness.RunReady();
    Waiters::Waiter& small = waiters.Start(Acquire(semaphore, 1));
    harness.RunUntilIdle();
    EXPECT_TRUE(absl::IsDeadlineExceeded(big.status));
    EXPECT_TRUE(small.status.ok());
    EXPECT_EQ(semaphore.available(), 1u);
  });
}

TEST(SemaphoreTest, GrantsAllThatFitAtOnce) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Semaphore semaphore(0);
    Waiters waiters(harness);
    for (const uint64_t count : {1, 2, 3}) waiters.StartAll(1, Acquire(semaphore, count));
    semaphore.Release(5);
    EXPECT_EQ(semaphore.available(), 2u) << "1 and 2 are granted, 3 has to wait";
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 3u) << "what the two gave back was enough for the third";
    EXPECT_EQ(semaphore.available(), 5u);
  });
}

// What was granted before the stop comes out of Acquire(), and goes back by its Permits.
TEST(SemaphoreTest, LosesNoPermitWhenGrantsAndStopsMeet) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    Semaphore semaphore(8);
    Waiters waiters(harness);
    auto hold = [&](auto) -> Task<absl::Status> {
      for (int i = 0; i < 5; ++i) {
        PELTON_CO_ASSIGN_OR_RETURN(const Semaphore::Permits permits,
                                   co_await semaphore.Acquire(1 + random.Below(8)));
        if (random.Below(2) == 0) co_await Yield();
      }
      co_return absl::OkStatus();
    };
    for (int i = 0; i < 8; ++i) waiters.Start(hold);
    while (harness.scheduler().HasReady()) {
      harness.Turn();
      waiters.started()[random.Below(8)].scope.Cancel();
    }
    EXPECT_EQ(waiters.ended(), 8u);
    EXPECT_EQ(semaphore.available(), 8u);
  });
}

TEST(SemaphoreTest, ARequestForNothingWaitsForItsTurn) {
  TaskHarness harness;
  Semaphore semaphore(0);
  Waiters waiters(harness);
  waiters.StartAll(1, Acquire(semaphore, 0));
  EXPECT_EQ(waiters.ended(), 1u);
  waiters.StartAll(1, Acquire(semaphore, 1));
  waiters.StartAll(1, Acquire(semaphore, 0));
  EXPECT_EQ(waiters.ended(), 1u);
  semaphore.Release();
  harness.RunReady();
  EXPECT_EQ(waiters.ended(), 3u);
}

TEST(SemaphoreTest, PermitsSplitMoveAndGoBackOnce) {
  Semaphore semaphore(10);
  Semaphore::Permits permits = *semaphore.TryAcquire(7);
  EXPECT_FALSE(semaphore.TryAcquire(4).has_value());
  Semaphore::Permits part = permits.Split(3);
  EXPECT_EQ(permits.count(), 4u);
  EXPECT_EQ(part.count(), 3u);
  EXPECT_EQ(permits.Split(0).count(), 0u);
  part.Release();
  part.Release();
  EXPECT_EQ(semaphore.available(), 6u);
  permits.Release(1);
  EXPECT_EQ(semaphore.available(), 7u);
  part = std::move(permits);
  EXPECT_EQ(part.count(), 3u);
  EXPECT_EQ(permits.count(), 0u);
  EXPECT_EQ(part.Detach(), 3u);
  EXPECT_EQ(part.Detach(), 0u);
  EXPECT_EQ(semaphore.available(), 7u);
  semaphore.Release(3);
  EXPECT_EQ(semaphore.available(), 10u);
}

TEST(SemaphoreDeathTest, MisuseDies) {
  std::optional<Semaphore> semaphore(std::in_place, 2);
  Semaphore::Permits permits = *semaphore->TryAcquire(2);
  EXPECT_DEATH((void)permits.Split(3), "3 permits split off 2");
  EXPECT_DEATH(semaphore.reset(), "a Semaphore was destroyed while 2 of its permits are held");
  permits.Release();
  EXPECT_DEATH(semaphore->Release(std::numeric_limits<uint64_t>::max()), "was given");
}

}  // namespace
}  // namespace pelton
