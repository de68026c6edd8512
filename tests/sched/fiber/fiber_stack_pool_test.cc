#include "sched/fiber/internal/fiber_stack_pool.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace pelton::sched_internal {
namespace {

constexpr size_t kSize = 128 * 1024;

std::unique_ptr<FiberStack> Take(FiberStackPool& pool, size_t bytes = kSize) {
  absl::StatusOr<std::unique_ptr<FiberStack>> stack = pool.Take(bytes);
  EXPECT_TRUE(stack.ok()) << stack.status();
  return *std::move(stack);
}

void Touch(FiberStack& stack, size_t bytes) {
  std::memset(static_cast<char*>(stack.bottom()) + stack.bytes() - bytes, 1, bytes);
}

TEST(FiberStackPoolTest, GivesTheStackThatWasFreedLast) {
  FiberStackPool pool;
  auto first = Take(pool);
  auto second = Take(pool);
  const FiberStack* const last = second.get();
  pool.Return(std::move(first));
  pool.Return(std::move(second));
  EXPECT_EQ(pool.free_stacks(), 2u);
  auto again = Take(pool);
  EXPECT_EQ(again.get(), last);
  EXPECT_EQ(pool.stacks(), 2u);
  pool.Return(std::move(again));
}

TEST(FiberStackPoolTest, GivesOnlyStacksOfTheSizeThatWasAskedFor) {
  FiberStackPool pool;
  pool.Return(Take(pool, kSize));
  auto other = Take(pool, 2 * kSize);
  EXPECT_EQ(other->bytes(), 2 * kSize);
  EXPECT_EQ(pool.stacks(), 2u);
  EXPECT_EQ(pool.mapped_bytes(), 3 * kSize);
  pool.Return(std::move(other));
  auto older = Take(pool, kSize);
  EXPECT_EQ(pool.stacks(), 2u) << "the older one is found behind the newer";
  pool.Return(std::move(older));
}

TEST(FiberStackPoolTest, AWarmStackKeepsItsMemory) {
  FiberStackPool pool;
  auto stack = Take(pool);
  Touch(*stack, 32 * 1024);
  pool.Return(std::move(stack));
  EXPECT_EQ(pool.ResidentBytes(), 32u * 1024);
  EXPECT_TRUE(pool.CheckInvariants());
}

TEST(FiberStackPoolTest, FreeStacksHoldNoMoreMemoryThanStated) {
  FiberStackPool pool;
  constexpr size_t kCount = 2 * FiberStackPool::kWarmBytes / kSize;
  std::vector<std::unique_ptr<FiberStack>> stacks;
  for (size_t i = 0; i < kCount; ++i) {
    stacks.push_back(Take(pool));
    Touch(*stacks.back(), kSize);
  }
  EXPECT_EQ(pool.ResidentBytes(), kCount * kSize);
  for (auto& stack : stacks) pool.Return(std::move(stack));
  EXPECT_EQ(pool.free_stacks(), kCount);
  EXPECT_EQ(pool.ResidentBytes(), FiberStackPool::kWarmBytes);
  EXPECT_TRUE(pool.CheckInvariants());
  auto last = Take(pool);
  EXPECT_EQ(last->ResidentBytes(), kSize) << "the ones freed last are warm";
  pool.Return(std::move(last));
}

TEST(FiberStackPoolTest, FreeStacksHaveNoMoreAddressesThanStated) {
  FiberStackPool pool;
  constexpr size_t kLarge = size_t{16} << 20;
  constexpr size_t kCount = 2 * FiberStackPool::kFreeBytes / kLarge;
  std::vector<std::unique_ptr<FiberStack>> stacks;
  for (size_t i = 0; i < kCount; ++i) stacks.push_back(Take(pool, kLarge));
  for (auto& stack : stacks) pool.Return(std::move(stack));
  EXPECT_LE(pool.mapped_bytes(), FiberStackPool::kFreeBytes);
  EXPECT_GE(pool.mapped_bytes(), FiberStackPool::kFreeBytes / 2);
  EXPECT_EQ(pool.ResidentBytes(), 0u);
  EXPECT_TRUE(pool.CheckInvariants());
}

TEST(FiberStackPoolTest, RemembersTheDeepestUseOfStacksThatItEmptiedOrUnmapped) {
  FiberStackPool pool;
  auto deep = Take(pool);
  Touch(*deep, 100 * 1024);
  pool.Return(std::move(deep));
  EXPECT_EQ(pool.MostUsedBytes(), 100u * 1024);
  for (int i = 0; i < 2; ++i) {  // each pushes the others out
    pool.Return(Take(pool, FiberStackPool::kWarmBytes + kSize));
    pool.Return(Take(pool, FiberStackPool::kFreeBytes));
  }
  EXPECT_EQ(pool.ResidentBytes(), 0u);
  EXPECT_EQ(pool.MostUsedBytes(), 100u * 1024);
}

TEST(FiberStackPoolTest, CountsFibers) {
  FiberStackPool pool;
  pool.CountStart();
  pool.CountStart();
  pool.CountEnd();
  EXPECT_EQ(pool.fibers_started(), 2u);
  EXPECT_EQ(pool.fibers_live(), 1u);
}

TEST(FiberStackPoolTest, AStackThatIsInUseSurvivesThePool) {
  std::unique_ptr<FiberStack> stack;
  {
    FiberStackPool pool;
    stack = Take(pool);
  }
  Touch(*stack, 4096);
  EXPECT_EQ(stack->UsedBytes(), 4096u);
}

}  // namespace
}  // namespace pelton::sched_internal
