// What this checkout's headers and the supplement give together. The names that older headers lack
// have the numbers of the kernel, whoever declares them.

#include "io/uring/abi.h"

#include "gtest/gtest.h"

namespace pelton::io {
namespace {

TEST(AbiTest, NumbersAreTheKernels) {
  EXPECT_EQ(static_cast<int>(::IORING_OP_READ_MULTISHOT), 49);
  EXPECT_EQ(static_cast<int>(::IORING_OP_FTRUNCATE), 55);
  EXPECT_EQ(static_cast<int>(::IORING_OP_PIPE), 62);
  EXPECT_EQ(static_cast<int>(::IORING_REGISTER_NAPI), 27);
  EXPECT_EQ(static_cast<int>(::IORING_REGISTER_RESIZE_RINGS), 33);
  EXPECT_EQ(static_cast<int>(::SOCKET_URING_OP_SETSOCKOPT), 3);
  EXPECT_EQ(IORING_FEAT_NO_IOWAIT, 0x20000u);
  EXPECT_EQ(IORING_ENTER_NO_IOWAIT, 0x80u);
  EXPECT_EQ(IORING_SETUP_CQE_MIXED, 0x40000u);
  EXPECT_EQ(IORING_NOTIF_USAGE_ZC_COPIED, 0x80000000u);
}

TEST(AbiTest, StructuresHaveTheKernelsLayout) {
  EXPECT_EQ(sizeof(abi::Napi), 16u);
  EXPECT_EQ(offsetof(abi::Napi, prefer_busy_poll), 4u);
  EXPECT_EQ(sizeof(abi::BufferRingRegistration), 40u);
  EXPECT_EQ(offsetof(abi::BufferRingRegistration, flags), 14u);
  EXPECT_EQ(sizeof(abi::BufferStatus), 40u);
  EXPECT_EQ(sizeof(abi::CloneBuffers), 32u);
  EXPECT_EQ(sizeof(abi::Region), 64u);
  EXPECT_EQ(offsetof(abi::Region, map_offset), 24u);
  EXPECT_EQ(sizeof(abi::MemoryRegion), 32u);
}

}  // namespace
}  // namespace pelton::io
