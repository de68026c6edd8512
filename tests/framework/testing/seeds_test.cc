#include "framework/testing/internal/seeds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace pelton::testing_internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

SeedRequest Parse(const std::vector<std::string>& arguments, const char* seed = nullptr,
                  const char* seeds = nullptr) {
  const absl::StatusOr<SeedRequest> request = ParseSeedRequest(arguments, seed, seeds);
  EXPECT_TRUE(request.ok()) << request.status();
  return request.value_or(SeedRequest());
}

TEST(SeedsTest, WithoutARequestATestRunsAsItSays) {
  EXPECT_THAT(SeedsToRun({}, 0), ElementsAre(0));
  EXPECT_THAT(SeedsToRun({}, 3), ElementsAre(0, 1, 2, 3));
}

TEST(SeedsTest, ARequestOverridesTheTest) {
  EXPECT_THAT(SeedsToRun({.count = 2}, 200), ElementsAre(0, 1, 2));
  EXPECT_THAT(SeedsToRun({.count = 0}, 200), ElementsAre(0));
  EXPECT_THAT(SeedsToRun({.only = 17}, 200), ElementsAre(17));
  EXPECT_THAT(SeedsToRun({.only = 17, .count = 5}, 200), ElementsAre(17));
}

TEST(SeedsTest, ArgumentsAndEnvironmentAreRead) {
  EXPECT_EQ(Parse({}).only, std::nullopt);
  EXPECT_EQ(Parse({}).count, std::nullopt);
  EXPECT_EQ(Parse({"program", "--pelton_seed=5"}).only, 5u);
  EXPECT_EQ(Parse({"program", "--gtest_x", "--pelton_seeds=9"}).count, 9u);
  EXPECT_EQ(Parse({}, "6", "8").only, 6u);
  EXPECT_EQ(Parse({}, "6", "8").count, 8u);
  EXPECT_EQ(Parse({"--pelton_seed=18446744073709551615"}).only, UINT64_MAX);
}

TEST(SeedsTest, ArgumentsWin) {
  EXPECT_EQ(Parse({"--pelton_seed=5"}, "6").only, 5u);
  EXPECT_EQ(Parse({"--pelton_seeds=5"}, nullptr, "6").count, 5u);
}

TEST(SeedsTest, BadOnesAreNamed) {
  for (const std::string bad : {"--pelton_seeds=many", "--pelton_seeds=-1",
                                "--pelton_seeds=1000001", "--pelton_seeds=", "--pelton_seeds= 1",
                                "--pelton_seed=1x", "--pelton_seed=18446744073709551616"}) {
    const absl::StatusOr<SeedRequest> request = ParseSeedRequest({bad}, nullptr, nullptr);
    EXPECT_TRUE(absl::IsInvalidArgument(request.status())) << bad;
    EXPECT_THAT(std::string(request.status().message()),
                HasSubstr(bad + ": expected a number from 0 to "));
  }
  EXPECT_THAT(std::string(ParseSeedRequest({"--pelton_seed"}, nullptr, nullptr).status().message()),
              HasSubstr("--pelton_seed=: expected a number"));
  EXPECT_THAT(std::string(ParseSeedRequest({}, "x", nullptr).status().message()),
              HasSubstr("PELTON_SEED=x: expected a number"));
  EXPECT_THAT(std::string(ParseSeedRequest({}, nullptr, "x").status().message()),
              HasSubstr("PELTON_SEEDS=x: expected a number"));
  EXPECT_THAT(
      std::string(ParseSeedRequest({"--pelton_sed=1"}, nullptr, nullptr).status().message()),
      HasSubstr("--pelton_sed=1: unknown"));
}

}  // namespace
}  // namespace pelton::testing_internal
