#include "io/uring/probe.h"

#include <sys/mman.h>

#include <memory>

#include "gtest/gtest.h"

namespace pelton::io {
namespace {

TEST(ProbeTest, LeavesTheRingAsItWas) {
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create(16);
  if (!ring.ok()) GTEST_SKIP() << "needs io_uring: " << ring.status();
  ProbeCapabilities(**ring);
  EXPECT_EQ((*ring)->unsubmitted(), 0u);
  EXPECT_FALSE((*ring)->HasCompletions());
  // Nothing of the probes is still in flight to complete later.
  EXPECT_EQ((*ring)->Enter(/*wait=*/true, 1'000'000), -ETIME);
}

TEST(ProbeTest, SaysTheSameTwice) {
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create(16);
  if (!ring.ok()) GTEST_SKIP() << "needs io_uring: " << ring.status();
  const UringCapabilities first = ProbeCapabilities(**ring);
  const UringCapabilities second = ProbeCapabilities(**ring);
  EXPECT_EQ(first.multishot_accept, second.multishot_accept);
  EXPECT_EQ(first.multishot_receive, second.multishot_receive);
  EXPECT_EQ(first.buffer_ring, second.buffer_ring);
  EXPECT_EQ(first.message_ring, second.message_ring);
}

TEST(ProbeTest, ABufferGroupIsRegisteredOnce) {
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create(16);
  if (!ring.ok()) GTEST_SKIP() << "needs io_uring: " << ring.status();
  if (!ProbeCapabilities(**ring).buffer_ring) GTEST_SKIP() << "needs provided-buffer rings";
  constexpr unsigned kEntries = 4;
  io_uring_buf_ring* memory = MapBufferRing(kEntries);
  ASSERT_NE(memory, nullptr);
  EXPECT_EQ(RegisterBufferRingAt(**ring, memory, kEntries, 3), 0);
  EXPECT_LT(RegisterBufferRingAt(**ring, memory, kEntries, 3), 0);
  EXPECT_EQ(::io_uring_unregister_buf_ring(&(*ring)->raw(), 3), 0);
  ::munmap(memory, kEntries * sizeof(io_uring_buf));
}

}  // namespace
}  // namespace pelton::io
