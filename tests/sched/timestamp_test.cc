#include "sched/timestamp.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace pelton {
namespace {

TEST(TimestampTest, IsOrderedByTime) {
  EXPECT_LT(Timestamp::FromNanoseconds(1), Timestamp::FromNanoseconds(2));
  EXPECT_EQ(Timestamp(), Timestamp::FromNanoseconds(0));
  EXPECT_LT(Timestamp::FromNanoseconds(std::numeric_limits<int64_t>::max() - 1),
            Timestamp::InfiniteFuture());
}

TEST(TimestampTest, AddsAndSubtractsDurations) {
  const Timestamp time = Timestamp::FromNanoseconds(1'000);
  EXPECT_EQ(time + absl::Microseconds(2), Timestamp::FromNanoseconds(3'000));
  EXPECT_EQ(time + -absl::Microseconds(2), Timestamp::FromNanoseconds(-1'000));
  EXPECT_EQ(Timestamp::FromNanoseconds(3'000) - time, absl::Microseconds(2));
  EXPECT_EQ(time - Timestamp::FromNanoseconds(3'000), -absl::Microseconds(2));
}

TEST(TimestampTest, ArithmeticSaturatesAtTheInfiniteFuture) {
  const Timestamp late = Timestamp::FromNanoseconds(std::numeric_limits<int64_t>::max() - 10);
  EXPECT_FALSE(late.infinite());
  EXPECT_TRUE((late + absl::Nanoseconds(11)).infinite());
  EXPECT_TRUE((late + absl::InfiniteDuration()).infinite());
  EXPECT_TRUE((Timestamp() + absl::InfiniteDuration()).infinite());
  EXPECT_TRUE((Timestamp() + absl::Hours(10'000'000)).infinite()) << "more than 292 years";
}

TEST(TimestampTest, TheInfiniteFutureStaysInfinite) {
  EXPECT_TRUE(Timestamp::InfiniteFuture().infinite());
  EXPECT_TRUE((Timestamp::InfiniteFuture() + -absl::Seconds(5)).infinite());
  EXPECT_TRUE((Timestamp::InfiniteFuture() + -absl::InfiniteDuration()).infinite());
  EXPECT_EQ(Timestamp::InfiniteFuture() - Timestamp(), absl::InfiniteDuration());
}

TEST(TimestampTest, ArithmeticSaturatesInThePast) {
  const Timestamp early = Timestamp::FromNanoseconds(std::numeric_limits<int64_t>::min() + 10);
  EXPECT_EQ(early + -absl::Nanoseconds(11),
            Timestamp::FromNanoseconds(std::numeric_limits<int64_t>::min()));
  EXPECT_EQ(Timestamp::FromNanoseconds(-5) + -absl::InfiniteDuration(),
            Timestamp::FromNanoseconds(std::numeric_limits<int64_t>::min()));
}

TEST(TimestampTest, DifferencesOfFarPointsDoNotOverflow) {
  const Timestamp late = Timestamp::FromNanoseconds(std::numeric_limits<int64_t>::max() - 1);
  const Timestamp early = Timestamp::FromNanoseconds(std::numeric_limits<int64_t>::min());
  EXPECT_GT(late - early, absl::Hours(24 * 365 * 500));
}

}  // namespace
}  // namespace pelton
