#include "sched/when.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "tests/sched/flows.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::Sleep;
using testing::SleepThen;
using testing::TaskHarness;

Task<int> ThrowAfter(absl::Duration duration, std::string text) {
  (void)co_await SleepFor(duration);
  throw std::runtime_error(text);
}

Task<int> Immediately(int value) { co_return value; }

TEST(WhenAllTest, YieldsEveryResult) {
  TaskHarness harness;
  auto text = []() -> Task<std::string> { co_return "text"; };
  auto nothing = []() -> Task<void> { co_await Yield(); };
  auto moved = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  auto all = [&]() -> Task<void> {
    auto [number, string, empty, pointer] =
        co_await WhenAll(SleepThen(absl::Seconds(1), 7), text(), nothing(), moved());
    EXPECT_EQ(number, 7);
    EXPECT_EQ(string, "text");
    EXPECT_EQ(empty, std::monostate());
    EXPECT_EQ(*pointer, 3);
  };
  harness.Run(all());
}

TEST(WhenAllTest, RunsTheTasksSideBySide) {
  TaskHarness harness;
  auto all = []() -> Task<void> {
    co_await WhenAll(Sleep(absl::Seconds(3)), Sleep(absl::Seconds(2)), Sleep(absl::Seconds(3)));
  };
  harness.Run(all());
  EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(3));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(4));
}

TEST(WhenAllTest, OfOneTaskIsThatTask) {
  TaskHarness harness;
  auto all = []() -> Task<int> { co_return std::get<0>(co_await WhenAll(Immediately(4))); };
  EXPECT_EQ(harness.Run(all()), 4);
}

TEST(WhenAllTest, AStatusIsAResultLikeAnyOther) {
  TaskHarness harness;
  auto all = []() -> Task<void> {
    auto fail = []() -> Task<absl::Status> { co_return absl::NotFoundError("first"); };
    auto [failed, slept] = co_await WhenAll(fail(), Sleep(absl::Seconds(1)));
    EXPECT_TRUE(absl::IsNotFound(failed));
    EXPECT_TRUE(slept.ok()) << "an error cancels nobody";
  };
  harness.Run(all());
}

TEST(WhenAllTest, TheFirstExceptionCancelsTheRestAndIsRethrownAtTheEnd) {
  TaskHarness harness;
  absl::Status other;
  bool other_ended = false;
  auto watch = [&]() -> Task<void> {
    other = co_await SleepFor(absl::Hours(1));
    for (int i = 0; i < 5; ++i) co_await Yield();
    other_ended = true;
  };
  auto all = [&]() -> Task<void> {
    try {
      co_await WhenAll(watch(), ThrowAfter(absl::Seconds(1), "first"),
                       ThrowAfter(absl::Seconds(2), "second"));
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "first");
      EXPECT_TRUE(other_ended) << "all have ended when the await returns";
    }
  };
  harness.Run(all());
  EXPECT_TRUE(absl::IsCancelled(other));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
}

TEST(WhenAllTest, DestroysTheResultsWhenAnExceptionWins) {
  TaskHarness harness;
  auto counter = std::make_shared<int>(0);
  auto copy = [&]() -> Task<std::shared_ptr<int>> { co_return counter; };
  auto all = [&]() -> Task<void> { co_await WhenAll(copy(), ThrowAfter(absl::Seconds(1), "")); };
  EXPECT_THROW(harness.Run(all()), std::runtime_error);
  EXPECT_EQ(counter.use_count(), 1);
}

TEST(WhenAllTest, CancellingTheAwaitingTaskCancelsAll) {
  TaskHarness harness;
  std::tuple<absl::Status, absl::Status> results;
  auto all = [&]() -> Task<void> {
    results = co_await WhenAll(Sleep(absl::Hours(1)), Sleep(absl::Hours(2)));
  };
  harness.scope().Spawn(all);
  harness.Turn();
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_TRUE(absl::IsCancelled(std::get<0>(results)));
  EXPECT_TRUE(absl::IsCancelled(std::get<1>(results)));
}

TEST(WhenAllTest, InAStoppedFlowTheTasksRunStopped) {
  TaskHarness harness;
  std::tuple<absl::Status, int> results;
  auto all = [&]() -> Task<void> {
    results = co_await WhenAll(Sleep(absl::Hours(1)), Immediately(5));
  };
  harness.scope().Cancel();
  harness.scope().Spawn(all);
  harness.RunReady();
  EXPECT_TRUE(absl::IsCancelled(std::get<0>(results)));
  EXPECT_EQ(std::get<1>(results), 5);
}

TEST(WhenAllTest, Nests) {
  TaskHarness harness;
  auto pair = [](int base) -> Task<int> {
    auto [a, b] = co_await WhenAll(SleepThen(absl::Seconds(1), base), Immediately(base + 1));
    co_return a + b;
  };
  auto all = [&]() -> Task<int> {
    auto [a, b] = co_await WhenAll(pair(1), pair(10));
    co_return a + b;
  };
  EXPECT_EQ(harness.Run(all()), 1 + 2 + 10 + 11);
}

TEST(WhenAllTest, UnawaitedDestroysItsTasks) {
  TaskHarness harness;
  auto counter = std::make_shared<int>(0);
  auto hold = [](std::shared_ptr<int>) -> Task<void> { co_return; };
  auto drop = [&]() -> Task<void> {
    {
      auto all = WhenAll(hold(counter), hold(counter));
      EXPECT_EQ(counter.use_count(), 3);
    }
    co_return;
  };
  harness.Run(drop());
  EXPECT_EQ(counter.use_count(), 1);
}

TEST(WhenAnyTest, TheFirstToEndWins) {
  TaskHarness harness;
  auto any = []() -> Task<void> {
    const auto first =
        co_await WhenAny(SleepThen(absl::Seconds(3), 3), SleepThen(absl::Seconds(1), 1),
                         SleepThen(absl::Seconds(2), 2));
    EXPECT_EQ(first.index(), 1u);
    EXPECT_EQ(std::get<1>(first), 1);
  };
  harness.Run(any());
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
}

TEST(WhenAnyTest, CancelsTheLosersAndAwaitsThem) {
  TaskHarness harness;
  absl::Status loser;
  bool loser_ended = false;
  auto lose = [&]() -> Task<void> {
    loser = co_await SleepFor(absl::Hours(1));
    for (int i = 0; i < 10; ++i) co_await Yield();
    loser_ended = true;
  };
  auto any = [&]() -> Task<void> {
    const auto first = co_await WhenAny(lose(), Sleep(absl::Seconds(1)));
    EXPECT_EQ(first.index(), 1u);
    EXPECT_TRUE(std::get<1>(first).ok());
    EXPECT_TRUE(loser_ended);
  };
  harness.Run(any());
  EXPECT_TRUE(absl::IsCancelled(loser));
}

TEST(WhenAnyTest, OfTwoImmediateOnesTheFirstInOrderWins) {
  TaskHarness harness;
  auto any = []() -> Task<int> {
    const auto first = co_await WhenAny(Immediately(1), Immediately(2));
    EXPECT_EQ(first.index(), 0u);
    co_return std::get<0>(first);
  };
  EXPECT_EQ(harness.Run(any()), 1);
}

TEST(WhenAnyTest, TakesVoidAndMoveOnlyResults) {
  TaskHarness harness;
  auto moved = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  auto nothing = []() -> Task<void> { (void)co_await SleepFor(absl::Seconds(1)); };
  auto any = [&]() -> Task<void> {
    auto first = co_await WhenAny(nothing(), moved());
    EXPECT_EQ(first.index(), 1u);
    EXPECT_EQ(*std::get<1>(first), 3);
    auto second = co_await WhenAny(nothing(), SleepThen(absl::Hours(1), 1));
    EXPECT_EQ(second.index(), 0u);
  };
  harness.Run(any());
}

TEST(WhenAnyTest, AnErrorCanWin) {
  TaskHarness harness;
  auto any = []() -> Task<void> {
    auto fail = []() -> Task<absl::Status> { co_return absl::NotFoundError("first"); };
    const auto first = co_await WhenAny(Sleep(absl::Seconds(1)), fail());
    EXPECT_EQ(first.index(), 1u);
    EXPECT_TRUE(absl::IsNotFound(std::get<1>(first)));
  };
  harness.Run(any());
}

TEST(WhenAnyTest, AnExceptionBeforeAnybodyHasWonIsRethrown) {
  TaskHarness harness;
  absl::Status other;
  auto watch = [&]() -> Task<int> {
    other = co_await SleepFor(absl::Hours(1));
    co_return 1;  // too late to win
  };
  auto any = [&]() -> Task<void> {
    co_await WhenAny(watch(), ThrowAfter(absl::Seconds(1), "first"));
  };
  EXPECT_THROW(harness.Run(any()), std::runtime_error);
  EXPECT_TRUE(absl::IsCancelled(other));
}

TEST(WhenAnyTest, AnExceptionOfALoserIsDropped) {
  TaskHarness harness;
  auto any = []() -> Task<int> {
    const auto first =
        co_await WhenAny(SleepThen(absl::Seconds(1), 1), ThrowAfter(absl::Hours(1), "loser"));
    co_return std::get<0>(first);
  };
  EXPECT_EQ(harness.Run(any()), 1);
}

TEST(WhenAnyTest, WhenAllAreCancelledTheFirstToEndWins) {
  TaskHarness harness;
  absl::Status result;
  auto any = [&]() -> Task<void> {
    const auto first = co_await WhenAny(Sleep(absl::Hours(1)), Sleep(absl::Hours(2)));
    EXPECT_EQ(first.index(), 0u);
    result = std::get<0>(first);
  };
  harness.scope().Spawn(any);
  harness.Turn();
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_TRUE(absl::IsCancelled(result)) << result;
}

TEST(WhenAnyTest, AWinnerKeepsItsResultWhenTheParentIsCancelledBesideIt) {
  TaskHarness harness;
  int result = 0;
  auto linger = []() -> Task<void> {
    while (!StopRequested()) co_await Yield();
    for (int i = 0; i < 3; ++i) co_await Yield();
  };
  auto any = [&]() -> Task<void> {
    const auto first = co_await WhenAny(Immediately(9), linger());
    result = std::get<0>(first);
    EXPECT_TRUE(StopRequested());
  };
  auto canceller = [&]() -> Task<void> {
    co_await Yield();  // the winner has ended by now, the loser has not
    harness.scope().Cancel();
  };
  harness.scope().Spawn(any);
  harness.scope().Spawn(canceller);
  harness.RunReady();
  EXPECT_EQ(result, 9);
}

TEST(WhenAnyTest, TheAwaitingTaskIsNotStoppedByItsLosers) {
  TaskHarness harness;
  auto any = []() -> Task<absl::Status> {
    (void)co_await WhenAny(Immediately(1), Sleep(absl::Hours(1)));
    EXPECT_FALSE(StopRequested());
    co_return co_await SleepFor(absl::Seconds(1));
  };
  EXPECT_TRUE(harness.Run(any()).ok());
}

TEST(WhenAnyTest, NestsInWhenAll) {
  TaskHarness harness;
  auto fastest = [](int base) -> Task<int> {
    const auto first =
        co_await WhenAny(SleepThen(absl::Hours(1), 0), SleepThen(absl::Seconds(base), base));
    co_return std::get<1>(first);
  };
  auto all = [&]() -> Task<int> {
    auto [a, b] = co_await WhenAll(fastest(2), fastest(3));
    co_return a + b;
  };
  EXPECT_EQ(harness.Run(all()), 5);
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(4));
}

TEST(WhenAnyTest, UnderADeadlineEndsInTime) {
  TaskHarness harness;
  auto any = []() -> Task<absl::Status> {
    const auto first = co_await WhenAny(Sleep(absl::Hours(1)), Sleep(absl::Hours(2)));
    co_return std::get<0>(first);
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(WithTimeout(absl::Seconds(1), any()))));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
}

}  // namespace
}  // namespace pelton
