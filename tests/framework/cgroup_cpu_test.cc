#include "framework/internal/cgroup_cpu.h"

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

class CgroupCpuTest : public ::testing::Test {
 protected:
  CgroupCpuLimits Read() { return ReadCgroupCpuLimits(tree_.root()); }

  CgroupCpuLimits ReadWithoutWarning() {
    CgroupCpuLimits limits = Read();
    EXPECT_THAT(limits.warnings, IsEmpty());
    return limits;
  }

  // The version 1 trees of a usual host: cpu and cpuacct together, cpuset alone.
  void MountVersion1(const std::string& group, const std::string& top) {
    tree_.Write("/proc/self/cgroup",
                "9:name=systemd:/x\n5:cpuset:" + group + "\n4:cpu,cpuacct:" + group + "\n0::/x\n");
    tree_.Write("/proc/self/mountinfo",
                "33 31 0:30 " + top +
                    " /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                    "34 31 0:31 " +
                    top + " /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
  }

  FakeSystemTree tree_;
};

TEST_F(CgroupCpuTest, FindsNoLimitWithoutProc) {
  const CgroupCpuLimits limits = ReadWithoutWarning();
  EXPECT_FALSE(limits.quota.has_value());
  EXPECT_FALSE(limits.cpuset.has_value());
}

TEST_F(CgroupCpuTest, FindsNoLimitInTheTopGroup) {
  tree_.MountVersion2("/");
  const CgroupCpuLimits limits = ReadWithoutWarning();
  EXPECT_FALSE(limits.quota.has_value());
  EXPECT_FALSE(limits.cpuset.has_value());
}

TEST_F(CgroupCpuTest, ReadsTheQuotaOfItsOwnGroup) {
  tree_.MountVersion2("/service");
  tree_.Write("/sys/fs/cgroup/service/cpu.max", "250000 100000\n");
  const CgroupCpuLimits limits = ReadWithoutWarning();
  ASSERT_TRUE(limits.quota.has_value());
  EXPECT_EQ(limits.quota->file_name, "cpu.max");
  EXPECT_DOUBLE_EQ(limits.quota->Cpus(), 2.5);
  EXPECT_EQ(limits.quota->CpusRoundedUp(), 3);
}

TEST_F(CgroupCpuTest, TakesMaxForNoLimit) {
  tree_.MountVersion2("/service");
  tree_.Write("/sys/fs/cgroup/service/cpu.max", "max 100000\n");
  EXPECT_FALSE(ReadWithoutWarning().quota.has_value());
}

TEST_F(CgroupCpuTest, TakesTheTightestQuotaOfAllGroupsAbove) {
  tree_.MountVersion2("/pods/pod1/main");
  tree_.Write("/sys/fs/cgroup/pods/cpu.max", "800000 100000\n");
  tree_.Write("/sys/fs/cgroup/pods/pod1/cpu.max", "15000 10000\n");
  tree_.Write("/sys/fs/cgroup/pods/pod1/main/cpu.max", "max 100000\n");
  tree_.Write("/sys/fs/cgroup/pods/pod2/cpu.max", "1000 100000\n");  // not above
  EXPECT_DOUBLE_EQ(ReadWithoutWarning().quota->Cpus(), 1.5);
  tree_.Write("/sys/fs/cgroup/pods/pod1/main/cpu.max", "100000 100000\n");
  EXPECT_DOUBLE_EQ(ReadWithoutWarning().quota->Cpus(), 1);
  tree_.Write("/sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_DOUBLE_EQ(ReadWithoutWarning().quota->Cpus(), 0.5);
}

TEST_F(CgroupCpuTest, IntersectsTheCpusetsOfAllGroupsAbove) {
  tree_.MountVersion2("/a/b");
  tree_.Write("/sys/fs/cgroup/cpuset.cpus.effective", "0-7\n");
  tree_.Write("/sys/fs/cgroup/a/cpuset.cpus.effective", "0-3,6\n");
  tree_.Write("/sys/fs/cgroup/a/b/cpuset.cpus.effective", "2-6\n");
  EXPECT_THAT(*ReadWithoutWarning().cpuset, ElementsAre(2, 3, 6));
}

TEST_F(CgroupCpuTest, TakesAnEmptyCpusetForNoStatement) {
  tree_.MountVersion2("/a");
  tree_.Write("/sys/fs/cgroup/cpuset.cpus.effective", "0-7\n");
  tree_.Write("/sys/fs/cgroup/a/cpuset.cpus.effective", "\n");
  EXPECT_EQ(ReadWithoutWarning().cpuset->size(), 8u);
}

TEST_F(CgroupCpuTest, UnderstandsAMountWhoseTopIsTheContainersGroup) {
  tree_.MountVersion2("/docker/abc/worker", "/docker/abc");
  tree_.Write("/sys/fs/cgroup/worker/cpu.max", "100000 100000\n");
  tree_.Write("/sys/fs/cgroup/cpu.max", "400000 100000\n");
  EXPECT_DOUBLE_EQ(ReadWithoutWarning().quota->Cpus(), 1);
}

TEST_F(CgroupCpuTest, DoesNotMistakeANameForAFolderAbove) {
  tree_.MountVersion2("/docker/abcd", "/docker/abc");
  tree_.Write("/sys/fs/cgroup/d/cpu.max", "100000 100000\n");
  tree_.Write("/sys/fs/cgroup/cpu.max", "400000 100000\n");
  EXPECT_DOUBLE_EQ(ReadWithoutWarning().quota->Cpus(), 4);  // the top, which is all that it sees
}

TEST_F(CgroupCpuTest, TakesTheTopOfTheMountForAGroupOutsideIt) {
  tree_.MountVersion2("/../other");
  tree_.Write("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  tree_.Write("/sys/fs/other/cpu.max", "100000 100000\n");
  EXPECT_DOUBLE_EQ(ReadWithoutWarning().quota->Cpus(), 2);
}

TEST_F(CgroupCpuTest, PrefersTheMountThatShowsMostGroupsAbove) {
  tree_.Write("/proc/self/cgroup", "0::/pods/pod1\n");
  tree_.Write("/proc/self/mountinfo",
              "30 23 0:28 /pods/pod1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
              "31 23 0:28 / /host/cgroup rw - cgroup2 cgroup2 rw\n"
              "32 23 0:28 /pods /other/cgroup rw - cgroup2 cgroup2 rw\n");
  tree_.Write("/host/cgroup/pods/cpu.max", "300000 100000\n");
  EXPECT_DOUBLE_EQ(ReadWithoutWarning().quota->Cpus(), 3);
}

TEST_F(CgroupCpuTest, DecodesThePathsOfMountinfo) {
  tree_.Write("/proc/self/cgroup", "0::/a\n");
  tree_.Write("/proc/self/mountinfo",
              "31 23 0:28 / /sys/my\\040cgroup\\134s rw - cgroup2 cgroup2 rw\n");
  tree_.Write("/sys/my cgroup\\s/a/cpu.max", "300000 100000\n");
  EXPECT_DOUBLE_EQ(ReadWithoutWarning().quota->Cpus(), 3);
}

TEST_F(CgroupCpuTest, ReadsVersion1) {
  MountVersion1("/docker/abc", "/");
  tree_.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  tree_.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  tree_.Write("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "120000\n");
  tree_.Write("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "50000\n");
  tree_.Write("/sys/fs/cgroup/cpuset/docker/abc/cpuset.effective_cpus", "1,3\n");
  const CgroupCpuLimits limits = ReadWithoutWarning();
  EXPECT_DOUBLE_EQ(limits.quota->Cpus(), 2.4);
  EXPECT_EQ(limits.quota->file_name, "cpu.cfs_quota_us");
  EXPECT_THAT(*limits.cpuset, ElementsAre(1, 3));
}

TEST_F(CgroupCpuTest, ReadsVersion1InAContainer) {
  MountVersion1("/docker/abc", "/docker/abc");
  tree_.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
  tree_.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(ReadWithoutWarning().quota->Cpus(), 0.5);
}

TEST_F(CgroupCpuTest, ReadsBothVersionsSideBySide) {
  tree_.Write("/proc/self/cgroup", "4:cpu:/one\n0::/two\n");
  tree_.Write("/proc/self/mountinfo",
              "33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
              "34 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  tree_.Write("/sys/fs/cgroup/cpu/one/cpu.cfs_quota_us", "300000\n");
  tree_.Write("/sys/fs/cgroup/cpu/one/cpu.cfs_period_us", "100000\n");
  tree_.Write("/sys/fs/cgroup/unified/two/cpuset.cpus.effective", "0-1\n");
  const CgroupCpuLimits limits = ReadWithoutWarning();
  EXPECT_DOUBLE_EQ(limits.quota->Cpus(), 3);
  EXPECT_THAT(*limits.cpuset, ElementsAre(0, 1));
}

TEST_F(CgroupCpuTest, WarnsOfWhatItDoesNotUnderstand) {
  tree_.MountVersion2("/a");
  for (const std::string text : {"", "max", "1 2 3", "x 100000", "100000 x", "0 100000", "100000 0",
                                 "-5 100000", "99999999999999999999 100000"}) {
    tree_.Write("/sys/fs/cgroup/a/cpu.max", text + "\n");
    const CgroupCpuLimits limits = Read();
    EXPECT_FALSE(limits.quota.has_value()) << text;
    EXPECT_THAT(limits.warnings,
                ElementsAre("/sys/fs/cgroup/a/cpu.max is passed over: it says \"" + text +
                            "\", expected QUOTA PERIOD or max PERIOD, in microseconds"));
  }
}

TEST_F(CgroupCpuTest, WarnsOfACpusetThatIsNoList) {
  tree_.MountVersion2("/a");
  tree_.Write("/sys/fs/cgroup/a/cpuset.cpus.effective", "all\n");
  const CgroupCpuLimits limits = Read();
  EXPECT_FALSE(limits.cpuset.has_value());
  EXPECT_THAT(limits.warnings, ElementsAre(HasSubstr("it says \"all\", expected CPU numbers")));
}

TEST_F(CgroupCpuTest, WarnsOfAVersion1QuotaThatIsNoNumber) {
  MountVersion1("/", "/");
  tree_.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-2\n");
  tree_.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "0\n");
  EXPECT_THAT(Read().warnings, ElementsAre(HasSubstr("cpu.cfs_quota_us is passed over")));
  tree_.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000\n");
  EXPECT_THAT(Read().warnings, ElementsAre(HasSubstr("cpu.cfs_period_us is passed over")));
}

TEST_F(CgroupCpuTest, WarnsOfAStrangeLineAndGoesOn) {
  tree_.MountVersion2("/a");
  tree_.Write("/proc/self/cgroup", "nonsense\n0::/a\n");
  tree_.Write("/sys/fs/cgroup/a/cpu.max", "100000 100000\n");
  const CgroupCpuLimits limits = Read();
  EXPECT_DOUBLE_EQ(limits.quota->Cpus(), 1);
  EXPECT_THAT(limits.warnings, ElementsAre(HasSubstr("/proc/self/cgroup is passed over: it says "
                                                     "\"nonsense\"")));
}

TEST_F(CgroupCpuTest, WarnsOfAFileThatCannotBeRead) {
  tree_.MountVersion2("/a");
  tree_.Write("/sys/fs/cgroup/a/cpu.max/file_in_it", "");  // so that cpu.max is a folder
  EXPECT_THAT(Read().warnings, ElementsAre(HasSubstr("EISDIR")));
}

TEST_F(CgroupCpuTest, ReadsALongMountinfo) {
  std::string mountinfo;
  for (int i = 0; i < 2000; ++i) mountinfo += "40 27 0:40 / /mnt/x rw - tmpfs tmpfs rw\n";
  tree_.Write("/proc/self/cgroup", "0::/a\n");
  tree_.Write("/proc/self/mountinfo",
              mountinfo + "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  tree_.Write("/sys/fs/cgroup/a/cpu.max", "100000 100000\n");
  EXPECT_TRUE(ReadWithoutWarning().quota.has_value());
}

}  // namespace
}  // namespace pelton
