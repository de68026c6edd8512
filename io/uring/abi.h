// Values of the io_uring ABI that the packaged liburing (2.3) and kernel headers (6.1) lack. When
// newer headers are installed, their own names win.
//
// Macros are defined where they are missing. Enumerators, which the preprocessor does not see, stand
// in a namespace that qualified names fall back to: `::IORING_OP_FTRUNCATE` is the header's when it
// has one, else that of this file. Write the `::`, as without it the two would be ambiguous.
// Structures have names of their own, which meet nobody's.
//
// Source: include/uapi/linux/io_uring.h of Linux; man io_uring_setup(2), io_uring_enter(2),
// io_uring_register(2).

#ifndef PELTON_IO_URING_ABI_H_
#define PELTON_IO_URING_ABI_H_

#include <liburing.h>

#include <cstdint>

#ifndef IORING_SETUP_HYBRID_IOPOLL
#define IORING_SETUP_HYBRID_IOPOLL (1u << 17)  // Linux 6.13
#endif
#ifndef IORING_SETUP_CQE_MIXED
#define IORING_SETUP_CQE_MIXED (1u << 18)  // Linux 6.18
#endif
#ifndef IORING_FEAT_RECVSEND_BUNDLE
#define IORING_FEAT_RECVSEND_BUNDLE (1u << 14)  // Linux 6.10
#endif
#ifndef IORING_FEAT_MIN_TIMEOUT
#define IORING_FEAT_MIN_TIMEOUT (1u << 15)  // Linux 6.12
#endif
#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1u << 17)  // Linux 6.15
#endif
#ifndef IORING_ENTER_NO_IOWAIT
// Linux 6.15: a sleeping ring does not count as waiting for a disk
#define IORING_ENTER_NO_IOWAIT (1u << 7)
#endif
#ifndef IORING_SEND_ZC_REPORT_USAGE
#define IORING_SEND_ZC_REPORT_USAGE (1u << 3)  // Linux 6.2
#endif
#ifndef IORING_NOTIF_USAGE_ZC_COPIED
#define IORING_NOTIF_USAGE_ZC_COPIED (1u << 31)  // Linux 6.2
#endif
#ifndef IORING_TIMEOUT_MULTISHOT
#define IORING_TIMEOUT_MULTISHOT (1u << 6)  // Linux 6.4
#endif
#ifndef IORING_ASYNC_CANCEL_OP
#define IORING_ASYNC_CANCEL_OP (1u << 5)  // Linux 6.6
#endif

namespace pelton::io::abi_supplement {

// NOLINTBEGIN(readability-identifier-naming): the kernel's names.
inline constexpr int IORING_OP_READ_MULTISHOT = 49;     // Linux 6.7
inline constexpr int IORING_OP_WAITID = 50;             // Linux 6.7
inline constexpr int IORING_OP_FUTEX_WAIT = 51;         // Linux 6.7
inline constexpr int IORING_OP_FUTEX_WAKE = 52;         // Linux 6.7
inline constexpr int IORING_OP_FUTEX_WAITV = 53;        // Linux 6.7
inline constexpr int IORING_OP_FIXED_FD_INSTALL = 54;   // Linux 6.8
inline constexpr int IORING_OP_FTRUNCATE = 55;          // Linux 6.9
inline constexpr int IORING_OP_BIND = 56;               // Linux 6.11
inline constexpr int IORING_OP_LISTEN = 57;             // Linux 6.11
inline constexpr int IORING_OP_RECV_ZC = 58;            // Linux 6.15
inline constexpr int IORING_OP_EPOLL_WAIT = 59;         // Linux 6.15
inline constexpr int IORING_OP_READV_FIXED = 60;        // Linux 6.15
inline constexpr int IORING_OP_WRITEV_FIXED = 61;       // Linux 6.15
inline constexpr int IORING_OP_PIPE = 62;               // Linux 6.16
inline constexpr int IORING_REGISTER_PBUF_STATUS = 26;  // Linux 6.8
inline constexpr int IORING_REGISTER_NAPI = 27;         // Linux 6.9
inline constexpr int IORING_UNREGISTER_NAPI = 28;
inline constexpr int IORING_REGISTER_CLONE_BUFFERS = 30;  // Linux 6.12
inline constexpr int IORING_REGISTER_RESIZE_RINGS = 33;   // Linux 6.13
inline constexpr int IORING_REGISTER_MEM_REGION = 34;     // Linux 6.13
inline constexpr int IORING_MEM_REGION_TYPE_USER = 1;
inline constexpr int IORING_MEM_REGION_REG_WAIT_ARG = 1;
inline constexpr int IOU_PBUF_RING_INC = 2;           // Linux 6.12
inline constexpr int SOCKET_URING_OP_SIOCINQ = 0;     // Linux 6.5
inline constexpr int SOCKET_URING_OP_SIOCOUTQ = 1;    // Linux 6.5
inline constexpr int SOCKET_URING_OP_GETSOCKOPT = 2;  // Linux 6.7
inline constexpr int SOCKET_URING_OP_SETSOCKOPT = 3;  // Linux 6.7
// NOLINTEND(readability-identifier-naming)

}  // namespace pelton::io::abi_supplement

// Only `::NAME` looks into it, and only when no header declares NAME.
using namespace pelton::io::abi_supplement;  // NOLINT(google-build-using-namespace)

namespace pelton::io::abi {

// Of IORING_REGISTER_NAPI.
struct Napi {
  uint32_t busy_poll_us;
  uint8_t prefer_busy_poll;
  uint8_t padding[3];
  uint64_t reserved;
};
static_assert(sizeof(Napi) == 16);

// Of IORING_REGISTER_PBUF_RING.
struct BufferRingRegistration {
  uint64_t address;
  uint32_t entries;
  uint16_t group;
  uint16_t flags;  // IOU_PBUF_RING_*
  uint64_t reserved[3];
};
static_assert(sizeof(BufferRingRegistration) == sizeof(io_uring_buf_reg));

// Of IORING_REGISTER_PBUF_STATUS.
struct BufferStatus {
  uint32_t group;
  uint32_t head;
  uint32_t reserved[8];
};
static_assert(sizeof(BufferStatus) == 40);

// Of IORING_REGISTER_CLONE_BUFFERS.
struct CloneBuffers {
  uint32_t source_descriptor;
  uint32_t flags;
  uint32_t source_offset;
  uint32_t offset;
  uint32_t count;
  uint32_t padding[3];
};
static_assert(sizeof(CloneBuffers) == 32);

// Of IORING_REGISTER_MEM_REGION: where a region lies, and what it is for.
struct Region {
  uint64_t address;
  uint64_t bytes;
  uint32_t flags;  // IORING_MEM_REGION_TYPE_*
  uint32_t id;
  uint64_t map_offset;
  uint64_t reserved[4];
};
static_assert(sizeof(Region) == 64);
struct MemoryRegion {
  uint64_t region;  // address of a Region
  uint64_t flags;   // IORING_MEM_REGION_REG_*
  uint64_t reserved[2];
};
static_assert(sizeof(MemoryRegion) == 32);

}  // namespace pelton::io::abi

#endif  // PELTON_IO_URING_ABI_H_
