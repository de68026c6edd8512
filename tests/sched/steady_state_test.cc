// In the steady state, spawning, awaiting, sleeping and running side by side allocates nothing:
// frames come from the pool, and the rest lives in them.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#include "absl/status/status.h"
#include "alloc/frame_pool.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "tests/support/task_harness.h"

namespace {

uint64_t allocations = 0;

void* Allocate(std::size_t bytes) {
  ++allocations;
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return Allocate(bytes); }
void* operator new[](std::size_t bytes) { return Allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace pelton {
namespace {

using testing::TaskHarness;

[[gnu::noinline]] Task<int> Sum(int depth) {
  if (depth == 0) co_return 1;
  co_return 1 + co_await Sum(depth - 1);
}

Task<absl::Status> Nap(absl::Duration duration) { co_return co_await SleepFor(duration); }

Task<void> Count(int* counter) {
  co_await Yield();
  ++*counter;
}

// One of everything that a service does between two requests.
Task<void> Round(int* counter) {
  TaskScope scope;
  for (int i = 0; i < 3; ++i) scope.Spawn(Count, counter);
  scope.SpawnContained(Nap, absl::Milliseconds(1));
  scope.Spawn([counter]() -> Task<void> {
    ++*counter;
    co_return;
  });
  EXPECT_EQ(co_await Sum(5), 6);
  EXPECT_TRUE((co_await SleepFor(absl::Milliseconds(1))).ok());
  EXPECT_TRUE((co_await WithTimeout(absl::Seconds(1), Nap(absl::Milliseconds(1)))).ok());
  auto [sum, napped] = co_await WhenAll(Sum(2), Nap(absl::Milliseconds(1)));
  EXPECT_EQ(sum, 3);
  EXPECT_TRUE(napped.ok());
  const auto first = co_await WhenAny(Sum(1), Sum(2));
  EXPECT_EQ(first.index(), 0u);
  EXPECT_TRUE((co_await scope.Join()).ok());
}

Task<void> Rounds(int rounds, int* counter) {
  for (int i = 0; i < rounds; ++i) co_await Round(counter);
}

TEST(SteadyStateTest, AllocatesNothing) {
  TaskHarness harness;
  int counter = 0;
  harness.Run(Rounds(100, &counter));  // warms the pool up
  const FramePool::Statistics before = harness.frames().GetStatistics();
  const uint64_t allocations_before = allocations;
  harness.Run(Rounds(10'000, &counter));
  const uint64_t allocations_after = allocations;
  const FramePool::Statistics after = harness.frames().GetStatistics();
  EXPECT_EQ(allocations_after, allocations_before);
  EXPECT_EQ(after.slabs, before.slabs);
  EXPECT_EQ(after.carved_bytes, before.carved_bytes);
  EXPECT_EQ(after.oversize, before.oversize);
  EXPECT_EQ(after.live, before.live);
  EXPECT_EQ(counter, 10'100 * 4);
}

TEST(SteadyStateTest, TheCounterCounts) {
  const uint64_t before = allocations;
  void* const memory = ::operator new(64);
  EXPECT_GT(allocations, before);
  ::operator delete(memory);
}

}  // namespace
}  // namespace pelton
