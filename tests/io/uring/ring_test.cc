#include "io/uring/ring.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>
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

TEST(RingTest, DoesWithoutWhatIsTurnedOff) {
  absl::StatusOr<std::unique_ptr<Ring>> made = Ring::Create({.submission_entries = 4,
                                                             .deferred_work = false,
                                                             .registered_ring = false,
                                                             .no_iowait = false});
  if (!made.ok()) GTEST_SKIP() << "needs io_uring: " << made.status();
  Ring& ring = **made;
  EXPECT_FALSE(ring.deferred_work());
  EXPECT_FALSE(ring.registered_ring());
  EXPECT_FALSE(ring.no_iowait());
  PushNop(ring, 1);
  EXPECT_EQ(ring.Enter(true, -1), 0);
  EXPECT_EQ(Take(ring), std::multiset<uint64_t>{1});
}

// What the child of a test exits with.
enum Verdict { kRight = 0, kWrong = 1, kCannotBeTried = 2 };

// Runs `body(alone)` in a process that may lock so many bytes of memory; `alone` says that it has a
// user of its own, so that nobody else's rings count.
template <typename Body>
int WithLockedMemory(rlim_t bytes, Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    const uid_t user = 1'000'000'000u + static_cast<uid_t>(::getpid());
    const rlimit limit = {bytes, bytes};
    const bool alone = ::geteuid() == 0 && ::setresuid(user, user, user) == 0;
    ::_exit(::setrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? body(alone) : kCannotBeTried);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : kWrong;
}

TEST(RingTest, BecomesSmallerWhenMemoryIsShort) {
  MAKE_RING_OR_SKIP(unlimited, 1024);
  EXPECT_FALSE(unlimited.shrunk());
  EXPECT_EQ(unlimited.submission_entries(), 1024u);
  const int verdict = WithLockedMemory(64 << 10, [](bool alone) {
    absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create(1024);
    if (!ring.ok()) return alone ? kWrong : kCannotBeTried;
    // Older kernels count no rings.
    if (!(*ring)->shrunk()) return kCannotBeTried;
    const unsigned entries = (*ring)->submission_entries();
    if (entries < Ring::kFewestEntries || entries >= 1024) return kWrong;
    PushNop(**ring, 1);
    return (*ring)->Enter(true, -1) == 0 && (*ring)->HasCompletions() ? kRight : kWrong;
  });
  if (verdict == kCannotBeTried) GTEST_SKIP() << "needs a limit of locked memory that holds";
  EXPECT_EQ(verdict, kRight);
}

TEST(RingTest, SaysHowToMendItWhenThereIsNoMemoryAtAll) {
  MAKE_RING_OR_SKIP(unlimited, 64);
  const int verdict = WithLockedMemory(1 << 10, [](bool) {
    absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create(1024);
    if (ring.ok()) return kCannotBeTried;
    const std::string message = ring.status().ToString();
    const bool tells = message.find("entries=64") != std::string::npos &&
                       message.find("ENOMEM") != std::string::npos &&
                       message.find("ulimit -l") != std::string::npos;
    return tells && absl::IsResourceExhausted(ring.status()) ? kRight : kWrong;
  });
  if (verdict == kCannotBeTried) GTEST_SKIP() << "needs a limit of locked memory that holds";
  EXPECT_EQ(verdict, kRight);
  EXPECT_EQ(unlimited.submission_entries(), 64u);
}

}  // namespace
}  // namespace pelton::io
