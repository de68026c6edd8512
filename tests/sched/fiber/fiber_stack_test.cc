#include "sched/fiber/internal/fiber_stack.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

namespace pelton::sched_internal {
namespace {

using Guard = FiberStack::Guard;

std::unique_ptr<FiberStack> Map(size_t bytes, Guard guard = FiberStack::BestGuard()) {
  absl::StatusOr<std::unique_ptr<FiberStack>> stack = FiberStack::Map(bytes, guard);
  EXPECT_TRUE(stack.ok()) << stack.status();
  return *std::move(stack);
}

size_t Page() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

TEST(FiberStackTest, RoundsUpToPages) {
  EXPECT_EQ(FiberStack::RoundUp(1), Page());
  EXPECT_EQ(FiberStack::RoundUp(Page()), Page());
  EXPECT_EQ(FiberStack::RoundUp(Page() + 1), 2 * Page());
  EXPECT_EQ(Map(20'000)->bytes(), FiberStack::RoundUp(20'000));
}

TEST(FiberStackTest, TakesNoMemoryUntilItIsTouched) {
  const auto stack = Map(1 << 20);
  EXPECT_EQ(stack->UsedBytes(), 0u);
  EXPECT_EQ(stack->ResidentBytes(), 0u);
}

TEST(FiberStackTest, CountsWhatWasTouchedFromTheTop) {
  const auto stack = Map(1 << 20);
  char* const end = static_cast<char*>(stack->bottom()) + stack->bytes();
  end[-1] = 1;
  EXPECT_EQ(stack->UsedBytes(), Page());
  end[-static_cast<ptrdiff_t>(5 * Page())] = 1;
  EXPECT_EQ(stack->UsedBytes(), 5 * Page());
  EXPECT_EQ(stack->ResidentBytes(), 2 * Page());
}

TEST(FiberStackTest, EmptyGivesTheMemoryBackAndKeepsTheAddresses) {
  const auto stack = Map(256 * 1024);
  std::memset(stack->bottom(), 7, stack->bytes());
  EXPECT_EQ(stack->ResidentBytes(), stack->bytes());
  stack->Empty();
  EXPECT_EQ(stack->ResidentBytes(), 0u);
  EXPECT_EQ(static_cast<char*>(stack->bottom())[0], 0);
}

TEST(FiberStackTest, LooksAtLargeStacksPieceByPiece) {
  const auto stack = Map(size_t{64} << 20);
  char* const end = static_cast<char*>(stack->bottom()) + stack->bytes();
  const ptrdiff_t depth = 50 << 20;
  end[-1] = 1;
  end[-depth] = 1;
  EXPECT_EQ(stack->UsedBytes(), static_cast<size_t>(depth));
  EXPECT_EQ(stack->ResidentBytes(), 2 * Page());
}

TEST(FiberStackTest, FirstFramesAreSpreadOverTheCaches) {
  std::set<uintptr_t> places;
  for (int i = 0; i < 32; ++i) {
    const auto stack = Map(64 * 1024);
    const auto top = reinterpret_cast<uintptr_t>(stack->top());
    const uintptr_t end = reinterpret_cast<uintptr_t>(stack->bottom()) + stack->bytes();
    EXPECT_LE(top, end);
    EXPECT_GT(top, end - Page() / 2) << "most of the first page is for frames";
    EXPECT_EQ(top % 64, 0u);
    EXPECT_EQ(stack->usable_bytes(), top - reinterpret_cast<uintptr_t>(stack->bottom()));
    places.insert(end - top);
  }
  EXPECT_EQ(places.size(), 32u);
}

TEST(FiberStackTest, KnowsTheAddressesOfItsGuard) {
  const auto stack = Map(64 * 1024);
  const auto bottom = reinterpret_cast<uintptr_t>(stack->bottom());
  EXPECT_FALSE(stack->GuardContains(bottom));
  EXPECT_TRUE(stack->GuardContains(bottom - 1));
  EXPECT_TRUE(stack->GuardContains(bottom - FiberStack::kGuardBytes));
  EXPECT_FALSE(stack->GuardContains(bottom - FiberStack::kGuardBytes - 1));
}

TEST(FiberStackTest, StacksCanBeMappedInNumbers) {
  std::vector<std::unique_ptr<FiberStack>> stacks;
  for (int i = 0; i < 2'000; ++i) {
    stacks.push_back(Map(64 * 1024));
    static_cast<char*>(stacks.back()->top())[-1] = 1;
  }
  for (const auto& stack : stacks) EXPECT_EQ(stack->ResidentBytes(), Page());
}

class FiberStackDeathTest : public ::testing::TestWithParam<Guard> {};

TEST_P(FiberStackDeathTest, AnAccessBelowTheStackFaults) {
  if (GetParam() == Guard::kMarker && FiberStack::BestGuard() != Guard::kMarker) {
    GTEST_SKIP() << "this kernel has no MADV_GUARD_INSTALL (Linux 6.13)";
  }
  const auto stack = Map(64 * 1024, GetParam());
  volatile char* const bottom = static_cast<char*>(stack->bottom());
  bottom[0] = 1;
  EXPECT_DEATH(bottom[-1] = 1, "");
  EXPECT_DEATH(bottom[-static_cast<ptrdiff_t>(FiberStack::kGuardBytes)] = 1, "");
}

TEST_P(FiberStackDeathTest, TheGuardStaysWhenTheStackIsEmptied) {
  if (GetParam() == Guard::kMarker && FiberStack::BestGuard() != Guard::kMarker) {
    GTEST_SKIP() << "this kernel has no MADV_GUARD_INSTALL (Linux 6.13)";
  }
  const auto stack = Map(64 * 1024, GetParam());
  volatile char* const bottom = static_cast<char*>(stack->bottom());
  bottom[0] = 1;
  stack->Empty();
  EXPECT_DEATH(bottom[-1] = 1, "");
}

INSTANTIATE_TEST_SUITE_P(Guards, FiberStackDeathTest,
                         ::testing::Values(Guard::kMarker, Guard::kProtection));

}  // namespace
}  // namespace pelton::sched_internal
