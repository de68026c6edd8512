#include "sched/when_range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "tests/sched/flows.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::Sleep;
using testing::SleepThen;
using testing::TaskHarness;
using testing::UnderEverySeed;

// Counts how many of its tasks run at once.
struct Gauge {
  int running = 0;
  int most = 0;
  int begun = 0;

  Task<int> Square(int value) {
    ++begun;
    most = std::max(most, ++running);
    co_await Yield();
    (void)co_await SleepFor(absl::Seconds(value % 3));
    --running;
    co_return value* value;
  }
  // Like Square(), but fails for `bad`.
  Task<absl::StatusOr<int>> Try(int value, int bad) {
    const int square = co_await Square(value);
    if (value == bad) co_return absl::NotFoundError("bad");
    co_return square;
  }
};

TEST(WhenAllOfRangeTest, YieldsResultsInOrderAndKeepsToTheLimit) {
  UnderEverySeed([](TaskHarness& harness) {
    Gauge gauge;
    const std::vector<int> numbers{1, 2, 3, 4, 5, 6, 7};
    auto body = [&]() -> Task<std::vector<int>> {
      co_return co_await WhenAll(numbers, [&](int value) { return gauge.Square(value); },
                                 {.limit = 3});
    };
    EXPECT_EQ(harness.Run(body()), (std::vector<int>{1, 4, 9, 16, 25, 36, 49}));
    EXPECT_EQ(gauge.most, 3);
    EXPECT_EQ(gauge.begun, 7);
  });
}

TEST(WhenAllOfRangeTest, WithoutALimitAllRunAtOnce) {
  TaskHarness harness;
  Gauge gauge;
  auto body = [&]() -> Task<std::vector<int>> {
    std::vector<Task<int>> tasks;
    for (int i = 0; i < 100; ++i) tasks.push_back(gauge.Square(i));
    co_return co_await WhenAll(std::move(tasks));
  };
  const std::vector<int> squares = harness.Run(body());
  ASSERT_EQ(squares.size(), 100u);
  EXPECT_EQ(squares[99], 99 * 99);
  EXPECT_EQ(gauge.most, 100);
}

TEST(WhenAllOfRangeTest, OfNothingYieldsNothing) {
  TaskHarness harness;
  auto body = []() -> Task<void> {
    EXPECT_TRUE((co_await WhenAll(std::vector<Task<int>>())).empty());
    EXPECT_TRUE((co_await WhenAll(FailFast(), std::vector<Task<absl::Status>>())).ok());
  };
  harness.Run(body());
}

TEST(WhenAllOfRangeTest, TakesEveryKindOfRangeFunctionAndResult) {
  TaskHarness harness;
  auto body = []() -> Task<void> {
    // A view of a temporary list, moved in; move-only results.
    auto boxes = co_await WhenAll(
        std::list<int>{1, 2},
        [](int value) -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(value); });
    EXPECT_EQ(*boxes[1], 2);
    // A lazy view; awaiters; void.
    const std::vector<std::monostate> nothing =
        co_await WhenAll(std::views::iota(0, 5), [](int) { return Yield(); });
    EXPECT_EQ(nothing.size(), 5u);
    // Elements by reference.
    std::vector<std::string> texts{"a", "b"};
    co_await WhenAll(texts, [](std::string& text) -> Task<void> {
      text += "!";
      co_return;
    });
    EXPECT_EQ(texts[1], "b!");
    // bool, for which std::vector is special.
    const std::vector<bool> bits =
        co_await WhenAll(std::views::iota(0, 3), [](int i) -> Task<bool> { co_return i == 1; });
    EXPECT_EQ(bits, (std::vector<bool>{false, true, false}));
  };
  harness.Run(body());
}

TEST(WhenAllOfRangeTest, ErrorsAreResultsLikeOthersWithoutFailFast) {
  TaskHarness harness;
  Gauge gauge;
  auto body = [&]() -> Task<void> {
    const auto results = co_await WhenAll(std::views::iota(0, 5),
                                          [&](int i) { return gauge.Try(i, 2); }, {.limit = 2});
    EXPECT_EQ(*results[4], 16);
    EXPECT_TRUE(absl::IsNotFound(results[2].status()));
  };
  harness.Run(body());
  EXPECT_EQ(gauge.begun, 5);
}

TEST(WhenAllOfRangeTest, FailFastYieldsTheValues) {
  TaskHarness harness;
  Gauge gauge;
  auto body = [&]() -> Task<void> {
    const absl::StatusOr<std::vector<int>> squares = co_await WhenAll(
        FailFast(), std::views::iota(0, 5), [&](int i) { return gauge.Try(i, -1); }, {.limit = 2});
    EXPECT_EQ(*squares, (std::vector<int>{0, 1, 4, 9, 16}));
    const absl::Status slept = co_await WhenAll(FailFast(), std::views::iota(0, 5),
                                                [](int i) { return Sleep(absl::Seconds(i)); });
    EXPECT_TRUE(slept.ok());
  };
  harness.Run(body());
}

TEST(WhenAllOfRangeTest, FailFastCancelsThoseThatRunAndBeginsNoOther) {
  UnderEverySeed([](TaskHarness& harness) {
    int begun = 0;
    int cancelled = 0;
    auto one = [&](int i) -> Task<absl::Status> {
      ++begun;
      if (i == 1) {
        (void)co_await SleepFor(absl::Seconds(1));
        co_return absl::NotFoundError("the second");
      }
      const absl::Status slept = co_await SleepFor(absl::Hours(1));
      cancelled += absl::IsCancelled(slept);
      co_return slept;
    };
    auto body = [&]() -> Task<absl::Status> {
      co_return co_await WhenAll(FailFast(), std::views::iota(0, 10), one, {.limit = 3});
    };
    const absl::Status status = harness.Run(body());
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_EQ(begun, 3);
    EXPECT_EQ(cancelled, 2);
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
  });
}

TEST(WhenAllOfRangeTest, CancellingTheAwaitingTaskEndsAll) {
  UnderEverySeed([](TaskHarness& harness) {
    absl::Status fast;
    size_t slow = 0;
    int begun = 0;
    harness.scope().Spawn([&]() -> Task<void> {
      fast = co_await WhenAll(FailFast(), std::views::iota(0, 10),
                              [&](int) {
                                ++begun;
                                return Sleep(absl::Hours(1));
                              },
                              {.limit = 4});
    });
    harness.scope().Spawn([&]() -> Task<void> {
      const auto results = co_await WhenAll(
          std::views::iota(0, 10), [](int) { return Sleep(absl::Hours(1)); }, {.limit = 4});
      slow = std::ranges::count_if(results, [](const auto& s) { return absl::IsCancelled(s); });
    });
    harness.RunReady();
    harness.scope().Cancel();
    harness.RunReady();
    EXPECT_EQ(harness.scope().live(), 0u);
    EXPECT_TRUE(absl::IsCancelled(fast)) << fast;
    EXPECT_EQ(begun, 4) << "what had not begun never does";
    EXPECT_EQ(slow, 10u) << "each has a result to give";
  });
}

TEST(WhenAllOfRangeTest, ADeadlineAroundItStopsAll) {
  TaskHarness harness;
  auto body = []() -> Task<absl::Status> {
    const auto late = co_await WithTimeout(
        absl::Seconds(1),
        WhenAll(FailFast(), std::views::iota(0, 10), [](int) { return Sleep(absl::Hours(1)); }));
    EXPECT_FALSE(StopRequested());
    co_return late;
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(body())));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
}

TEST(WhenAllOfRangeTest, TheFirstExceptionPreventsTheRest) {
  UnderEverySeed([](TaskHarness& harness) {
    int begun = 0;
    auto one = [&](int i) -> Task<int> {
      ++begun;
      (void)co_await SleepFor(i == 1 ? absl::Seconds(1) : absl::Hours(1));
      if (i == 1) throw std::runtime_error("failed");
      co_return i;
    };
    auto body = [&]() -> Task<void> {
      (void)co_await WhenAll(std::views::iota(0, 10), one, {.limit = 3});
    };
    EXPECT_THROW(harness.Run(body()), std::runtime_error);
    EXPECT_EQ(begun, 3);
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
  });
}

TEST(WhenAllOfRangeTest, UnawaitedDestroysItsTasks) {
  TaskHarness harness;
  auto counter = std::make_shared<int>(0);
  auto hold = [](std::shared_ptr<int>) -> Task<void> { co_return; };
  {
    std::vector<Task<void>> tasks;
    tasks.push_back(hold(counter));
    auto all = WhenAll(std::move(tasks));
    EXPECT_EQ(counter.use_count(), 2);
  }
  EXPECT_EQ(counter.use_count(), 1);
}

TEST(WhenAllOfRangeDeathTest, DiesOfALimitOfZero) {
  TaskHarness harness;
  auto body = []() -> Task<void> {
    (void)co_await WhenAll(std::vector<Task<void>>(), {.limit = 0});
  };
  EXPECT_DEATH(harness.Run(body()), "limit of 0");
}

TEST(WhenAnyOfRangeTest, TheFirstToEndWinsAndTheOthersAreCancelled) {
  UnderEverySeed([](TaskHarness& harness) {
    auto body = []() -> Task<void> {
      std::vector<Task<int>> tasks;
      for (int i = 0; i < 5; ++i) tasks.push_back(SleepThen(absl::Seconds(5 - i), i));
      const auto [index, value] = co_await WhenAny(std::move(tasks));
      EXPECT_EQ(index, 4u);
      EXPECT_EQ(value, 4);
    };
    harness.Run(body());
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
  });
}

TEST(WhenAnyOfRangeTest, AnExceptionBeforeAnybodyHasWonIsRethrownAndALosersIsDropped) {
  TaskHarness harness;
  auto fail = [](absl::Duration after) -> Task<int> {
    (void)co_await SleepFor(after);
    throw std::runtime_error("failed");
  };
  auto body = [&](absl::Duration after) -> Task<int> {
    std::vector<Task<int>> tasks;
    tasks.push_back(SleepThen(absl::Seconds(2), 7));
    tasks.push_back(fail(after));
    co_return (co_await WhenAny(std::move(tasks))).value;
  };
  EXPECT_THROW(harness.Run(body(absl::Seconds(1))), std::runtime_error);
  EXPECT_EQ(harness.Run(body(absl::Seconds(3))), 7);
}

}  // namespace
}  // namespace pelton
