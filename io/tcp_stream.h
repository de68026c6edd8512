// TcpStream: one TCP connection over IPv4 or IPv6. Reading and writing: io/stream/socket_stream.h.
//
//   PELTON_CO_ASSIGN_OR_RETURN(TcpStream stream, co_await TcpStream::Connect(address));
//   PELTON_CO_RETURN_IF_ERROR(co_await stream.Write("hello"));
//   PELTON_CO_ASSIGN_OR_RETURN(Chunk bytes, co_await stream.Read());
//
// Shard affinity, ownership, invariants, errors and cost: of SocketStream.

#ifndef PELTON_IO_TCP_STREAM_H_
#define PELTON_IO_TCP_STREAM_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/socket_address.h"
#include "io/stream/socket_options.h"
#include "io/stream/socket_stream.h"
#include "io/stream/tcp_info.h"
#include "io/tcp_connection.h"
#include "sched/task.h"

namespace pelton {

class TcpStream final : public SocketStream {
 public:
  struct ConnectOptions {
    // The address to connect from; its port may be 0.
    std::optional<SocketAddress> source;
    // Set before connecting, so that buffer sizes take effect.
    SocketOptions socket;
    // Lets the first write go out with the handshake, where the peer has given a cookie before and
    // net.ipv4.tcp_fastopen allows it (TCP_FASTOPEN_CONNECT, RFC 7413). Connecting then yields at
    // once, and its errors come at the first write or read. What is written first may arrive twice.
    bool fast_open = false;
  };

  // No connection.
  TcpStream() = default;

  // Connects to `address`. ERRORS: the kernel's (UNAVAILABLE for ECONNREFUSED, ...), those of
  // bind(2) for a source address, of ApplySocketOptions(), or the stop status.
  static Task<absl::StatusOr<TcpStream>> Connect(SocketAddress address);
  static Task<absl::StatusOr<TcpStream>> Connect(SocketAddress address, ConnectOptions options);

  // Sends small segments at once instead of gathering them (TCP_NODELAY).
  absl::Status SetNoDelay(bool enabled) { return SetOptions({.no_delay = enabled}); }

  // What the kernel knows of the connection: round-trip time, losses, windows, bytes. ERRORS: the
  // errno of getsockopt. COST: a system call, about a microsecond.
  absl::StatusOr<TcpInfo> Info() const;

  absl::StatusOr<SocketAddress> local_address() const;
  const SocketAddress& peer_address() const {
    return static_cast<const io::TcpConnection&>(connection()).peer();
  }

  // For TcpListener: takes the descriptor of an accepted connection over; `count` as in
  // io::StreamConnection.
  static TcpStream Adopt(int descriptor, const SocketAddress& peer,
                         io::ConnectionCount* count = nullptr) {
    return TcpStream(new io::TcpConnection(descriptor, peer, count));
  }

 private:
  explicit TcpStream(io::TcpConnection* connection) : SocketStream(connection) {}
};

}  // namespace pelton

#endif  // PELTON_IO_TCP_STREAM_H_
