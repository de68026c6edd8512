// Values of the io_uring ABI that the packaged liburing (2.3) and kernel headers (6.1) lack. When
// newer headers are installed, their own names win.
//
// Source: include/uapi/linux/io_uring.h of Linux; man io_uring_setup(2), io_uring_enter(2).

#ifndef PELTON_IO_URING_ABI_H_
#define PELTON_IO_URING_ABI_H_

#include <liburing.h>

#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1u << 17)  // Linux 6.15
#endif
#ifndef IORING_ENTER_NO_IOWAIT
// Linux 6.15: a sleeping ring does not count as waiting for a disk
#define IORING_ENTER_NO_IOWAIT (1u << 7)
#endif
#ifndef IORING_SEND_ZC_REPORT_USAGE
#define IORING_SEND_ZC_REPORT_USAGE (1u << 3)  // Linux 6.2
#define IORING_NOTIF_USAGE_ZC_COPIED (1u << 31)
#endif

// Operation codes are members of an enumeration, which the preprocessor does not see: newer ones are
// told by a macro of the release that brought them.
#ifndef IORING_RECVSEND_BUNDLE
inline constexpr int IORING_OP_FTRUNCATE = 55;  // Linux 6.9
#endif

#endif  // PELTON_IO_URING_ABI_H_
