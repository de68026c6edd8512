#include "framework/internal/cpu_list.h"

#include <numeric>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pelton {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ErrorOf(std::string_view text) {
  absl::StatusOr<std::vector<int>> cpus = ParseCpuList(text);
  EXPECT_FALSE(cpus.ok()) << "\"" << text << "\" gives " << FormatCpuList(*cpus);
  return std::string(cpus.status().message());
}

TEST(CpuListTest, ReadsNumbersAndRangesInTheOrderWritten) {
  EXPECT_THAT(*ParseCpuList("0"), ElementsAre(0));
  EXPECT_THAT(*ParseCpuList("0-3,8"), ElementsAre(0, 1, 2, 3, 8));
  EXPECT_THAT(*ParseCpuList("8,0-1,5-5"), ElementsAre(8, 0, 1, 5));
  EXPECT_THAT(*ParseCpuList("65535"), ElementsAre(65535));
}

TEST(CpuListTest, NamesWhatIsWrong) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("\"\" is an empty part of the list: expected CPU numbers"));
  EXPECT_THAT(ErrorOf("0,"), HasSubstr("\"\" is an empty part"));
  EXPECT_THAT(ErrorOf(",0"), HasSubstr("\"\" is an empty part"));
  EXPECT_THAT(ErrorOf("0,,1"), HasSubstr("\"\" is an empty part"));
  EXPECT_THAT(ErrorOf("0,x"), HasSubstr("\"x\" is not a CPU number"));
  EXPECT_THAT(ErrorOf("0, 1"), HasSubstr("\" 1\" is not a CPU number"));
  EXPECT_THAT(ErrorOf("1\n"), HasSubstr("\"1\\n\" is not a CPU number"));
  EXPECT_THAT(ErrorOf("-1"), HasSubstr("\"-1\" is not a CPU number"));
  EXPECT_THAT(ErrorOf("1-"), HasSubstr("\"1-\" is not a CPU number"));
  EXPECT_THAT(ErrorOf("1--2"), HasSubstr("\"1--2\" is not a CPU number"));
  EXPECT_THAT(ErrorOf("0-3:2"), HasSubstr("\"0-3:2\" is not a CPU number"));
  EXPECT_THAT(ErrorOf("+1"), HasSubstr("\"+1\" is not a CPU number"));
  EXPECT_THAT(ErrorOf("0x1"), HasSubstr("\"0x1\" is not a CPU number"));
  EXPECT_THAT(ErrorOf("3-1"), HasSubstr("\"3-1\" is a range that runs backwards"));
  EXPECT_THAT(ErrorOf("0-3,2"), HasSubstr("\"0-3,2\" names CPU 2 twice"));
  EXPECT_THAT(ErrorOf("65536"), HasSubstr("is above the largest CPU number 65535"));
  EXPECT_THAT(ErrorOf("0-99999999999999999999"), HasSubstr("is above the largest CPU number"));
}

TEST(CpuListTest, JoinsNeighboursWhenItFormats) {
  EXPECT_EQ(FormatCpuList({}), "");
  EXPECT_EQ(FormatCpuList({7}), "7");
  EXPECT_EQ(FormatCpuList({0, 1}), "0-1");
  EXPECT_EQ(FormatCpuList({0, 1, 2, 3, 8, 10, 11}), "0-3,8,10-11");
  EXPECT_EQ(FormatCpuList({8, 0, 1}), "8,0-1");
  EXPECT_EQ(FormatCpuList({3, 2, 1}), "3,2,1");
}

TEST(CpuListTest, ParsesWhatItFormats) {
  for (int mask = 1; mask < 1 << 10; ++mask) {
    std::vector<int> cpus;
    for (int cpu = 0; cpu < 10; ++cpu) {
      if (mask & 1 << cpu) cpus.push_back(cpu);
    }
    ASSERT_EQ(*ParseCpuList(FormatCpuList(cpus)), cpus);
  }
}

}  // namespace
}  // namespace pelton
