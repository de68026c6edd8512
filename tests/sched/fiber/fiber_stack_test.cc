#include "sched/fiber/internal/fiber_stack.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <memory>

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
  char* const top = static_cast<char*>(stack->top());
  top[-1] = 1;
  EXPECT_EQ(stack->UsedBytes(), Page());
  top[-static_cast<ptrdiff_t>(5 * Page())] = 1;
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
  char* const top = static_cast<char*>(stack->top());
  const ptrdiff_t depth = 50 << 20;
  top[-1] = 1;
  top[-depth] = 1;
  EXPECT_EQ(stack->UsedBytes(), static_cast<size_t>(depth));
  EXPECT_EQ(stack->ResidentBytes(), 2 * Page());
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
