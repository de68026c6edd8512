#include "framework/internal/thread_usage.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <thread>

#include "tests/framework/fake_system_tree.h"

namespace pelton {
namespace {

TEST(NumberAfterTest, FindsTheNumberOfItsKey) {
  constexpr std::string_view kText = "usage_usec 12\nnr_throttled 3\nthrottled_usec 4567\n";
  EXPECT_EQ(NumberAfter(kText, "throttled_usec"), 4567);
  EXPECT_EQ(NumberAfter(kText, "usage_usec"), 12);
  EXPECT_EQ(NumberAfter(kText, "throttled"), std::nullopt) << "only the beginning of a key";
  EXPECT_EQ(NumberAfter(kText, "burst_usec"), std::nullopt);
  EXPECT_EQ(NumberAfter("throttled_usec many", "throttled_usec"), std::nullopt);
  EXPECT_EQ(NumberAfter("", "throttled_usec"), std::nullopt);
}

TEST(ThreadUsageTest, WorkCountsAndSleepDoesNot) {
  ThreadUsage usage;
  usage.OpenForThisThread();
  const ThreadUsage::Times before = usage.Read();
  ::poll(nullptr, 0, 50);
  const absl::Duration asleep = usage.Read().on_cpu - before.on_cpu;
  EXPECT_LT(asleep, absl::Milliseconds(40));
  while (usage.Read().on_cpu - before.on_cpu - asleep < absl::Milliseconds(20)) continue;
}

TEST(ThreadUsageTest, AnotherThreadMayRead) {
  ThreadUsage usage;
  usage.OpenForThisThread();
  const absl::Duration before = usage.Read().on_cpu;
  absl::Duration seen;
  std::thread reader([&] { seen = usage.Read().on_cpu; });
  reader.join();
  EXPECT_GE(seen, before);
  EXPECT_LE(seen, usage.Read().on_cpu);
}

TEST(ThreadUsageTest, TellsAThreadThatRunsFromOneThatWaits) {
  ThreadUsage usage;
  usage.OpenForThisThread();
  EXPECT_TRUE(usage.IsRunnable());
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  std::thread observer([&] {
    while (usage.IsRunnable()) continue;  // until the read below waits
    EXPECT_EQ(::write(ends[1], "x", 1), 1);
  });
  char byte;
  EXPECT_EQ(::read(ends[0], &byte, 1), 1);
  observer.join();
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(ThreadUsageTest, AThreadThatHasEndedHasNoTimes) {
  ThreadUsage usage;
  std::thread([&] { usage.OpenForThisThread(); }).join();
  EXPECT_EQ(usage.Read().on_cpu, absl::ZeroDuration());
  EXPECT_EQ(usage.Read().waiting, std::nullopt);
}

TEST(ThrottledTimeTest, AddsUpTheGroupsAboveTheProcess) {
  FakeSystemTree tree;
  tree.MountVersion2("/pod/service");
  tree.Write("/sys/fs/cgroup/pod/service/cpu.stat", "usage_usec 9\nthrottled_usec 1000\n");
  tree.Write("/sys/fs/cgroup/pod/cpu.stat", "nr_throttled 2\nthrottled_usec 500\n");
  const ThrottledTime throttled(tree.root());
  EXPECT_EQ(throttled.Read(), absl::Microseconds(1500));
  tree.Write("/sys/fs/cgroup/pod/cpu.stat", "nr_throttled 3\nthrottled_usec 700\n");
  EXPECT_EQ(throttled.Read(), absl::Microseconds(1700)) << "it reads the file again";
}

TEST(ThrottledTimeTest, ReadsVersion1) {
  FakeSystemTree tree;
  tree.Write("/proc/self/cgroup", "4:cpu,cpuacct:/service\n5:cpuset:/service\n0::/\n");
  tree.Write("/proc/self/mountinfo",
             "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
             "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
  tree.Write("/sys/fs/cgroup/cpu,cpuacct/service/cpu.stat",
             "nr_periods 3\nnr_throttled 1\nthrottled_time 2500\n");
  tree.Write("/sys/fs/cgroup/cpuset/service/cpu.stat", "throttled_time 99\n");
  EXPECT_EQ(ThrottledTime(tree.root()).Read(), absl::Nanoseconds(2500));
}

TEST(ThrottledTimeTest, WithoutGroupsNothingIsThrottled) {
  FakeSystemTree tree;
  EXPECT_EQ(ThrottledTime(tree.root()).Read(), absl::ZeroDuration());
}

}  // namespace
}  // namespace pelton
