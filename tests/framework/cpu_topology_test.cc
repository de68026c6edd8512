#include "framework/cpu_topology.h"

#include <sched.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/framework/fake_system_tree.h"

namespace pelton {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<int> FirstCpus(int count) {
  std::vector<int> cpus(count);
  std::iota(cpus.begin(), cpus.end(), 0);
  return cpus;
}

// A machine of `online` CPUs, all allowed.
CpuLimits Unlimited(int online) {
  return CpuLimits{.online = FirstCpus(online), .allowed = FirstCpus(online)};
}

CpuLimits WithQuota(CpuLimits limits, int64_t quota_microseconds) {
  limits.quota = CpuQuota{quota_microseconds, 100000, "cpu.max"};
  return limits;
}

ShardPlacement MustPlace(const CpuLimits& limits, const ShardRequest& request = {}) {
  absl::StatusOr<ShardPlacement> placement = PlaceShards(limits, request);
  EXPECT_TRUE(placement.ok()) << placement.status();
  return placement.value_or(ShardPlacement{});
}

std::string ErrorOf(const CpuLimits& limits, const ShardRequest& request) {
  absl::StatusOr<ShardPlacement> placement = PlaceShards(limits, request);
  EXPECT_FALSE(placement.ok());
  return std::string(placement.status().message());
}

TEST(PlaceShardsTest, RunsAShardOnEachCpuWhenNothingLimits) {
  const ShardPlacement placement = MustPlace(Unlimited(4));
  EXPECT_THAT(placement.cpu_of_shard, ElementsAre(0, 1, 2, 3));
  EXPECT_FALSE(placement.shares_cpu);
  EXPECT_TRUE(placement.pins_threads);
  EXPECT_EQ(placement.explanation, "");
}

TEST(PlaceShardsTest, RoundsTheQuotaUpAndExplains) {
  const ShardPlacement placement = MustPlace(WithQuota(Unlimited(8), 250000));
  EXPECT_THAT(placement.cpu_of_shard, ElementsAre(0, 1, 2));
  EXPECT_TRUE(placement.shares_cpu);
  EXPECT_FALSE(placement.pins_threads);
  EXPECT_EQ(placement.explanation,
            "3 shards: cpu.max allows 2.5 of the 8 CPUs visible (set --shards to override)");
}

TEST(PlaceShardsTest, RunsOneShardAtLeast) {
  const ShardPlacement placement = MustPlace(WithQuota(Unlimited(8), 1000));
  EXPECT_THAT(placement.cpu_of_shard, ElementsAre(0));
  EXPECT_TRUE(placement.shares_cpu);
  EXPECT_EQ(placement.explanation,
            "1 shard: cpu.max allows 0.01 of the 8 CPUs visible (set --shards to override)");
}

TEST(PlaceShardsTest, GivesEachShardAWholeCpuUnderAWholeQuota) {
  const ShardPlacement placement = MustPlace(WithQuota(Unlimited(8), 200000));
  EXPECT_EQ(placement.cpu_of_shard.size(), 2u);
  EXPECT_FALSE(placement.shares_cpu);
  EXPECT_THAT(placement.explanation, HasSubstr("cpu.max allows 2 of the 8 CPUs visible"));
}

TEST(PlaceShardsTest, SharesWhenTheQuotaIsJustBelowTheCpus) {
  const ShardPlacement placement = MustPlace(WithQuota(Unlimited(4), 350000));
  EXPECT_EQ(placement.cpu_of_shard.size(), 4u);
  EXPECT_TRUE(placement.shares_cpu);
  EXPECT_THAT(placement.explanation, HasSubstr("4 shards: cpu.max allows 3.5 of the 4 CPUs"));
}

TEST(PlaceShardsTest, IgnoresAQuotaThatDoesNotLimit) {
  for (const int64_t quota : {400000, 100000000}) {
    const ShardPlacement placement = MustPlace(WithQuota(Unlimited(4), quota));
    EXPECT_EQ(placement.cpu_of_shard.size(), 4u);
    EXPECT_FALSE(placement.shares_cpu);
    EXPECT_TRUE(placement.pins_threads);
    EXPECT_EQ(placement.explanation, "");
  }
}

TEST(PlaceShardsTest, NamesTheCpusetOrTheAffinityMaskThatLimits) {
  CpuLimits limits = Unlimited(8);
  limits.allowed = {2, 3, 5};
  EXPECT_EQ(MustPlace(limits).explanation,
            "3 shards: the affinity mask allows 3 of the 8 CPUs visible (2-3,5)");
  limits.cpuset_limits = true;
  const ShardPlacement placement = MustPlace(limits);
  EXPECT_EQ(placement.explanation, "3 shards: the cpuset allows 3 of the 8 CPUs visible (2-3,5)");
  EXPECT_THAT(placement.cpu_of_shard, ElementsAre(2, 3, 5));
  EXPECT_TRUE(placement.pins_threads);
}

TEST(PlaceShardsTest, NamesQuotaAndCpusetWhenBothLimit) {
  CpuLimits limits = WithQuota(Unlimited(8), 125000);
  limits.allowed = {2, 3, 5};
  limits.cpuset_limits = true;
  EXPECT_EQ(MustPlace(limits).explanation,
            "2 shards: cpu.max allows 1.25 of the 3 CPUs that the cpuset allows (set --shards to "
            "override)");
}

TEST(PlaceShardsTest, TakesTheShardsThatTheUserWants) {
  const ShardPlacement placement = MustPlace(Unlimited(4), {.shards = 2});
  EXPECT_THAT(placement.cpu_of_shard, ElementsAre(0, 1));
  EXPECT_FALSE(placement.shares_cpu);
  EXPECT_EQ(placement.explanation, "");
}

TEST(PlaceShardsTest, SharesTheCpusInTurnWhenThereAreMoreShards) {
  const ShardPlacement placement = MustPlace(Unlimited(2), {.shards = 5});
  EXPECT_THAT(placement.cpu_of_shard, ElementsAre(0, 1, 0, 1, 0));
  EXPECT_TRUE(placement.shares_cpu);
  EXPECT_EQ(placement.explanation,
            "5 shards: they share 2 CPUs (0-1), so an idle shard does not spin");
}

TEST(PlaceShardsTest, LetsTheUserOverrideTheQuotaAndSaysWhatThatMeans) {
  const ShardPlacement placement = MustPlace(WithQuota(Unlimited(8), 250000), {.shards = 4});
  EXPECT_THAT(placement.cpu_of_shard, ElementsAre(0, 1, 2, 3));
  EXPECT_TRUE(placement.shares_cpu);
  EXPECT_FALSE(placement.pins_threads);
  EXPECT_EQ(
      placement.explanation,
      "4 shards: cpu.max allows only 2.5 CPUs' worth of time, so an idle shard does not spin");
}

TEST(PlaceShardsTest, SaysBothWhenShardsShareCpusAndExceedTheQuota) {
  EXPECT_EQ(
      MustPlace(WithQuota(Unlimited(1), 50000), {.shards = 2}).explanation,
      "2 shards: they share 1 CPU (0), and cpu.max allows only 0.5 CPUs' worth of time, so an "
      "idle shard does not spin");
}

TEST(PlaceShardsTest, RunsAShardOnEachCpuThatTheUserNamesInThatOrder) {
  const ShardPlacement placement = MustPlace(Unlimited(12), {.cpus = "8,0-2"});
  EXPECT_THAT(placement.cpu_of_shard, ElementsAre(8, 0, 1, 2));
  EXPECT_TRUE(placement.pins_threads);
  EXPECT_EQ(placement.explanation, "");
}

TEST(PlaceShardsTest, PinsToTheCpusThatTheUserNamesUnderAQuotaToo) {
  const ShardPlacement placement = MustPlace(WithQuota(Unlimited(8), 100000), {.cpus = "4,6"});
  EXPECT_THAT(placement.cpu_of_shard, ElementsAre(4, 6));
  EXPECT_TRUE(placement.pins_threads);
  EXPECT_TRUE(placement.shares_cpu);
}

TEST(PlaceShardsTest, CombinesCpusAndShards) {
  EXPECT_THAT(MustPlace(Unlimited(8), {.cpus = "4,6", .shards = 3}).cpu_of_shard,
              ElementsAre(4, 6, 4));
  EXPECT_THAT(MustPlace(Unlimited(8), {.cpus = "4-7", .shards = 1}).cpu_of_shard, ElementsAre(4));
}

TEST(PlaceShardsTest, RefusesACpuThatIsNotAllowedAndListsThoseThatAre) {
  CpuLimits limits = Unlimited(8);
  limits.allowed = {0, 1, 2, 3};
  EXPECT_EQ(ErrorOf(limits, {.cpus = "0-4,8"}),
            "--cpus=0-4,8: CPU 4,8 is not allowed for this process (allowed: 0-3)");
}

TEST(PlaceShardsTest, RefusesAListThatIsNone) {
  EXPECT_EQ(ErrorOf(Unlimited(8), {.cpus = "0-x"}),
            "--cpus: \"0-x\" is not a CPU number: expected CPU numbers and ranges such as 0-3,8");
}

TEST(PlaceShardsTest, RefusesANumberOfShardsOutOfRange) {
  EXPECT_EQ(ErrorOf(Unlimited(8), {.shards = 0}), "--shards=0: expected 1 to 1024");
  EXPECT_EQ(ErrorOf(Unlimited(8), {.shards = -1}), "--shards=-1: expected 1 to 1024");
  EXPECT_EQ(ErrorOf(Unlimited(8), {.shards = 1025}), "--shards=1025: expected 1 to 1024");
  EXPECT_EQ(MustPlace(Unlimited(8), {.shards = 1024}).cpu_of_shard.size(), 1024u);
}

TEST(PlaceShardsTest, RunsNoMoreShardsThanItCanOnAHugeMachine) {
  EXPECT_EQ(MustPlace(Unlimited(2000)).cpu_of_shard.size(), 1024u);
}

class ReadCpuLimitsTest : public ::testing::Test {
 protected:
  CpuLimits MustRead(const std::vector<int>& affinity) {
    absl::StatusOr<CpuLimits> limits = ReadCpuLimits({tree_.root(), affinity});
    EXPECT_TRUE(limits.ok()) << limits.status();
    return limits.value_or(CpuLimits{});
  }
  void SetOnline(const std::string& text) {
    tree_.Write("/sys/devices/system/cpu/online", text + "\n");
  }

  FakeSystemTree tree_;
};

TEST_F(ReadCpuLimitsTest, TakesTheAffinityMaskWhereTheMachineTellsNothing) {
  const CpuLimits limits = MustRead({3, 1});
  EXPECT_THAT(limits.online, ElementsAre(1, 3));
  EXPECT_THAT(limits.allowed, ElementsAre(1, 3));
  EXPECT_FALSE(limits.quota.has_value());
  EXPECT_THAT(limits.warnings, IsEmpty());
}

TEST_F(ReadCpuLimitsTest, LeavesOutCpusThatAreNotOnline) {
  SetOnline("0,2-3");
  EXPECT_THAT(MustRead({0, 1, 2}).allowed, ElementsAre(0, 2));
}

TEST_F(ReadCpuLimitsTest, ExplainsAContainerFromItsFiles) {
  SetOnline("0-7");
  tree_.MountVersion2("/docker/abc");
  tree_.Write("/sys/fs/cgroup/docker/abc/cpu.max", "250000 100000\n");
  tree_.Write("/sys/fs/cgroup/docker/abc/cpuset.cpus.effective", "0-7\n");
  const CpuLimits limits = MustRead(FirstCpus(8));
  EXPECT_FALSE(limits.cpuset_limits);
  EXPECT_EQ(MustPlace(limits).explanation,
            "3 shards: cpu.max allows 2.5 of the 8 CPUs visible (set --shards to override)");
}

TEST_F(ReadCpuLimitsTest, TellsTheCpusetFromTheAffinityMask) {
  SetOnline("0-7");
  tree_.MountVersion2("/a");
  tree_.Write("/sys/fs/cgroup/a/cpuset.cpus.effective", "0-3\n");
  EXPECT_TRUE(MustRead({0, 1, 2, 3}).cpuset_limits);
  EXPECT_TRUE(MustRead(FirstCpus(8)).cpuset_limits);
  EXPECT_THAT(MustRead(FirstCpus(8)).allowed, ElementsAre(0, 1, 2, 3));
  EXPECT_FALSE(MustRead({1, 2}).cpuset_limits);
  EXPECT_THAT(MustRead({1, 2}).allowed, ElementsAre(1, 2));
}

TEST_F(ReadCpuLimitsTest, PassesOverAnOnlineListThatIsNoneWithAWarning) {
  SetOnline("many");
  const CpuLimits limits = MustRead({0, 1});
  EXPECT_THAT(limits.online, ElementsAre(0, 1));
  EXPECT_THAT(limits.warnings,
              ElementsAre(HasSubstr("/sys/devices/system/cpu/online is passed over: \"many\"")));
}

TEST_F(ReadCpuLimitsTest, PassesOnTheWarningsOfTheControlGroups) {
  tree_.MountVersion2("/a");
  tree_.Write("/sys/fs/cgroup/a/cpu.max", "nonsense\n");
  EXPECT_THAT(MustRead({0}).warnings, ElementsAre(HasSubstr("cpu.max is passed over")));
}

TEST_F(ReadCpuLimitsTest, FailsWhenNoCpuIsLeft) {
  SetOnline("0-1");
  tree_.MountVersion2("/a");
  tree_.Write("/sys/fs/cgroup/a/cpuset.cpus.effective", "1\n");
  const absl::Status status = ReadCpuLimits({tree_.root(), {0}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(
      std::string(status.message()),
      "no CPU is left for this process: the affinity mask allows \"0\", the cpuset \"1\", and "
      "\"0-1\" are online");
}

TEST(SystemCpuSourcesTest, TellsTheAffinityMaskOfThisThread) {
  const absl::StatusOr<CpuSources> sources = SystemCpuSources();
  ASSERT_TRUE(sources.ok()) << sources.status();
  cpu_set_t mask;
  ASSERT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);  // a test machine has at most 1024 CPUs
  EXPECT_EQ(sources->affinity.size(), static_cast<size_t>(CPU_COUNT(&mask)));
  for (int cpu : sources->affinity) EXPECT_TRUE(CPU_ISSET(cpu, &mask)) << cpu;
}

TEST(SystemCpuSourcesTest, PlacesAShardOnThisMachine) {
  const absl::StatusOr<CpuLimits> limits = ReadCpuLimits(*SystemCpuSources());
  ASSERT_TRUE(limits.ok()) << limits.status();
  const ShardPlacement placement = MustPlace(*limits);
  ASSERT_GE(placement.cpu_of_shard.size(), 1u);
  for (int cpu : placement.cpu_of_shard) {
    EXPECT_TRUE(std::count(limits->allowed.begin(), limits->allowed.end(), cpu)) << cpu;
  }
}

}  // namespace
}  // namespace pelton
