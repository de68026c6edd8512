// What a group is; how a shard divides its time among groups is in group_shares_test.cc.

#include "sched/scheduling_group.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace pelton {
namespace {

TEST(SchedulingGroupTest, TheDefaultGroupIsThereFromTheBeginning) {
  const SchedulingGroup group;
  EXPECT_EQ(group.index(), 0u);
  EXPECT_EQ(group.name(), "main");
  EXPECT_EQ(group.shares(), 100u);
  EXPECT_FALSE(group.latency_sensitive());
  EXPECT_EQ(SchedulingGroup::Find("main"), group);
}

TEST(SchedulingGroupTest, AGroupIsFoundByItsNameAndIndex) {
  const auto group = SchedulingGroup::Create("found", {.shares = 7, .latency_sensitive = true});
  ASSERT_TRUE(group.ok()) << group.status();
  EXPECT_EQ(group->name(), "found");
  EXPECT_EQ(group->shares(), 7u);
  EXPECT_TRUE(group->latency_sensitive());
  EXPECT_EQ(SchedulingGroup::Find("found"), *group);
  EXPECT_EQ(SchedulingGroup::FromIndex(group->index()), *group);
  EXPECT_FALSE(SchedulingGroup::Find("lost").has_value());
}

TEST(SchedulingGroupTest, RefusesWhatIsOutOfRangeAndSaysWhatIsExpected) {
  EXPECT_EQ(SchedulingGroup::Create("").status(),
            absl::InvalidArgumentError("the name of a scheduling group has 1 to 31 bytes, not 0"));
  EXPECT_TRUE(absl::IsInvalidArgument(SchedulingGroup::Create(std::string(32, 'x')).status()));
  EXPECT_TRUE(SchedulingGroup::Create(std::string(31, 'x')).ok());
  EXPECT_EQ(SchedulingGroup::Create("idle", {.shares = 0}).status(),
            absl::InvalidArgumentError("a scheduling group has 1 to 1000 shares, not 0"));
  EXPECT_TRUE(
      absl::IsInvalidArgument(SchedulingGroup::Create("greedy", {.shares = 1001}).status()));
  EXPECT_FALSE(SchedulingGroup::Find("greedy").has_value());
}

TEST(SchedulingGroupTest, ANameIsTakenOnce) {
  ASSERT_TRUE(SchedulingGroup::Create("twice").ok());
  EXPECT_EQ(SchedulingGroup::Create("twice").status(),
            absl::AlreadyExistsError("there is a scheduling group \"twice\" already"));
  EXPECT_TRUE(absl::IsAlreadyExists(SchedulingGroup::Create("main").status()));
}

TEST(SchedulingGroupTest, SharesChangeWithinTheirRange) {
  const auto group = SchedulingGroup::Create("changing");
  ASSERT_TRUE(group.ok());
  EXPECT_TRUE(group->SetShares(1000).ok());
  EXPECT_EQ(group->shares(), 1000u);
  EXPECT_TRUE(absl::IsInvalidArgument(group->SetShares(1001)));
  EXPECT_EQ(group->shares(), 1000u);
}

// The last test: it fills the table.
TEST(SchedulingGroupTest, ThereIsAnEndToGroups) {
  while (SchedulingGroup::count() < SchedulingGroup::kMaxGroups) {
    ASSERT_TRUE(SchedulingGroup::Create(absl::StrCat("group ", SchedulingGroup::count())).ok());
  }
  EXPECT_TRUE(absl::IsResourceExhausted(SchedulingGroup::Create("one more").status()));
}

TEST(SchedulingGroupDeathTest, DiesOfAnIndexThatNoGroupHas) {
  EXPECT_DEATH((void)SchedulingGroup::FromIndex(SchedulingGroup::count()), "no index");
}

}  // namespace
}  // namespace pelton
