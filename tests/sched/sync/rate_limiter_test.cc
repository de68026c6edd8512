#include "sched/sync/rate_limiter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/sleep.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::kLateness;
using testing::TaskHarness;
using testing::Waiters;
using testing::WaitOf;

auto Acquire(RateLimiter& limiter, uint64_t count) {
  return [&limiter, count](auto arrive) -> Task<absl::Status> {
    arrive();
    co_return co_await limiter.Acquire(count);
  };
}

TEST(RateLimiterTest, GivesTheBurstAtOnceAndThenTheRate) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    RateLimiter limiter({.tokens = 100, .per = absl::Seconds(1), .burst = 10});
    Waiters waiters(harness);
    waiters.StartAll(110, Acquire(limiter, 1));
    EXPECT_EQ(waiters.ended(), 10u);
    harness.RunUntilIdle();
    ASSERT_EQ(waiters.ended(), 110u);
    for (size_t i = 10; i < 110; ++i) {
      const absl::Duration due = absl::Milliseconds(10) * (i - 9);
      const absl::Duration at = waiters.order_of_ending()[i]->ended_at - Timestamp();
      EXPECT_GE(at, due) << "token " << i << " came early";
      EXPECT_LE(at, due + kLateness) << "token " << i << " came late";
    }
  });
}

TEST(RateLimiterTest, NeverExceedsTheBurstPlusTheRateInAnyTime) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    const uint64_t burst = 1 + random.Below(20);
    RateLimiter limiter({.tokens = 1000, .per = absl::Seconds(1), .burst = burst});
    struct Grant {
      Timestamp at;
      uint64_t count;
    };
    std::vector<Grant> grants;
    Waiters waiters(harness);
    auto take = [&](auto) -> Task<absl::Status> {
      for (int i = 0; i < 20; ++i) {
        const uint64_t count = 1 + random.Below(burst);
        PELTON_CO_RETURN_IF_ERROR(co_await limiter.Acquire(count));
        grants.push_back({harness.now(), count});
        if (random.Below(5) == 0) {
          const auto pause = absl::Microseconds(static_cast<int64_t>(random.Below(30'000)));
          PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(pause));
        }
      }
      co_return absl::OkStatus();
    };
    waiters.StartAll(3, take);
    harness.RunUntilIdle();
    ASSERT_EQ(waiters.ended(), 3u);
    for (size_t from = 0; from < grants.size(); ++from) {
      uint64_t sum = 0;
      for (size_t to = from; to < grants.size(); ++to) {
        sum += grants[to].count;
        const double seconds = absl::ToDoubleSeconds(grants[to].at - grants[from].at);
        ASSERT_LE(sum, burst + 1000 * (seconds + 0.001)) << "from " << from << " to " << to;
      }
    }
  });
}

TEST(RateLimiterTest, GivesTheWholeRateThoughTimersAreLate) {
  TaskHarness harness;
  RateLimiter limiter({.tokens = 30'000, .per = absl::Seconds(1), .burst = 1});
  auto take = [&]() -> Task<absl::Status> {
    for (int i = 0; i < 30'000; ++i) PELTON_CO_RETURN_IF_ERROR(co_await limiter.Acquire());
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(harness.Run(take()).ok());
  EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(1) - absl::Milliseconds(1));
  EXPECT_LE(harness.now() - Timestamp(), absl::Milliseconds(1010));
}

TEST(RateLimiterTest, WhatGathersIsTheBurst) {
  TaskHarness harness;
  RateLimiter limiter({.tokens = 100, .per = absl::Seconds(1), .burst = 5});
  EXPECT_TRUE(limiter.TryAcquire(5));
  EXPECT_FALSE(limiter.TryAcquire());
  harness.clock().Advance(absl::Milliseconds(29));
  harness.Turn();
  EXPECT_EQ(limiter.available(), 2u);
  EXPECT_FALSE(limiter.TryAcquire(3));
  harness.clock().Advance(absl::Hours(1000));
  harness.Turn();
  EXPECT_EQ(limiter.available(), 5u);
  EXPECT_TRUE(limiter.TryAcquire(5));
  EXPECT_FALSE(limiter.TryAcquire());
}

TEST(RateLimiterTest, ABigRequestIsNotOvertakenBySmallOnes) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    RateLimiter limiter({.tokens = 10, .per = absl::Seconds(1), .burst = 10});
    EXPECT_TRUE(limiter.TryAcquire(9));
    Waiters waiters(harness);
    waiters.StartAll(1, Acquire(limiter, 10));
    waiters.StartAll(3, Acquire(limiter, 1));
    EXPECT_FALSE(limiter.TryAcquire(1)) << "a try does not pass the line either";
    EXPECT_EQ(waiters.ended(), 0u);
    harness.RunUntilIdle();
    ASSERT_EQ(waiters.ended(), 4u);
    EXPECT_EQ(waiters.order_of_ending(), waiters.order_of_arrival());
  });
}

TEST(RateLimiterTest, AStopTakesNothingAndLetsTheNextComeForward) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    RateLimiter limiter({.tokens = 1, .per = absl::Seconds(1), .burst = 10});
    EXPECT_TRUE(limiter.TryAcquire(8));
    Waiters waiters(harness);
    Waiters::Waiter& big = waiters.Start(Acquire(limiter, 10));
    harness.RunReady();
    waiters.StartAll(2, Acquire(limiter, 1));
    EXPECT_NE(WaitOf(big).find("10 tokens of rate limiter"), std::string::npos) << WaitOf(big);
    big.scope.Cancel();
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 3u);
    EXPECT_TRUE(absl::IsCancelled(big.status));
    EXPECT_EQ(harness.now(), Timestamp());
    EXPECT_TRUE(harness.scheduler().NextTimer().infinite()) << "nobody waits any more";
    EXPECT_EQ(limiter.available(), 0u);
  });
}

TEST(RateLimiterTest, KeepsWhatWasGrantedBeforeTheStop) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    RateLimiter limiter({.tokens = 1, .per = absl::Seconds(1), .burst = 1});
    EXPECT_TRUE(limiter.TryAcquire());
    Waiters waiters(harness);
    waiters.StartAll(2, Acquire(limiter, 1));
    harness.clock().Advance(absl::Milliseconds(1001));
    harness.scheduler().BeginTurn();
    while (harness.scheduler().FireTimers() == 0) {
    }
    waiters.CancelAll();  // the first was granted, and has not run yet
    harness.RunReady();
    EXPECT_TRUE(waiters.arrived(0).status.ok());
    EXPECT_TRUE(absl::IsCancelled(waiters.arrived(1).status));
    EXPECT_EQ(limiter.available(), 0u);
  });
}

TEST(RateLimiterTest, ADeadlineEndsTheWait) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    RateLimiter limiter({.tokens = 1, .per = absl::Seconds(10), .burst = 1});
    EXPECT_TRUE(limiter.TryAcquire());
    auto wait = [&](absl::Duration timeout) -> Task<absl::Status> {
      co_return co_await WithTimeout(timeout, limiter.Acquire());
    };
    EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(wait(absl::Seconds(4)))));
    EXPECT_LE(harness.now() - Timestamp(), absl::Seconds(4) + kLateness);
    EXPECT_TRUE(harness.Run(wait(absl::Seconds(7))).ok()) << "the token of the first 10 s";
    EXPECT_LE(harness.now() - Timestamp(), absl::Seconds(10) + kLateness);
  });
}

TEST(RateLimiterTest, AStoppedTaskTakesNothing) {
  TaskHarness harness;
  RateLimiter limiter({.tokens = 1, .per = absl::Seconds(1), .burst = 3});
  Waiters waiters(harness);
  waiters.Start(Acquire(limiter, 1)).scope.Cancel();
  harness.RunReady();
  EXPECT_TRUE(absl::IsCancelled(waiters.arrived(0).status));
  EXPECT_EQ(limiter.available(), 3u);
}

TEST(RateLimiterTest, MoreThanTheBurstIsAnErrorAtOnce) {
  TaskHarness harness;
  RateLimiter limiter({.tokens = 1, .per = absl::Seconds(1), .burst = 3});
  auto take = [&]() -> Task<absl::Status> { co_return co_await limiter.Acquire(4); };
  EXPECT_EQ(harness.Run(take()),
            absl::InvalidArgumentError("4 tokens asked of a rate limiter whose burst is 3"));
  EXPECT_FALSE(limiter.TryAcquire(4));
}

// The numbers are so big that 64 bits would not hold their products.
TEST(RateLimiterTest, TakesExtremeRates) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  TaskHarness harness;
  RateLimiter fast({.tokens = kMost, .per = absl::Nanoseconds(1), .burst = kMost});
  EXPECT_TRUE(fast.TryAcquire(kMost));
  harness.clock().Advance(absl::Nanoseconds(1));
  harness.Turn();
  EXPECT_EQ(fast.available(), kMost);

  RateLimiter slow({.tokens = 1, .per = absl::Hours(24 * 365 * 200), .burst = kMost});
  EXPECT_TRUE(slow.TryAcquire(kMost));
  Waiters waiters(harness);
  waiters.StartAll(1, Acquire(slow, kMost));
  EXPECT_TRUE(harness.scheduler().NextTimer().infinite() || waiters.ended() == 0);
  harness.clock().Advance(absl::Hours(24 * 365 * 100));
  harness.RunReady();
  EXPECT_EQ(waiters.ended(), 0u);
  waiters.CancelAll();
  harness.RunReady();
  EXPECT_EQ(waiters.ended(), 1u);
}

TEST(RateLimiterDeathTest, MisuseDies) {
  EXPECT_DEATH(RateLimiter({.tokens = 0}), "of no tokens in 1s");
  EXPECT_DEATH(RateLimiter({.per = absl::ZeroDuration()}), "a nanosecond is the least");
  EXPECT_DEATH(RateLimiter({.per = absl::InfiniteDuration()}), "tokens in inf");
  EXPECT_DEATH(RateLimiter({.burst = 0}), "a burst of no tokens");
  TaskHarness harness;
  std::optional<RateLimiter> limiter(std::in_place, RateLimiter::Options{});
  EXPECT_TRUE(limiter->TryAcquire());
  Waiters waiters(harness);
  waiters.StartAll(1, Acquire(*limiter, 1));
  EXPECT_DEATH(limiter.reset(), "a RateLimiter was destroyed while 1 tasks wait for it");
  waiters.CancelAll();
  harness.RunReady();
}

}  // namespace
}  // namespace pelton
