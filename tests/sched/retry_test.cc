#include "sched/retry.h"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "sched/deadline.h"
#include "sched/random.h"
#include "sched/shield.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "tests/sched/flows.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::Sleep;
using testing::TaskHarness;
using testing::UnderEverySeed;

// Fails with UNAVAILABLE until its last call.
struct Flaky {
  int failures;
  int calls = 0;
  Task<absl::StatusOr<int>> operator()() {
    if (++calls <= failures) co_return absl::UnavailableError("not yet");
    co_return calls;
  }
};

const RetryOptions kThreeAttempts{.attempts = 3};

TEST(RetryTest, TriesUntilItSucceedsAndWaitsLongerEachTime) {
  UnderEverySeed([](TaskHarness& harness) {
    Flaky flaky{.failures = 3};
    std::vector<Timestamp> times;
    auto attempt = [&] {
      times.push_back(harness.now());
      return flaky();
    };
    const absl::StatusOr<int> result = harness.Run(
        Retry({.attempts = 10, .initial_backoff = absl::Seconds(1), .multiplier = 3, .jitter = 0},
              attempt));
    EXPECT_EQ(*result, 4);
    ASSERT_EQ(times.size(), 4u);
    for (int i = 0, seconds = 1; i < 3; ++i, seconds *= 3) {
      EXPECT_GE(times[i + 1] - times[i], absl::Seconds(seconds));
      EXPECT_LT(times[i + 1] - times[i], absl::Seconds(seconds) + absl::Milliseconds(1));
    }
  });
}

TEST(RetryTest, GivesUpAfterItsAttemptsAndSaysSo) {
  TaskHarness harness;
  Flaky flaky{.failures = 100};
  const absl::Status status = harness.Run(Retry(kThreeAttempts, [&] { return flaky(); })).status();
  EXPECT_EQ(flaky.calls, 3);
  EXPECT_EQ(status,
            absl::UnavailableError("gave up after 3 attempts, no attempt is left: not yet"));
}

TEST(RetryTest, AnErrorThatDoesNotPassComesBackAtOnce) {
  TaskHarness harness;
  int calls = 0;
  auto fail = [&]() -> Task<absl::Status> {
    ++calls;
    co_return absl::NotFoundError("gone");
  };
  EXPECT_EQ(harness.Run(Retry({}, fail)), absl::NotFoundError("gone"));
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(absl::IsNotFound(harness.Run(Retry({.retryable = absl::IsNotFound}, fail))));
  EXPECT_EQ(calls, 1 + 3);
}

TEST(RetryTest, KeepsThePayloadsOfTheLastError) {
  TaskHarness harness;
  auto fail = []() -> Task<absl::Status> {
    absl::Status status = absl::UnavailableError("down");
    status.SetPayload("type/peer", absl::Cord("10.0.0.1"));
    co_return status;
  };
  EXPECT_EQ(harness.Run(Retry({}, fail)).GetPayload("type/peer"), absl::Cord("10.0.0.1"));
}

TEST(RetryTest, TakesAnAwaiter) {
  TaskHarness harness;
  EXPECT_TRUE(harness.Run(Retry({}, [] { return SleepFor(absl::Seconds(1)); })).ok());
}

TEST(RetryTest, DoesNotSleepPastTheDeadline) {
  TaskHarness harness;
  Flaky flaky{.failures = 100};
  const absl::StatusOr<int> result = harness.Run(WithTimeout(
      absl::Seconds(10), Retry({.attempts = 100, .initial_backoff = absl::Seconds(4), .jitter = 0},
                               [&] { return flaky(); })));
  EXPECT_EQ(flaky.calls, 2) << "at 0 s and 4 s; the next would be at 12 s";
  EXPECT_EQ(result.status(),
            absl::UnavailableError(
                "gave up after 2 attempts, the deadline leaves no time for another: not yet"));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(5));
}

TEST(RetryTest, CancellingItsTaskEndsTheWait) {
  UnderEverySeed([](TaskHarness& harness) {
    Flaky flaky{.failures = 100};
    absl::StatusOr<int> result;
    harness.scope().Spawn([&]() -> Task<void> {
      result = co_await Retry({.initial_backoff = absl::Seconds(10)}, [&] { return flaky(); });
    });
    harness.RunReady();
    harness.scope().Cancel();
    harness.RunReady();
    EXPECT_EQ(harness.scope().live(), 0u);
    EXPECT_TRUE(absl::IsCancelled(result.status())) << result.status();
    EXPECT_EQ(flaky.calls, 1);
  });
}

TEST(RetryTest, NothingIsTriedAgainInATaskThatWasStopped) {
  TaskHarness harness;
  int calls = 0;
  absl::Status result;
  harness.scope().Spawn([&]() -> Task<void> {
    result = co_await Retry({}, [&]() -> Task<absl::Status> {
      ++calls;
      (void)co_await SleepFor(absl::Hours(1));
      co_return absl::UnavailableError("a consequence of the interruption");
    });
  });
  harness.RunReady();
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_TRUE(absl::IsUnavailable(result)) << result;
  EXPECT_EQ(calls, 1);
}

TEST(RetryTest, AnExceptionIsNotTriedAgain) {
  TaskHarness harness;
  int calls = 0;
  auto fail = [&]() -> Task<absl::Status> {
    ++calls;
    (void)co_await Sleep(absl::Seconds(1));
    throw std::runtime_error("failed");
  };
  EXPECT_THROW((void)harness.Run(Retry({}, fail)), std::runtime_error);
  EXPECT_EQ(calls, 1);
}

TEST(RetryTest, TheSchedulersSeedDecidesTheJitter) {
  auto duration = [](uint64_t seed) {
    Scheduler::Options options;
    options.random_seed = seed;
    TaskHarness harness(options);
    Flaky flaky{.failures = 2};
    EXPECT_TRUE(harness.Run(Retry({.jitter = 1}, [&] { return flaky(); })).ok());
    return harness.now() - Timestamp();
  };
  EXPECT_EQ(duration(1), duration(1));
  EXPECT_NE(duration(1), duration(2));
}

TEST(BackoffTest, StaysBetweenItsBounds) {
  Random random(7);
  Backoff backoff({.initial_backoff = absl::Seconds(1),
                   .multiplier = 2,
                   .max_backoff = absl::Seconds(5),
                   .jitter = 0.25});
  for (const int most : {1, 2, 4, 5, 5, 5}) {
    const absl::Duration wait = backoff.Next(random);
    EXPECT_LE(wait, absl::Seconds(most));
    EXPECT_GT(wait, absl::Seconds(most) * 0.75);
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(random), absl::Seconds(1));
}

TEST(BackoffTest, FullJitterSpreadsOverTheWholeWait) {
  Random random(7);
  std::set<int> tenths;
  for (int i = 0; i < 1000; ++i) {
    Backoff backoff({.initial_backoff = absl::Seconds(1), .jitter = 1});
    tenths.insert(static_cast<int>(absl::ToDoubleSeconds(backoff.Next(random)) * 10));
  }
  EXPECT_EQ(tenths.size(), 10u);
}

TEST(BackoffDeathTest, DiesOfOptionsThatMakeNoSense) {
  EXPECT_DEATH(Backoff({.multiplier = 0.5}), "multiplier of 0.5");
  EXPECT_DEATH(Backoff({.jitter = 2}), "jitter of 2");
  EXPECT_DEATH(Backoff({.initial_backoff = absl::Seconds(9), .max_backoff = absl::Seconds(1)}),
               "from 9s to 1s");
  TaskHarness harness;
  EXPECT_DEATH((void)harness.Run(Retry({.attempts = 0}, [] { return Sleep(absl::Seconds(1)); })),
               "0 attempts");
}

}  // namespace
}  // namespace pelton
