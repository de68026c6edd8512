#include "sched/clock.h"

#include <gtest/gtest.h>

namespace pelton {
namespace {

TEST(MonotonicClockTest, NeverRunsBackwards) {
  const MonotonicClock clock;
  EXPECT_FALSE(clock.is_virtual());
  Timestamp last = clock.Now();
  EXPECT_GT(last, Timestamp::FromNanoseconds(0));
  for (int i = 0; i < 10'000; ++i) {
    const Timestamp now = clock.Now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(MonotonicClockTest, GoesOnByItself) {
  const MonotonicClock clock;
  const Timestamp start = clock.Now();
  // Ends as soon as the clock ticks; a clock that stands still runs into the test's time limit.
  while (clock.Now() == start) {
  }
  EXPECT_GT(clock.Now(), start);
}

TEST(VirtualClockTest, MovesOnlyWhenItIsTold) {
  VirtualClock clock(Timestamp::FromNanoseconds(100));
  EXPECT_TRUE(clock.is_virtual());
  EXPECT_EQ(clock.Now(), Timestamp::FromNanoseconds(100));
  clock.Advance(absl::Nanoseconds(20));
  EXPECT_EQ(clock.Now(), Timestamp::FromNanoseconds(120));
  clock.AdvanceTo(Timestamp::FromNanoseconds(500));
  EXPECT_EQ(clock.Now(), Timestamp::FromNanoseconds(500));
}

TEST(VirtualClockTest, NeverRunsBackwards) {
  VirtualClock clock(Timestamp::FromNanoseconds(100));
  clock.AdvanceTo(Timestamp::FromNanoseconds(50));
  clock.Advance(-absl::Seconds(1));
  EXPECT_EQ(clock.Now(), Timestamp::FromNanoseconds(100));
}

}  // namespace
}  // namespace pelton
