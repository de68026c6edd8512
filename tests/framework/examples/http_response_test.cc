#include "framework/examples/http_response.h"

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace pelton {
namespace {

std::string Formatted(absl::Time time) {
  const HttpDate::Text text = HttpDate::Format(time);
  return {text.data(), text.size()};
}

TEST(HttpDateTest, WritesTheDateOfTheStandard) {
  EXPECT_EQ(Formatted(absl::FromUnixSeconds(784111777)), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST(HttpDateTest, WritesEveryDayAndMonthAsAbseilDoes) {
  // Steps of 25 hours, 61 minutes and 61 seconds pass through all days, months, leap days and
  // digits.
  constexpr int64_t kStep = 25 * 3600 + 61 * 61;
  for (int64_t seconds = 0; seconds < int64_t{140} * 366 * 86400; seconds += kStep) {
    const absl::Time time = absl::FromUnixSeconds(seconds);
    ASSERT_EQ(Formatted(time),
              absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", time, absl::UTCTimeZone()));
  }
}

}  // namespace
}  // namespace pelton
