#include "alloc/thread_allocations.h"

#include <cstdlib>
#include <memory>
#include <thread>

#include "gtest/gtest.h"

namespace pelton {
namespace {

// Allocates and frees in ways that no compiler may leave out.
void* volatile kept;

void AllocateAndFree(size_t bytes) {
  kept = std::malloc(bytes);
  std::free(kept);
}

TEST(ThreadAllocationsTest, CountsExactlyInTheBuildsThatLinkTheProcessAllocator) {
#ifdef PELTON_HAS_JEMALLOC
  EXPECT_TRUE(ThreadAllocationsCounted());
#else
  EXPECT_FALSE(ThreadAllocationsCounted());
  AllocateAndFree(1000);
  EXPECT_EQ(ThreadAllocatedBytes(), 0u);
#endif
}

TEST(ThreadAllocationsTest, GrowsByAtLeastWhatIsAllocatedAndNeverFalls) {
  if (!ThreadAllocationsCounted()) GTEST_SKIP() << "this build's allocator does not count";
  const uint64_t before = ThreadAllocatedBytes();
  AllocateAndFree(1000);
  const uint64_t after_malloc = ThreadAllocatedBytes();
  EXPECT_GE(after_malloc, before + 1000);
  EXPECT_LE(after_malloc, before + 2000);
  kept = ::operator new(100'000);
  EXPECT_GE(ThreadAllocatedBytes(), after_malloc + 100'000);
  const uint64_t before_delete = ThreadAllocatedBytes();
  ::operator delete(kept);
  EXPECT_EQ(ThreadAllocatedBytes(), before_delete);
}

TEST(ThreadAllocationsTest, StandsStillWhileNothingIsAllocated) {
  const uint64_t before = ThreadAllocatedBytes();
  const uint64_t after = ThreadAllocatedBytes();
  EXPECT_EQ(after, before);
}

TEST(ThreadAllocationsTest, SeesOnlyItsOwnThread) {
  if (!ThreadAllocationsCounted()) GTEST_SKIP() << "this build's allocator does not count";
  uint64_t seen_by_other = 0;
  uint64_t seen_here = 0;
  std::thread other([&] {
    const uint64_t before = ThreadAllocatedBytes();
    AllocateAndFree(10 << 20);
    seen_by_other = ThreadAllocatedBytes() - before;
  });
  const uint64_t before = ThreadAllocatedBytes();
  other.join();
  seen_here = ThreadAllocatedBytes() - before;
  EXPECT_GE(seen_by_other, 10u << 20);
  EXPECT_LT(seen_here, 1u << 20);
}

}  // namespace
}  // namespace pelton
