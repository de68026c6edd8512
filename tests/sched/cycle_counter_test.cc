#include "sched/cycle_counter.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "sched/clock.h"

namespace pelton {
namespace {

TEST(CycleCounterTest, NeverRunsBackwardsOnOneThread) {
  uint64_t last = CycleCounter::Now();
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t now = CycleCounter::Now();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(CycleCounterTest, ConvertsThereAndBack) {
  for (const int64_t ns : {int64_t{1'000}, int64_t{500'000}, int64_t{1'000'000'000}}) {
    const int64_t back = CycleCounter::ToNanoseconds(CycleCounter::FromNanoseconds(ns));
    EXPECT_NEAR(static_cast<double>(back), static_cast<double>(ns), 2);
  }
  EXPECT_EQ(CycleCounter::FromNanoseconds(0), 0u);
}

TEST(CycleCounterTest, DurationsThatMakeNoSenseAreClamped) {
  EXPECT_EQ(CycleCounter::FromNanoseconds(-1), 0u);
  const uint64_t most = CycleCounter::FromNanoseconds(std::numeric_limits<int64_t>::max());
  EXPECT_GE(most, CycleCounter::FromNanoseconds(int64_t{1} << 60));
  EXPECT_GT(CycleCounter::Now() + most, most) << "an end that lies so far does not wrap around";
}

TEST(CycleCounterTest, AgreesWithTheMonotonicClock) {
  const MonotonicClock clock;
  // The clocks are read one after the other, and the thread may lose its core between the readings:
  // so the best of several.
  double best = 1.0;
  for (int attempt = 0; attempt < 20 && best > 0.01; ++attempt) {
    const Timestamp start = clock.Now();
    const uint64_t start_cycles = CycleCounter::Now();
    while (clock.Now() - start < absl::Milliseconds(2)) SpinPause();
    const int64_t counted = CycleCounter::ToNanoseconds(CycleCounter::Now() - start_cycles);
    const double passed = absl::ToDoubleNanoseconds(clock.Now() - start);
    best = std::min(best, std::abs(static_cast<double>(counted) / passed - 1));
  }
  EXPECT_LT(best, 0.05);
}

}  // namespace
}  // namespace pelton
