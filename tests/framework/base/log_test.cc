#include "framework/base/log.h"

#include "gtest/gtest.h"

namespace pelton {
namespace {

TEST(LogTest, WritesOneLineToStderr) {
  testing::internal::CaptureStderr();
  LogLine("one line");
  LogLine("");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "one line\n\n");
}

TEST(RateLimitTest, LetsOneThroughPerIntervalAndCountsTheRest) {
  RateLimit limit(100);
  EXPECT_TRUE(limit.Admit(1000));
  EXPECT_FALSE(limit.Admit(1000));
  EXPECT_FALSE(limit.Admit(1099));
  EXPECT_TRUE(limit.Admit(1100));
  EXPECT_EQ(limit.TakeSuppressed(), 2u);
  EXPECT_EQ(limit.TakeSuppressed(), 0u);
}

TEST(RateLimitTest, LetsTheFirstThroughWheneverItComes) {
  EXPECT_TRUE(RateLimit(1'000'000).Admit(0));
  EXPECT_TRUE(RateLimit(1'000'000).Admit(-5));
}

}  // namespace
}  // namespace pelton
