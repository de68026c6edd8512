#include "framework/internal/memory_size.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace pelton {
namespace {

TEST(ParseMemorySizeTest, TakesBytesAndPowersOf1024) {
  EXPECT_EQ(*ParseMemorySize("0"), 0u);
  EXPECT_EQ(*ParseMemorySize("4096"), 4096u);
  EXPECT_EQ(*ParseMemorySize("64K"), uint64_t{64} << 10);
  EXPECT_EQ(*ParseMemorySize("512M"), uint64_t{512} << 20);
  EXPECT_EQ(*ParseMemorySize("2G"), uint64_t{2} << 30);
  EXPECT_EQ(*ParseMemorySize("1T"), uint64_t{1} << 40);
}

TEST(ParseMemorySizeTest, TakesTheLargestThatFitsAndNothingAbove) {
  EXPECT_EQ(*ParseMemorySize("18446744073709551615"), UINT64_MAX);
  EXPECT_FALSE(ParseMemorySize("18446744073709551616").ok());
  EXPECT_EQ(*ParseMemorySize("16777215T"), uint64_t{16777215} << 40);
  EXPECT_FALSE(ParseMemorySize("16777216T").ok());
  EXPECT_EQ(*ParseMemorySize("18014398509481983K"), uint64_t{18014398509481983} << 10);
  EXPECT_FALSE(ParseMemorySize("18014398509481984K").ok());
}

TEST(ParseMemorySizeTest, RefusesWhatIsNoSizeAndSaysWhatItExpected) {
  for (const std::string text :
       {"",   "K",  "M",   "-1",   "+1",  " 1",  "1 ", "1 M",   "1.5G", "0x10",
        "1k", "1m", "1KB", "1MiB", "1MM", "one", "M1", "1,000", "\n1",  "1e3"}) {
    const absl::StatusOr<uint64_t> size = ParseMemorySize(text);
    ASSERT_FALSE(size.ok()) << text;
    EXPECT_TRUE(absl::IsInvalidArgument(size.status())) << text;
    EXPECT_NE(size.status().ToString().find("such as 512M"), std::string::npos);
  }
}

}  // namespace
}  // namespace pelton
