#include "io/uring/ring.h"

#include <cerrno>
#include <memory>
#include <set>
#include <utility>

#include "gtest/gtest.h"

namespace pelton::io {
namespace {

// A ring, or a skip that names what is missing.
#define MAKE_RING_OR_SKIP(name, entries)                                             \
  absl::StatusOr<std::unique_ptr<Ring>> name##_made = Ring::Create(entries);         \
  if (!name##_made.ok()) GTEST_SKIP() << "needs io_uring: " << name##_made.status(); \
  Ring& name = **name##_made

std::multiset<uint64_t> Take(Ring& ring) {
  std::multiset<uint64_t> seen;
  ring.ForEachCompletion([&seen](const io_uring_cqe& entry) { seen.insert(entry.user_data); });
  return seen;
}

void PushNop(Ring& ring, uint64_t user_data) {
  io_uring_sqe* entry = ring.NextEntry();
  ASSERT_NE(entry, nullptr);
  ::io_uring_prep_nop(entry);
  entry->user_data = user_data;
}

TEST(RingTest, CompletesWhatWasSubmitted) {
  MAKE_RING_OR_SKIP(ring, 8);
  for (uint64_t i = 1; i <= 3; ++i) PushNop(ring, i);
  EXPECT_EQ(ring.unsubmitted(), 3u);
  EXPECT_FALSE(ring.HasCompletions());
  EXPECT_EQ(ring.Enter(/*wait=*/true, -1), 0);
  EXPECT_EQ(ring.unsubmitted(), 0u);
  EXPECT_TRUE(ring.HasCompletions());
  EXPECT_EQ(Take(ring), (std::multiset<uint64_t>{1, 2, 3}));
  EXPECT_FALSE(ring.HasCompletions());
}

TEST(RingTest, SaysWhenTheSubmissionQueueIsFull) {
  MAKE_RING_OR_SKIP(ring, 4);
  for (uint64_t i = 0; i < 4; ++i) PushNop(ring, i);
  EXPECT_EQ(ring.NextEntry(), nullptr);
  EXPECT_EQ(ring.Enter(false, 0), 0);
  EXPECT_NE(ring.NextEntry(), nullptr);
}

TEST(RingTest, IndicesWrapAroundManyTimes) {
  MAKE_RING_OR_SKIP(ring, 4);
  for (uint64_t i = 0; i < 1000; ++i) {
    PushNop(ring, i);
    ASSERT_EQ(ring.Enter(true, -1), 0);
    ASSERT_EQ(Take(ring), std::multiset<uint64_t>{i});
  }
}

TEST(RingTest, EntriesComeCleared) {
  MAKE_RING_OR_SKIP(ring, 1);
  for (int i = 0; i < 2; ++i) {
    io_uring_sqe* entry = ring.NextEntry();
    EXPECT_EQ(entry->user_data, 0u);
    EXPECT_EQ(entry->flags, 0u);
    ::io_uring_prep_nop(entry);
    entry->user_data = 77;
    ring.Enter(true, -1);
    Take(ring);
  }
}

TEST(RingTest, AWaitEndsAtItsTimeout) {
  MAKE_RING_OR_SKIP(ring, 4);
  EXPECT_EQ(ring.Enter(/*wait=*/true, 1'000'000), -ETIME);
  EXPECT_EQ(ring.Enter(/*wait=*/true, 0), -ETIME);
}

TEST(RingTest, AskingForTooManyEntriesIsClampedNotRefused) {
  MAKE_RING_OR_SKIP(ring, 1u << 20);
  PushNop(ring, 1);
  EXPECT_EQ(ring.Enter(true, -1), 0);
}

}  // namespace
}  // namespace pelton::io
