#include "sched/blocking/thread_set.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace pelton {
namespace {

TEST(ThreadSetTest, BeginsEmpty) {
  ThreadSet set(200);
  EXPECT_TRUE(set.Empty());
  EXPECT_EQ(set.TakeFirst(), -1);
  EXPECT_FALSE(set.Remove(150));
}

TEST(ThreadSetTest, HandsOutLowNumbersFirst) {
  ThreadSet set(200);
  for (const uint32_t number : {130u, 7u, 199u, 64u, 63u}) set.Add(number);
  for (const int number : {7, 63, 64, 130, 199, -1}) EXPECT_EQ(set.TakeFirst(), number);
}

TEST(ThreadSetTest, RemoveTakesOneOut) {
  ThreadSet set(65);
  set.Add(64);
  set.Add(3);
  EXPECT_TRUE(set.Remove(64));
  EXPECT_FALSE(set.Remove(64));
  EXPECT_FALSE(set.Empty());
  EXPECT_EQ(set.TakeFirst(), 3);
  EXPECT_TRUE(set.Empty());
}

TEST(ThreadSetTest, EachNumberGoesToOneTaker) {
  constexpr uint32_t kSize = 130;
  constexpr int kRounds = 300;
  ThreadSet set(kSize);
  std::vector<std::atomic<int>> taken(kSize);
  for (int round = 1; round <= kRounds; ++round) {
    for (uint32_t i = 0; i < kSize; ++i) set.Add(i);
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
      for (int number = set.TakeFirst(); number >= 0; number = set.TakeFirst()) {
        taken[number].fetch_add(1);
      }
    });
    for (uint32_t i = kSize; i > 0; --i) {
      if (set.Remove(i - 1)) taken[i - 1].fetch_add(1);
    }
    threads[0].join();
    for (const std::atomic<int>& count : taken) ASSERT_EQ(count.load(), round);
  }
}

}  // namespace
}  // namespace pelton
