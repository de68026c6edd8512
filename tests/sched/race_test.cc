#include "sched/race.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/deadline.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "tests/sched/flows.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::FailAfter;
using testing::Sleep;
using testing::TaskHarness;
using testing::UnderEverySeed;

Task<absl::StatusOr<int>> Runner(absl::Duration duration, absl::StatusOr<int> result) {
  const absl::Status slept = co_await SleepFor(duration);
  if (!slept.ok()) co_return slept;
  co_return result;
}

TEST(RaceTest, TheFirstSuccessWinsThoughOthersFailedBefore) {
  UnderEverySeed([](TaskHarness& harness) {
    auto body = []() -> Task<absl::StatusOr<int>> {
      co_return co_await Race(Runner(absl::Seconds(1), absl::UnavailableError("down")),
                              Runner(absl::Seconds(3), 3), Runner(absl::Seconds(2), 2),
                              Runner(absl::Hours(1), 60));
    };
    EXPECT_EQ(*harness.Run(body()), 2);
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(3)) << "the losers were cancelled";
  });
}

TEST(RaceTest, WhenNobodySucceedsEveryErrorIsReported) {
  UnderEverySeed([](TaskHarness& harness) {
    auto body = []() -> Task<absl::StatusOr<int>> {
      co_return co_await Race(Runner(absl::Seconds(2), absl::UnavailableError("down")),
                              Runner(absl::Seconds(1), absl::NotFoundError("missing")));
    };
    const absl::Status status = harness.Run(body()).status();
    EXPECT_EQ(status, absl::UnavailableError("none of 2 succeeded: [0] UNAVAILABLE: down; [1] "
                                             "NOT_FOUND: missing"));
  });
}

TEST(RaceTest, TakesStatusesAndAnyAwaitable) {
  TaskHarness harness;
  auto body = []() -> Task<absl::Status> {
    co_return co_await Race(SleepFor(absl::Seconds(2)),
                            FailAfter(absl::Seconds(1), absl::AbortedError("")),
                            WithTimeout(absl::Seconds(1), Sleep(absl::Hours(1))));
  };
  EXPECT_TRUE(harness.Run(body()).ok());
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(3));
}

TEST(RaceTest, OfARangeYieldsAMoveOnlyValue) {
  TaskHarness harness;
  auto runner = [](int seconds) -> Task<absl::StatusOr<std::unique_ptr<int>>> {
    const absl::Status slept = co_await SleepFor(absl::Seconds(seconds));
    if (!slept.ok()) co_return slept;
    co_return std::make_unique<int>(seconds);
  };
  auto body = [&]() -> Task<int> {
    std::vector<Task<absl::StatusOr<std::unique_ptr<int>>>> runners;
    for (int i = 5; i > 0; --i) runners.push_back(runner(i));
    absl::StatusOr<std::unique_ptr<int>> winner = co_await Race(std::move(runners));
    co_return **winner;
  };
  EXPECT_EQ(harness.Run(body()), 1);
}

TEST(RaceTest, AThrowingRunnerLosesAndIsHeardOnlyWhenNobodyWins) {
  UnderEverySeed([](TaskHarness& harness) {
    auto fail = []() -> Task<absl::StatusOr<int>> {
      (void)co_await SleepFor(absl::Seconds(1));
      throw std::runtime_error("failed");
    };
    auto won = [&]() -> Task<absl::StatusOr<int>> {
      co_return co_await Race(fail(), Runner(absl::Seconds(2), 2));
    };
    EXPECT_EQ(*harness.Run(won()), 2);
    auto lost = [&]() -> Task<absl::StatusOr<int>> {
      co_return co_await Race(fail(), Runner(absl::Seconds(2), absl::NotFoundError("")));
    };
    EXPECT_THROW((void)harness.Run(lost()), std::runtime_error);
  });
}

TEST(RaceTest, CancellingTheAwaitingTaskEndsTheRace) {
  UnderEverySeed([](TaskHarness& harness) {
    absl::StatusOr<int> result;
    harness.scope().Spawn([&]() -> Task<void> {
      result = co_await Race(Runner(absl::Hours(1), 1), Runner(absl::Hours(2), 2));
    });
    harness.RunReady();
    harness.scope().Cancel();
    harness.RunReady();
    EXPECT_EQ(harness.scope().live(), 0u);
    EXPECT_TRUE(absl::IsCancelled(result.status())) << result.status();
  });
}

TEST(RaceTest, ADeadlineAroundItStopsAll) {
  TaskHarness harness;
  auto body = []() -> Task<absl::StatusOr<int>> {
    co_return co_await WithTimeout(absl::Seconds(1),
                                   Race(Runner(absl::Hours(1), 1), Runner(absl::Hours(2), 2)));
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(body()).status()));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
}

}  // namespace
}  // namespace pelton
