#include "io/uring/buffer_ring.h"

#include <sys/mman.h>

#include <cerrno>
#include <memory>

#include "gtest/gtest.h"
#include "io/uring/probe.h"

namespace pelton::io {
namespace {

TEST(BufferRingTest, AGroupIsRegisteredOnce) {
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create(16);
  if (!ring.ok()) GTEST_SKIP() << "needs io_uring: " << ring.status();
  if (!ProbeCapabilities(**ring).found.buffer_ring) GTEST_SKIP() << "needs provided-buffer rings";
  constexpr unsigned kEntries = 4;
  io_uring_buf_ring* memory = MapBufferRing(kEntries);
  ASSERT_NE(memory, nullptr);
  EXPECT_EQ(RegisterBufferRingAt(**ring, memory, kEntries, 3), 0);
  EXPECT_LT(RegisterBufferRingAt(**ring, memory, kEntries, 3), 0);
  EXPECT_EQ(::io_uring_unregister_buf_ring(&(*ring)->raw(), 3), 0);
  ::munmap(memory, kEntries * sizeof(io_uring_buf));
}

TEST(BufferRingTest, HoldsMoreOnlyWhenATurnNeededMoreAndGivesAllBack) {
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create(16);
  if (!ring.ok()) GTEST_SKIP() << "needs io_uring: " << ring.status();
  if (!ProbeCapabilities(**ring).found.buffer_ring) GTEST_SKIP() << "needs provided-buffer rings";
  ChunkPool chunks(200);
  int error = 0;
  std::unique_ptr<BufferRing> buffers = BufferRing::Create(**ring, chunks, 5, error);
  ASSERT_NE(buffers, nullptr) << error;
  EXPECT_EQ(chunks.provided(), 0u);
  buffers->Refill();
  const size_t first = chunks.provided();
  EXPECT_GT(first, 0u);
  buffers->Refill();
  EXPECT_EQ(chunks.provided(), first);
  buffers->Grow();
  buffers->Refill();
  EXPECT_EQ(chunks.provided(), 2 * first);
  for (int i = 0; i < 10; ++i) buffers->Grow();
  buffers->Refill();
  EXPECT_EQ(chunks.provided(), chunks.size()) << "never more than there are";
  EXPECT_EQ(BufferRing::Create(**ring, chunks, 5, error), nullptr) << "the group is taken";
  EXPECT_EQ(error, EEXIST);
  buffers.reset();
  EXPECT_EQ(chunks.provided(), 0u);
  EXPECT_EQ(chunks.available(), chunks.size());
}

}  // namespace
}  // namespace pelton::io
