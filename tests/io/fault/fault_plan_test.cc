#include "io/fault/fault_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>

namespace pelton::io {
namespace {

std::string Describe(const FaultDecision& decision) {
  std::string text;
  for (const uint64_t part :
       {uint64_t{decision.submit_after}, uint64_t{decision.complete_after},
        uint64_t{decision.cancel_after}, uint64_t{decision.end_after},
        static_cast<uint64_t>(decision.error), uint64_t{decision.is_short}, decision.fraction}) {
    text += std::to_string(part) + " ";
  }
  return text;
}

std::string DescribeMany(uint64_t seed) {
  FaultOptions options = FaultOptions::Visible();
  options.seed = seed;
  FaultPlan plan(options);
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += Describe(plan.Next(static_cast<OperationKind>(i % kOperationKinds), i % 3 == 0));
    text += plan.NextWaitIsSpurious() ? "w" : "-";
  }
  return text;
}

TEST(FaultPlanTest, ASeedDecidesEverything) {
  EXPECT_EQ(DescribeMany(7), DescribeMany(7));
  EXPECT_NE(DescribeMany(7), DescribeMany(8));
}

TEST(FaultPlanTest, TheKindsBeforeDoNotShiftDecisions) {
  FaultPlan first(FaultOptions::Visible());
  FaultPlan second(FaultOptions::Visible());
  first.Next(OperationKind::kNop, false);
  second.Next(OperationKind::kReceiveChunk, true);
  EXPECT_EQ(Describe(first.Next(OperationKind::kSend, false)),
            Describe(second.Next(OperationKind::kSend, false)));
}

TEST(FaultPlanTest, WithoutRatesNothingHappens) {
  FaultPlan plan{FaultOptions()};
  for (int i = 0; i < 1000; ++i) {
    const FaultDecision decision = plan.Next(OperationKind::kReceiveChunk, true);
    EXPECT_EQ(decision.submit_after + decision.complete_after + decision.cancel_after, 0u);
    EXPECT_EQ(decision.end_after, 0u);
    EXPECT_EQ(decision.error, 0);
    EXPECT_FALSE(decision.is_short);
    EXPECT_FALSE(plan.NextWaitIsSpurious());
  }
}

TEST(FaultPlanTest, AKindFailsOnlyAsItMay) {
  FaultOptions options = FaultOptions::Visible();
  options.error = 1000;
  FaultPlan plan(options);
  for (int i = 0; i < 5000; ++i) {
    const auto kind = static_cast<OperationKind>(i % kOperationKinds);
    const int error = plan.Next(kind, false).error;
    const auto errors = VisibleErrors(kind);
    if (errors.empty()) {
      EXPECT_EQ(error, 0) << OperationKindName(kind);
    } else {
      EXPECT_NE(std::find(errors.begin(), errors.end(), error), errors.end())
          << OperationKindName(kind) << " " << error;
    }
  }
}

TEST(FaultPlanTest, RatesAreKept) {
  FaultOptions options;
  options.short_transfer = 250;
  FaultPlan plan(options);
  int strikes = 0;
  for (int i = 0; i < 10000; ++i) strikes += plan.Next(OperationKind::kSend, false).is_short;
  EXPECT_NEAR(strikes, 2500, 200);
}

TEST(FaultPlanTest, ShortIsNeverNothingAndNeverAll) {
  for (uint64_t fraction = 0; fraction < 1000; ++fraction) {
    for (const uint64_t bytes : {2, 3, 17, 16384}) {
      const uint64_t length = ShortLength(bytes, fraction);
      EXPECT_GE(length, 1u);
      EXPECT_LT(length, bytes);
    }
  }
}

TEST(FaultStatisticsTest, TellsWhatIsNotZero) {
  FaultStatistics statistics;
  EXPECT_EQ(statistics.ToString(), "");
  statistics.operations = 3;
  FaultStatistics more;
  more.errors = 1;
  statistics += more;
  EXPECT_EQ(statistics.ToString(), "operations=3 errors=1");
}

}  // namespace
}  // namespace pelton::io
