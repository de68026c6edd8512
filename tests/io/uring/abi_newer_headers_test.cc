// The supplement on top of newer headers: here they declare its names themselves, with numbers that
// no kernel has, so that it shows whose are used.

#include <liburing.h>

// What a newer linux/io_uring.h declares.
#undef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1u << 30)
#undef IORING_SEND_ZC_REPORT_USAGE
#define IORING_SEND_ZC_REPORT_USAGE (1u << 29)
#undef IORING_SETUP_CQE_MIXED
#define IORING_SETUP_CQE_MIXED (1u << 28)
enum newer_io_uring_op { IORING_OP_FTRUNCATE = 1055, IORING_OP_PIPE = 1062 };
enum newer_io_uring_register_op { IORING_REGISTER_NAPI = 1027 };
enum newer_io_uring_socket_op { SOCKET_URING_OP_SIOCINQ = 1000 };
struct io_uring_napi {
  __u32 busy_poll_to;
  __u8 prefer_busy_poll;
  __u8 pad[3];
  __u64 resv;
};

#include "gtest/gtest.h"
#include "io/uring/abi.h"

namespace pelton::io {
namespace {

TEST(AbiNewerHeadersTest, TheirMacrosWin) {
  EXPECT_EQ(IORING_FEAT_NO_IOWAIT, 1u << 30);
  EXPECT_EQ(IORING_SEND_ZC_REPORT_USAGE, 1u << 29);
  EXPECT_EQ(IORING_SETUP_CQE_MIXED, 1u << 28);
}

TEST(AbiNewerHeadersTest, TheirEnumeratorsWin) {
  EXPECT_EQ(static_cast<int>(::IORING_OP_FTRUNCATE), 1055);
  EXPECT_EQ(static_cast<int>(::IORING_OP_PIPE), 1062);
  EXPECT_EQ(static_cast<int>(::IORING_REGISTER_NAPI), 1027);
  EXPECT_EQ(static_cast<int>(::SOCKET_URING_OP_SIOCINQ), 1000);
}

TEST(AbiNewerHeadersTest, WhatTheyLackIsTheSupplements) {
  EXPECT_EQ(static_cast<int>(::IORING_OP_FUTEX_WAIT), 51);
  EXPECT_EQ(static_cast<int>(::SOCKET_URING_OP_SETSOCKOPT), 3);
}

TEST(AbiNewerHeadersTest, TheirStructuresStandBesideOurs) {
  EXPECT_EQ(sizeof(::io_uring_napi), sizeof(abi::Napi));
  EXPECT_EQ(offsetof(::io_uring_napi, prefer_busy_poll), offsetof(abi::Napi, prefer_busy_poll));
}

}  // namespace
}  // namespace pelton::io
