#include "io/tcp_listener.h"

#include "io/listener_registry.h"
#include "io/reactor.h"

namespace pelton {
namespace io {

TcpStream TcpAcceptAwaiter::Adopt(int descriptor, const Acceptor& acceptor) {
  // A peer that has gone already has no address any more; its stream tells so at the first read.
  const absl::StatusOr<SocketAddress> peer = PeerAddressOf(descriptor);
  return TcpStream::Adopt(descriptor, peer.ok() ? *peer : SocketAddress(), acceptor.count());
}

}  // namespace io

absl::StatusOr<TcpListener> TcpListener::Bind(std::string_view text, const Options& options) {
  PELTON_ASSIGN_OR_RETURN(const SocketAddress address, SocketAddress::Parse(text));
  const io::ListenOptions listen = {.backlog = options.backlog,
                                    .fast_open = options.fast_open,
                                    .defer_accept = options.defer_accept,
                                    .accepted = options.accepted};
  const io::Reactor::Options& shard = io::Reactor::Current()->options();
  absl::StatusOr<io::ListeningSocket> socket =
      shard.listeners != nullptr
          ? shard.listeners->Bind(text, address, listen, options.every_shard, options.balance,
                                  shard.shard)
          : io::Listen(address, listen, /*reuse_port=*/false, /*check_free=*/false);
  PELTON_RETURN_IF_ERROR(socket.status());
  return TcpListener(new io::Acceptor({.descriptor = socket->descriptor,
                                       .name = socket->address.ToString(),
                                       .place = socket->place,
                                       .file = std::nullopt}),
                     socket->address);
}

}  // namespace pelton
