#include "bench/echo/process_stats.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "gtest/gtest.h"

namespace pelton::bench {
namespace {

TEST(ProcessStatsTest, ReadsTheRunningTimeOfSchedstat) {
  EXPECT_EQ(internal::ParseSchedstat("92438 84165 2\n"), 92438u);
  EXPECT_EQ(internal::ParseSchedstat(""), 0u);
}

TEST(ProcessStatsTest, ReadsResidentAndAnonymousMemoryOfSmapsRollup) {
  const ProcessMemory memory = internal::ParseSmapsRollup(
      "55a4032e0000-7ffe89d6d000 ---p 00000000 00:00 0                          [rollup]\n"
      "Rss:                1744 kB\n"
      "Pss_Anon:            999 kB\n"
      "Pss_Shmem:             4 kB\n"
      "Anonymous:           108 kB\n");
  EXPECT_EQ(memory.resident_bytes, 1744u * 1024);
  EXPECT_EQ(memory.anonymous_bytes, 112u * 1024);
}

TEST(ProcessStatsTest, CountsAllButIdleAndWaitingTicksAsBusy) {
  EXPECT_EQ(internal::ParseBusyTicks("cpu  100 20 30 99999 888 5 6 7 100 20\ncpu0 1 1 1 1 1\n"),
            168u);
}

TEST(ProcessStatsTest, SeesMemoryThatThisProcessTouches) {
  constexpr size_t kBytes = 32 << 20;
  const ProcessMemory before = MemoryOf(getpid());
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  std::memset(memory, 1, kBytes);
  const ProcessMemory after = MemoryOf(getpid());
  munmap(memory, kBytes);
  EXPECT_GE(after.anonymous_bytes, before.anonymous_bytes + kBytes);
  EXPECT_GE(after.resident_bytes, after.anonymous_bytes);
}

TEST(ProcessStatsTest, SeesTheCpuTimeOfThisProcessGrow) {
  const uint64_t own_before = OwnCpuNanoseconds();
  const uint64_t before = CpuNanoseconds(getpid());
  // The kernel's figure follows at ticks, so it may lag behind by one; what is asked for is ten.
  while (OwnCpuNanoseconds() < own_before + 100'000'000) continue;
  EXPECT_GT(CpuNanoseconds(getpid()), before + 50'000'000);
  EXPECT_GT(MachineBusyNanoseconds(), 0u);
}

TEST(ProcessStatsTest, AnswersZeroForAProcessThatIsGone) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(CpuNanoseconds(child), 0u);
  EXPECT_EQ(MemoryOf(child).resident_bytes, 0u);
}

}  // namespace
}  // namespace pelton::bench
