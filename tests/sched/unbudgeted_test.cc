#include "sched/unbudgeted.h"

#include <gtest/gtest.h>

#include <string>

#include "sched/preemption.h"
#include "sched/scheduler.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

constexpr int kManyAwaits = 100'000;  // more than every budget and quota

Task<void> PassPoints(int points) {
  for (int i = 0; i < points; ++i) co_await PreemptionPoint();
}

// A task that sets *ran when somebody gives way.
Task<void> Note(bool* ran) {
  *ran = true;
  co_return;
}

TEST(UnbudgetedTest, ATaskKeepsTheShardUntilItsScopeEnds) {
  TaskHarness harness;
  bool other_ran = false;
  auto body = [&]() -> Task<void> {
    harness.scope().Spawn(Note, &other_ran);
    {
      const Unbudgeted whole(absl::Milliseconds(1));
      co_await PassPoints(kManyAwaits);
      EXPECT_FALSE(other_ran);
      EXPECT_FALSE(whole.ended());
    }
    co_await PassPoints(kManyAwaits);
    EXPECT_TRUE(other_ran) << "afterwards it gives way again";
  };
  harness.Run(body());
}

TEST(UnbudgetedTest, GivesWayWhenItsLimitHasPassedAndReportsIt) {
  TaskHarness harness;
  bool other_ran = false;
  ::testing::internal::CaptureStderr();
  auto body = [&]() -> Task<void> {
    harness.scope().Spawn(Note, &other_ran);
    const Unbudgeted whole(absl::Milliseconds(1));
    co_await PassPoints(kManyAwaits);
    EXPECT_FALSE(other_ran);
    harness.clock().Advance(absl::Milliseconds(3));
    EXPECT_TRUE(whole.ended());
  };
  harness.Run(body());
  const std::string report = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(report.find("unbudgeted_test.cc"), std::string::npos) << report;
  EXPECT_NE(report.find("2ms longer than its limit"), std::string::npos) << report;

  auto late = [&]() -> Task<void> {
    other_ran = false;
    harness.scope().Spawn(Note, &other_ran);
    const Unbudgeted whole(absl::Milliseconds(1));
    harness.clock().Advance(absl::Milliseconds(3));
    co_await PassPoints(kManyAwaits);
    EXPECT_TRUE(other_ran) << "past the limit it is preempted as every other";
  };
  harness.Run(late());
}

TEST(UnbudgetedTest, EndsWhenTheTaskIsSuspended) {
  TaskHarness harness;
  bool other_ran = false;
  auto other = [&]() -> Task<void> {
    // Not this task's: it gives way when its budget is spent.
    const uint64_t before = harness.scheduler().statistics().preemptions;
    co_await PassPoints(kManyAwaits);
    EXPECT_GT(harness.scheduler().statistics().preemptions, before);
    other_ran = true;
  };
  auto body = [&]() -> Task<void> {
    harness.scope().Spawn(other);
    const Unbudgeted whole(absl::Hours(1));
    EXPECT_FALSE(whole.ended());
    EXPECT_TRUE((co_await SleepFor(absl::Seconds(1))).ok());
    EXPECT_TRUE(whole.ended());
  };
  harness.Run(body());
  EXPECT_TRUE(other_ran);
}

}  // namespace
}  // namespace pelton
