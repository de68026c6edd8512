#include "sched/sync/internal/bounded_ring.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

#include "sched/random.h"

namespace pelton::sched_internal {
namespace {

TEST(BoundedRingTest, AgreesWithADequeThroughManyRounds) {
  for (const size_t capacity : {1, 2, 3, 7, 8}) {
    Random random(capacity);
    BoundedRing<std::unique_ptr<int>> ring(capacity);
    std::deque<int> model;
    for (int i = 0; i < 1'000; ++i) {
      if (random.Below(2) == 0 && model.size() < capacity) {
        ring.PushBack(std::make_unique<int>(i));
        model.push_back(i);
      } else if (!model.empty()) {
        EXPECT_EQ(*ring.front(), model.front());
        ring.PopFront();
        model.pop_front();
      }
      ASSERT_EQ(ring.size(), model.size());
      EXPECT_EQ(ring.empty(), model.empty());
      EXPECT_EQ(ring.full(), model.size() == capacity);
      for (size_t at = 0; at < model.size(); ++at) ASSERT_EQ(*ring[at], model[at]);
    }
  }
}

TEST(BoundedRingTest, OfNothingIsBothEmptyAndFull) {
  const BoundedRing<int> ring(0);
  EXPECT_TRUE(ring.empty());
  EXPECT_TRUE(ring.full());
  EXPECT_EQ(ring.capacity(), 0u);
}

TEST(BoundedRingTest, DestroysWhatIsLeft) {
  int live = 0;
  struct Counted {
    explicit Counted(int* live) : live(live) { ++*live; }
    Counted(Counted&& other) noexcept : live(other.live) { ++*live; }
    ~Counted() { --*live; }
    int* live;
  };
  {
    BoundedRing<Counted> ring(3);
    for (int i = 0; i < 3; ++i) ring.PushBack(Counted(&live));
    EXPECT_EQ(live, 3);
    ring.PopFront();
    EXPECT_EQ(live, 2);
    ring.PushBack(Counted(&live));
  }
  EXPECT_EQ(live, 0);
}

}  // namespace
}  // namespace pelton::sched_internal
