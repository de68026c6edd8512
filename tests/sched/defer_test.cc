#include "sched/defer.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
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

using testing::Sleep;
using testing::TaskHarness;
using testing::ThrowAfter;
using testing::UnderEverySeed;

TEST(WithDeferTest, RunsWhatWasAddedInReverseOrderWhenTheBodyHasEnded) {
  UnderEverySeed([](TaskHarness& harness) {
    std::string log;
    auto body = [&](Defer& defer) -> Task<int> {
      defer.Add([&]() -> Task<void> {
        (void)co_await SleepFor(absl::Seconds(1));
        log += "1";
      });
      defer.Add([&] { log += "2"; });
      defer.Add([&]() -> Task<absl::Status> {
        log += "3";
        co_return co_await Sleep(absl::Seconds(1));
      });
      EXPECT_EQ(defer.size(), 3u);
      log += "body ";
      co_return 7;
    };
    EXPECT_EQ(*harness.Run(WithDefer(body)), 7);
    EXPECT_EQ(log, "body 321");
  });
}

TEST(WithDeferTest, RunsAfterAnError) {
  TaskHarness harness;
  bool cleaned = false;
  auto body = [&](Defer& defer) -> Task<absl::Status> {
    defer.Add([&]() -> absl::Status {
      cleaned = true;
      return absl::DataLossError("of the clean-up");
    });
    co_return absl::NotFoundError("of the body");
  };
  EXPECT_TRUE(absl::IsNotFound(harness.Run(WithDefer(body))));
  EXPECT_TRUE(cleaned);
}

TEST(WithDeferTest, RunsAfterAnException) {
  UnderEverySeed([](TaskHarness& harness) {
    bool cleaned = false;
    auto body = [&](Defer& defer) -> Task<void> {
      defer.Add([&]() -> Task<void> { cleaned = (co_await Sleep(absl::Seconds(1))).ok(); });
      defer.Add([] { return ThrowAfter(absl::Seconds(1), "of the clean-up"); });
      co_await ThrowAfter(absl::Seconds(1), "of the body");
    };
    std::string caught;
    try {
      (void)harness.Run(WithDefer(body));
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    EXPECT_EQ(caught, "of the body");
    EXPECT_TRUE(cleaned);
  });
}

TEST(WithDeferTest, RunsShieldedAfterACancellation) {
  UnderEverySeed([](TaskHarness& harness) {
    absl::Status worked;
    absl::Status cleaned = absl::UnknownError("not set");
    absl::Status outcome;
    harness.scope().Spawn([&]() -> Task<void> {
      outcome = co_await WithDefer([&](Defer& defer) -> Task<absl::Status> {
        defer.Add([&]() -> Task<absl::Status> {
          cleaned = co_await SleepFor(absl::Seconds(1));
          co_return cleaned;
        });
        worked = co_await SleepFor(absl::Hours(1));
        co_return worked;
      });
      EXPECT_TRUE(StopRequested());
    });
    harness.RunReady();
    harness.scope().Cancel();
    harness.RunUntilIdle();
    EXPECT_TRUE(absl::IsCancelled(worked)) << worked;
    EXPECT_TRUE(cleaned.ok()) << cleaned;
    EXPECT_TRUE(absl::IsCancelled(outcome)) << outcome;
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
  });
}

TEST(WithDeferTest, RunsAfterADeadline) {
  TaskHarness harness;
  bool cleaned = false;
  auto body = [&](Defer& defer) -> Task<absl::Status> {
    defer.Add([&]() -> Task<void> { cleaned = (co_await Sleep(absl::Seconds(1))).ok(); });
    co_return co_await Sleep(absl::Hours(1));
  };
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(harness.Run(WithTimeout(absl::Seconds(1), WithDefer(body)))));
  EXPECT_TRUE(cleaned);
}

TEST(WithDeferTest, EachHasATimeLimitAndTheOthersRunAllTheSame) {
  UnderEverySeed([](TaskHarness& harness) {
    int cleaned = 0;
    auto body = [&](Defer& defer) -> Task<absl::Status> {
      for (int i = 0; i < 3; ++i) {
        defer.Add([&]() -> Task<absl::Status> {
          const absl::Status slept = co_await SleepFor(absl::Hours(1));
          ++cleaned;
          co_return slept;
        });
      }
      co_return absl::OkStatus();
    };
    const absl::Status status = harness.Run(WithDefer(body, {.limit = absl::Seconds(2)}));
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    EXPECT_EQ(cleaned, 3);
    EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(6));
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(7));
  });
}

TEST(WithDeferTest, AnErrorOrExceptionOfTheCleanUpComesOutWhenTheBodySucceeded) {
  TaskHarness harness;
  auto error = [](Defer& defer) -> Task<std::unique_ptr<int>> {
    defer.Add([] { return absl::DataLossError("first to run"); });
    co_return std::make_unique<int>(1);
  };
  EXPECT_TRUE(absl::IsDataLoss(harness.Run(WithDefer(error)).status()));
  auto exception = [](Defer& defer) -> Task<void> {
    defer.Add([] { return ThrowAfter(absl::Seconds(1), ""); });
    co_return;
  };
  EXPECT_THROW((void)harness.Run(WithDefer(exception)), std::runtime_error);
}

TEST(WithDeferTest, CleanUpMayAddMore) {
  TaskHarness harness;
  std::string log;
  auto body = [&](Defer& defer) -> Task<void> {
    defer.Add([&] { log += "1"; });
    defer.Add([&] {
      log += "2";
      defer.Add([&] { log += "3"; });
    });
    co_return;
  };
  EXPECT_TRUE(harness.Run(WithDefer(body)).ok());
  EXPECT_EQ(log, "231");
}

TEST(WithDeferTest, WhatAFunctionHoldsIsReleasedWhenItHasRun) {
  TaskHarness harness;
  auto counter = std::make_shared<int>(0);
  long last_count = 0;
  auto body = [&](Defer& defer) -> Task<void> {
    defer.Add([&] { last_count = counter.use_count(); });
    defer.Add([copy = counter] {});
    EXPECT_EQ(counter.use_count(), 2);
    co_return;
  };
  EXPECT_TRUE(harness.Run(WithDefer(body)).ok());
  EXPECT_EQ(last_count, 1);
}

TEST(DeferTest, MayBeRunByHandMoreThanOnce) {
  TaskHarness harness;
  auto body = []() -> Task<int> {
    int ran = 0;
    Defer defer;
    defer.Add([&] { ++ran; });
    EXPECT_TRUE((co_await defer.Run()).ok());
    EXPECT_EQ(ran, 1);
    defer.Add([&] { ++ran; });
    EXPECT_TRUE((co_await defer.Run()).ok());
    co_return ran;
  };
  EXPECT_EQ(harness.Run(body()), 2);
}

TEST(DeferDeathTest, DiesWithFunctionsThatHaveNotRun) {
  EXPECT_DEATH(
      {
        Defer defer;
        defer.Add([] {});
      },
      "1 functions that have not run");
}

}  // namespace
}  // namespace pelton
