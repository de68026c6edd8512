#include "io/tcp_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "framework/base/status.h"
#include "io/stream/connect_awaiter.h"

namespace pelton {
namespace {

// Prepares a socket for connecting to `peer`.
absl::Status Prepare(int descriptor, const TcpStream::ConnectOptions& options,
                     const std::string& peer) {
  PELTON_RETURN_IF_ERROR(ApplySocketOptions(descriptor, options.socket, peer));
  if (options.fast_open) {
    PELTON_RETURN_IF_ERROR(io::SetIntegerOption(descriptor, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1,
                                                "TCP_FASTOPEN_CONNECT", peer));
  }
  if (!options.source.has_value()) return absl::OkStatus();
  // The kernel chooses the port when it connects, so that only the pair of addresses is unique.
  if (options.source->port() == 0) {
    PELTON_RETURN_IF_ERROR(io::SetIntegerOption(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1,
                                                "IP_BIND_ADDRESS_NO_PORT", peer));
  }
  if (::bind(descriptor, options.source->data(), options.source->size()) == 0) {
    return absl::OkStatus();
  }
  return ErrnoToStatus(errno, "bind for connecting to " + peer, options.source->ToString());
}

}  // namespace

Task<absl::StatusOr<TcpStream>> TcpStream::Connect(SocketAddress address) {
  return Connect(address, ConnectOptions());
}

Task<absl::StatusOr<TcpStream>> TcpStream::Connect(SocketAddress address, ConnectOptions options) {
  const int descriptor =
      ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (descriptor < 0) co_return ErrnoToStatus(errno, "socket for", address.ToString());
  // From here on the stream closes the descriptor, also when connecting fails.
  TcpStream stream = Adopt(descriptor, address);
  PELTON_CO_RETURN_IF_ERROR(Prepare(descriptor, options, address.ToString()));
  const int result = co_await io::ConnectAwaiter(stream.connection(), address);
  if (result < 0) co_return stream.connection().OperationError(-result, "connect to");
  co_return std::move(stream);
}

absl::StatusOr<TcpInfo> TcpStream::Info() const {
  absl::StatusOr<TcpInfo> info = TcpInfoOf(descriptor());
  if (!info.ok()) return connection().Error(GetErrno(info.status()), "read TCP_INFO of");
  return info;
}

absl::StatusOr<SocketAddress> TcpStream::local_address() const {
  return LocalAddressOf(descriptor());
}

}  // namespace pelton
