// SocketOptions: what can be set on a stream socket, with units, and only what is mentioned.
//
//   stream.SetOptions({.no_delay = true, .keep_alive = KeepAlive{.idle = absl::Seconds(30)}});
//   TcpListener::Bind("*:80", {.accepted = {.user_timeout = absl::Seconds(20)}});
//   TcpStream::Connect(address, {.socket = {.congestion_control = "cubic"}});
//
// Shard affinity: a value. Source: man socket(7), tcp(7).

#ifndef PELTON_IO_STREAM_SOCKET_OPTIONS_H_
#define PELTON_IO_STREAM_SOCKET_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace pelton {

// Asks a silent TCP peer whether it is still there, and ends the connection (ETIMEDOUT) when it does
// not answer. Times are of whole seconds, at least one.
struct KeepAlive {
  bool enabled = true;
  absl::Duration idle = absl::Minutes(2);       // silence before the first question
  absl::Duration interval = absl::Seconds(15);  // between questions
  int count = 4;                                // questions without an answer
};

struct SocketOptions {
  // Of the kernel, in bytes, of which its own bookkeeping takes half (SO_SNDBUF, SO_RCVBUF). The
  // kernel caps them at net.core.wmem_max and rmem_max, and stops to tune a size that was set.
  std::optional<size_t> send_buffer;
  std::optional<size_t> receive_buffer;
  // How long closing tells the kernel to go on sending what is unsent; 0 resets the connection at
  // once. Of whole seconds (SO_LINGER).
  std::optional<absl::Duration> linger;
  // Of the packets in the machine's queues; above 6 it takes CAP_NET_ADMIN (SO_PRIORITY).
  std::optional<int> priority;
  // For routing and filtering; takes CAP_NET_ADMIN (SO_MARK).
  std::optional<uint32_t> mark;
  // How long a wait for input looks at the device before it sleeps (SO_BUSY_POLL). Costs a CPU;
  // raising it takes CAP_NET_ADMIN.
  std::optional<absl::Duration> busy_poll;

  // Of TCP alone.

  std::optional<bool> no_delay;  // sends small segments at once (TCP_NODELAY)
  // Gathers what is written until it is turned off, 200 ms at most (TCP_CORK).
  std::optional<bool> cork;
  // Acknowledges at once, for as long as the kernel likes (TCP_QUICKACK).
  std::optional<bool> quick_ack;
  std::optional<KeepAlive> keep_alive;
  // How long sent bytes may stay without an acknowledgement before the connection ends with
  // ETIMEDOUT, in milliseconds; 0 leaves it to the kernel, some 15 minutes (TCP_USER_TIMEOUT).
  std::optional<absl::Duration> user_timeout;
  std::string congestion_control;  // "cubic", "bbr", ...; empty leaves it alone
};

// Sets what `options` holds on the socket `descriptor`, in the order above, up to the first error;
// `subject` names the socket in it. ERRORS: InvalidArgument for a value that has no such meaning, and
// for options of TCP on another socket (EOPNOTSUPP, ENOPROTOOPT); NotFound for a congestion control
// that the kernel does not have (ENOENT); PERMISSION_DENIED (EPERM); each names the option.
absl::Status ApplySocketOptions(int descriptor, const SocketOptions& options,
                                std::string_view subject);

namespace io {

// setsockopt(2) of one integer. ERRORS: the errno, with "set NAME of SUBJECT".
absl::Status SetIntegerOption(int descriptor, int level, int option, int value,
                              std::string_view name, std::string_view subject);

// `duration` in `unit`s, rounded up, as an option takes it. ERRORS: InvalidArgument when it is
// negative, infinite or too long.
absl::StatusOr<int> DurationOption(absl::Duration duration, absl::Duration unit,
                                   std::string_view name, std::string_view subject);

}  // namespace io

}  // namespace pelton

#endif  // PELTON_IO_STREAM_SOCKET_OPTIONS_H_
