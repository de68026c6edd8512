#include "sched/loop.h"

#include <gtest/gtest.h>

#include <memory>
#include <ranges>
#include <stdexcept>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "tests/sched/flows.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;
using testing::UnderEverySeed;

TEST(YieldingLoopTest, GivesWayAndGoesOn) {
  UnderEverySeed([](TaskHarness& harness) {
    bool other_ran = false;
    auto body = [&]() -> Task<int> {
      harness.scope().Spawn([&]() -> Task<void> {
        other_ran = true;
        co_return;
      });
      YieldingLoop loop;
      int rounds = 0;
      while (co_await loop && !other_ran) ++rounds;
      EXPECT_TRUE(loop.status().ok());
      co_return rounds;
    };
    EXPECT_LE(harness.Run(body()), 4096) << "a turn's quota";
    EXPECT_TRUE(other_ran);
  });
}

TEST(YieldingLoopTest, EndsWhenItsTaskIsCancelled) {
  UnderEverySeed([](TaskHarness& harness) {
    absl::Status status;
    harness.scope().Spawn([&]() -> Task<void> {
      YieldingLoop loop;
      while (co_await loop) {
      }
      status = loop.status();
    });
    harness.Turn();
    harness.scope().Cancel();
    harness.RunReady();
    EXPECT_EQ(harness.scope().live(), 0u);
    EXPECT_TRUE(absl::IsCancelled(status)) << status;
  });
}

TEST(ForEachTest, CallsTheFunctionInOrder) {
  TaskHarness harness;
  std::vector<int> seen;
  EXPECT_TRUE(harness.Run(ForEach(std::views::iota(0, 3), [&](int i) { seen.push_back(i); })).ok());
  std::vector<std::unique_ptr<int>> boxes;
  for (int i = 3; i < 5; ++i) boxes.push_back(std::make_unique<int>(i));
  EXPECT_TRUE(harness
                  .Run(ForEach(boxes,
                               [&](std::unique_ptr<int>& box) -> Task<void> {
                                 (void)co_await SleepFor(absl::Seconds(1));
                                 seen.push_back(*box);
                               }))
                  .ok());
  EXPECT_TRUE(harness
                  .Run(ForEach(std::vector<int>{5},
                               [&](int i) -> Task<absl::Status> {
                                 co_await Yield();
                                 seen.push_back(i);
                                 co_return absl::OkStatus();
                               }))
                  .ok());
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

TEST(ForEachTest, TheFirstErrorEndsIt) {
  TaskHarness harness;
  int calls = 0;
  auto check = [&](int i) {
    ++calls;
    return i == 3 ? absl::NotFoundError("three") : absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsNotFound(harness.Run(ForEach(std::views::iota(0, 10), check))));
  EXPECT_EQ(calls, 4);
  auto await = [&](int i) -> Task<absl::Status> { co_return check(i); };
  EXPECT_TRUE(absl::IsNotFound(harness.Run(ForEach(std::views::iota(0, 10), await))));
  EXPECT_EQ(calls, 8);
}

TEST(ForEachTest, AnExceptionOfTheFunctionComesOut) {
  TaskHarness harness;
  auto fail = [](int) { throw std::runtime_error("failed"); };
  EXPECT_THROW((void)harness.Run(ForEach(std::views::iota(0, 10), fail)), std::runtime_error);
}

TEST(ForEachTest, GivesWayWhileItComputes) {
  TaskHarness harness;
  int at = 0;
  int seen_at = -1;
  harness.scope().Spawn([&]() -> Task<absl::Status> {
    return ForEach(std::views::iota(0, 100'000), [&](int i) { at = i; });
  });
  harness.scope().Spawn([&]() -> Task<void> {
    seen_at = at;
    co_return;
  });
  harness.RunReady();
  EXPECT_GT(seen_at, 0);
  EXPECT_LT(seen_at, 4096);
  EXPECT_EQ(at, 99'999);
}

TEST(ForEachTest, CancellingItsTaskEndsItBetweenElements) {
  UnderEverySeed([](TaskHarness& harness) {
    int calls = 0;
    absl::Status status;
    harness.scope().Spawn([&]() -> Task<void> {
      status = co_await ForEach(std::views::iota(0, 10), [&](int) -> Task<void> {
        ++calls;
        (void)co_await SleepFor(absl::Seconds(1));
      });
    });
    harness.RunReady();
    harness.scope().Cancel();
    harness.RunReady();
    EXPECT_EQ(harness.scope().live(), 0u);
    EXPECT_TRUE(absl::IsCancelled(status)) << status;
    EXPECT_EQ(calls, 1);
  });
}

TEST(ForEachTest, ADeadlineEndsAComputation) {
  TaskHarness harness;
  auto forever = [&]() -> Task<absl::Status> {
    return ForEach(std::views::iota(0),
                   [&](int) { harness.clock().Advance(absl::Microseconds(1)); });
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(WithTimeout(absl::Milliseconds(5), forever()))));
  EXPECT_LT(harness.now() - Timestamp(), absl::Milliseconds(7));
}

}  // namespace
}  // namespace pelton
