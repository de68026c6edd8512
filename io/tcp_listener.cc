#include "io/tcp_listener.h"

#include "framework/base/status.h"
#include "io/listener_registry.h"
#include "io/reactor.h"

namespace pelton {

absl::StatusOr<TcpListener> TcpListener::Bind(std::string_view text, const Options& options) {
  PELTON_ASSIGN_OR_RETURN(const SocketAddress address, SocketAddress::Parse(text));
  const io::Reactor::Options& shard = io::Reactor::Current()->options();
  absl::StatusOr<io::ListeningSocket> socket =
      shard.listeners != nullptr
          ? shard.listeners->Bind(text, address, options.backlog, options.every_shard, shard.shard)
          : io::Listen(address, options.backlog, /*reuse_port=*/false, /*check_free=*/false);
  PELTON_RETURN_IF_ERROR(socket.status());
  return TcpListener(new io::TcpAcceptor(socket->descriptor, socket->address));
}

}  // namespace pelton
