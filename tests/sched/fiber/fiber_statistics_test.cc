#include "sched/fiber/fiber_statistics.h"

#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "sched/fiber/fiber.h"
#include "sched/fiber/internal/fiber_stack_pool.h"
#include "sched/task.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

// Uses about `kilobytes` of stack. AddressSanitizer keeps arrays of a size that it knows elsewhere.
void UseStack(int kilobytes) {
  volatile int bytes = 1024;
  auto* const kilobyte = static_cast<volatile char*>(__builtin_alloca(bytes));
  for (int i = 0; i < bytes; ++i) kilobyte[i] = 1;
  if (kilobytes > 1) UseStack(kilobytes - 1);
  kilobyte[0] = 2;  // so that the call is none in tail position
}

TEST(FiberStatisticsTest, CountsFibersThatBeganAndThoseThatLive) {
  TaskHarness harness;
  const FiberStatistics before = GetFiberStatistics();
  FiberStatistics during;
  ASSERT_TRUE(harness.Run(RunFiber([&] { during = GetFiberStatistics(); })).ok());
  const FiberStatistics after = GetFiberStatistics();
  EXPECT_EQ(during.started, before.started + 1);
  EXPECT_EQ(during.live, 1u);
  EXPECT_EQ(during.stacks, during.free_stacks + 1);
  EXPECT_EQ(after.live, 0u);
  EXPECT_EQ(after.started, before.started + 1);
}

TEST(FiberStatisticsTest, AFiberThatGotNoStackDidNotStart) {
  TaskHarness harness;
  const FiberStatistics before = GetFiberStatistics();
  ASSERT_FALSE(harness.Run(RunFiber([] {}, {.stack_bytes = 1})).ok());
  EXPECT_EQ(GetFiberStatistics().started, before.started);
}

TEST(FiberStatisticsTest, TheHighWaterMarkSurvivesTheFiberAndItsStack) {
  TaskHarness harness;
  ASSERT_TRUE(harness.Run(RunFiber([] { UseStack(8); })).ok());
  const FiberStatistics shallow = GetFiberStatistics();
  EXPECT_GE(shallow.most_used_bytes, 8u * 1024);
  EXPECT_LT(shallow.most_used_bytes, 100u * 1024);
  ASSERT_TRUE(harness.Run(RunFiber([] { UseStack(100); }, {.stack_bytes = 512 * 1024})).ok());
  const FiberStatistics deep = GetFiberStatistics();
  EXPECT_GE(deep.most_used_bytes, 100u * 1024);
  EXPECT_GE(deep.resident_bytes, 100u * 1024) << "it is kept for the next fiber";
  // One stack that is larger than all that free stacks may hold takes the place of the others.
  ASSERT_TRUE(
      harness
          .Run(RunFiber([] {}, {.stack_bytes = sched_internal::FiberStackPool::kWarmBytes + 4096}))
          .ok());
  const FiberStatistics later = GetFiberStatistics();
  EXPECT_EQ(later.resident_bytes, 0u);
  EXPECT_EQ(later.most_used_bytes, deep.most_used_bytes);
}

}  // namespace
}  // namespace pelton
