// WhenAll() and WhenAny() of awaitables other than tasks, and WhenAll(FailFast(), ...).

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <tuple>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/when.h"
#include "tests/sched/flows.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::Sleep;
using testing::SleepThen;
using testing::TaskHarness;
using testing::ThrowAfter;
using testing::UnderEverySeed;

Task<int> Immediately(int value) { co_return value; }

TEST(WhenAllTest, TakesAnyAwaitable) {
  UnderEverySeed([](TaskHarness& harness) {
    auto all = []() -> Task<void> {
      auto [slept, number, nothing] =
          co_await WhenAll(SleepFor(absl::Seconds(2)), SleepThen(absl::Seconds(1), 7), Yield());
      EXPECT_TRUE(slept.ok());
      EXPECT_EQ(number, 7);
      EXPECT_EQ(nothing, std::monostate());
    };
    harness.Run(all());
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(3));
  });
}

TEST(WhenAllTest, YieldsAReferenceAsAWrapper) {
  TaskHarness harness;
  int target = 4;
  auto refer = [&]() -> Task<int&> { co_return target; };
  auto all = [&]() -> Task<void> {
    auto [first, second] = co_await WhenAll(refer(), Immediately(1));
    EXPECT_EQ(&first.get(), &target);
  };
  harness.Run(all());
}

TEST(WhenAllTest, ADeadlineAroundItStopsAll) {
  TaskHarness harness;
  auto all = []() -> Task<absl::Status> {
    const auto both = co_await WithTimeout(
        absl::Seconds(1), WhenAll(Sleep(absl::Hours(1)), SleepFor(absl::Hours(2))));
    EXPECT_TRUE(both.ok()) << "a tuple is no error";
    EXPECT_TRUE(absl::IsDeadlineExceeded(std::get<0>(*both)));
    co_return std::get<1>(*both);
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(all())));
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
}

TEST(WhenAllTest, FailFastYieldsTheValuesOrJustOk) {
  TaskHarness harness;
  auto maybe = []() -> Task<absl::StatusOr<std::string>> { co_return "text"; };
  auto nothing = []() -> Task<void> { co_await Yield(); };
  auto all = [&]() -> Task<void> {
    const auto values =
        co_await WhenAll(FailFast(), maybe(), Immediately(7), Sleep(absl::Seconds(1)));
    EXPECT_EQ(std::get<0>(*values), "text");
    EXPECT_EQ(std::get<1>(*values), 7);
    const absl::Status ok = co_await WhenAll(FailFast(), Sleep(absl::Seconds(1)), nothing());
    EXPECT_TRUE(ok.ok());
    const absl::Status slept =
        co_await WhenAll(FailFast(), SleepFor(absl::Seconds(1)), SleepFor(absl::Seconds(2)));
    EXPECT_TRUE(slept.ok());
  };
  harness.Run(all());
}

TEST(WhenAllTest, FailFastCancelsTheOthersAtTheFirstError) {
  UnderEverySeed([](TaskHarness& harness) {
    absl::Status other;
    auto watch = [&]() -> Task<absl::Status> {
      other = co_await SleepFor(absl::Hours(1));
      co_return other;
    };
    auto fail = []() -> Task<absl::StatusOr<int>> {
      (void)co_await SleepFor(absl::Seconds(1));
      co_return absl::NotFoundError("first");
    };
    auto all = [&]() -> Task<absl::Status> {
      co_return (co_await WhenAll(FailFast(), watch(), fail())).status();
    };
    const absl::Status status = harness.Run(all());
    EXPECT_TRUE(absl::IsNotFound(status)) << status;
    EXPECT_TRUE(absl::IsCancelled(other)) << other;
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
  });
}

TEST(WhenAllTest, FailFastRethrowsAnException) {
  TaskHarness harness;
  auto all = []() -> Task<void> {
    (void)co_await WhenAll(FailFast(), Sleep(absl::Hours(1)), ThrowAfter(absl::Seconds(1), ""));
  };
  EXPECT_THROW(harness.Run(all()), std::runtime_error);
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
}

TEST(WhenAnyTest, TakesAnyAwaitable) {
  UnderEverySeed([](TaskHarness& harness) {
    auto any = []() -> Task<void> {
      const auto first = co_await WhenAny(SleepFor(absl::Hours(1)), SleepThen(absl::Seconds(1), 7));
      EXPECT_EQ(std::get<1>(first), 7);
    };
    harness.Run(any());
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
  });
}

}  // namespace
}  // namespace pelton
