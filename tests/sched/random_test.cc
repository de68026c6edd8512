#include "sched/random.h"

#include <gtest/gtest.h>

#include <array>

namespace pelton {
namespace {

TEST(RandomTest, TheSameSeedGivesTheSameNumbers) {
  Random first(7);
  Random second(7);
  Random other(8);
  int equal = 0;
  for (int i = 0; i < 100; ++i) {
    const uint64_t number = first.Next();
    EXPECT_EQ(number, second.Next());
    equal += number == other.Next();
  }
  EXPECT_EQ(equal, 0);
}

TEST(RandomTest, BelowReachesEveryNumberAboutEquallyOften) {
  Random random(1);
  std::array<int, 10> counts = {};
  for (int i = 0; i < 100'000; ++i) ++counts.at(random.Below(10));
  for (int count : counts) EXPECT_NEAR(count, 10'000, 500);
}

TEST(RandomTest, FractionLiesInTheUnitInterval) {
  Random random(1);
  double sum = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    const double fraction = random.Fraction();
    ASSERT_GE(fraction, 0);
    ASSERT_LT(fraction, 1);
    sum += fraction;
  }
  EXPECT_NEAR(sum, 500'000, 1'000);
}

}  // namespace
}  // namespace pelton
