#include "bench/echo/histogram.h"

#include <cstdint>
#include <random>

#include "gtest/gtest.h"

namespace pelton::bench {
namespace {

TEST(HistogramTest, AnswersZeroBeforeAnythingIsRecorded) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.max(), 0u);
  EXPECT_EQ(histogram.Quantile(0.5), 0u);
}

TEST(HistogramTest, KeepsValuesBelowSixtyFourExactly) {
  for (uint64_t value = 0; value < 64; ++value) {
    Histogram histogram;
    histogram.Record(value);
    EXPECT_EQ(histogram.Quantile(0), value);
    EXPECT_EQ(histogram.Quantile(1), value);
  }
}

TEST(HistogramTest, IsWithinOnePercentAtEveryMagnitude) {
  for (uint64_t value = 64; value < Histogram::kLargest / 3; value += 1 + value / 7) {
    Histogram histogram;
    histogram.Record(value);
    histogram.Record(Histogram::kLargest);  // so that max() does not hide the bucket's midpoint
    const auto expected = static_cast<double>(value);
    EXPECT_NEAR(static_cast<double>(histogram.Quantile(0.5)), expected, expected * 0.008) << value;
  }
}

TEST(HistogramTest, PutsNeighbouringPowersOfTwoIntoDifferentBuckets) {
  for (int shift = 6; shift < 40; ++shift) {
    Histogram histogram;
    histogram.Record((uint64_t{1} << shift) - 1);
    histogram.Record(uint64_t{1} << shift);
    EXPECT_LT(histogram.Quantile(0.5), uint64_t{1} << shift) << shift;
    EXPECT_GE(histogram.Quantile(1), uint64_t{1} << shift) << shift;
  }
}

TEST(HistogramTest, CountsByRank) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 50; ++value) histogram.Record(value);
  EXPECT_EQ(histogram.Quantile(0.5), 25u);
  EXPECT_EQ(histogram.Quantile(0.51), 26u);
  EXPECT_EQ(histogram.Quantile(0.99), 50u);
  EXPECT_EQ(histogram.Quantile(0.02), 1u);
}

TEST(HistogramTest, NeverAnswersMoreThanTheMaximum) {
  std::mt19937_64 generator(7);
  Histogram histogram;
  for (int i = 0; i < 1000; ++i) histogram.Record(generator() >> (generator() % 50 + 14));
  for (const double fraction : {0.0, 0.5, 0.99, 0.999, 1.0}) {
    EXPECT_LE(histogram.Quantile(fraction), histogram.max());
  }
}

TEST(HistogramTest, CountsWhatIsTooLargeAndKeepsItsMaximum) {
  Histogram histogram;
  histogram.Record(~uint64_t{0});
  EXPECT_EQ(histogram.count(), 1u);
  EXPECT_EQ(histogram.max(), ~uint64_t{0});
  EXPECT_GT(histogram.Quantile(1), Histogram::kLargest / 100 * 99);
}

TEST(HistogramTest, ForgetsEverythingWhenReset) {
  Histogram histogram;
  histogram.Record(1000);
  histogram.Reset();
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.max(), 0u);
  EXPECT_EQ(histogram.Quantile(1), 0u);
}

}  // namespace
}  // namespace pelton::bench
