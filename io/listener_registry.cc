#include "io/listener_registry.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "framework/base/status.h"
#include "framework/base/strings.h"

namespace pelton::io {
namespace {

absl::Status SetOption(int descriptor, int level, int option, int value, const char* name,
                       const SocketAddress& address) {
  if (::setsockopt(descriptor, level, option, &value, sizeof(value)) == 0) return absl::OkStatus();
  return ErrnoToStatus(errno, std::string("set ") + name + " of", address.ToString());
}

absl::Status BindAndListen(int descriptor, const SocketAddress& address, int backlog,
                           bool reuse_port) {
  PELTON_RETURN_IF_ERROR(
      SetOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR", address));
  if (reuse_port) {
    PELTON_RETURN_IF_ERROR(
        SetOption(descriptor, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT", address));
  }
  if (address.IsIpv6()) {
    PELTON_RETURN_IF_ERROR(
        SetOption(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0, "IPV6_V6ONLY", address));
  }
  if (::bind(descriptor, address.data(), address.size()) != 0) {
    return ErrnoToStatus(errno, "bind", address.ToString());
  }
  if (::listen(descriptor, backlog) != 0) {
    return ErrnoToStatus(errno, "listen on", address.ToString());
  }
  return absl::OkStatus();
}

absl::StatusOr<ListeningSocket> OpenListener(const SocketAddress& address, int backlog,
                                             bool reuse_port) {
  const int descriptor =
      ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (descriptor < 0) return ErrnoToStatus(errno, "socket for", address.ToString());
  absl::Status status = BindAndListen(descriptor, address, backlog, reuse_port);
  if (status.ok()) {
    absl::StatusOr<SocketAddress> bound = LocalAddressOf(descriptor);
    if (bound.ok()) return ListeningSocket{descriptor, *bound};
    status = bound.status();
  }
  ::close(descriptor);
  return status;
}

}  // namespace

absl::StatusOr<ListeningSocket> Listen(const SocketAddress& address, int backlog, bool reuse_port,
                                       bool check_free) {
  if (reuse_port && check_free && address.port() != 0) {
    // SO_REUSEPORT would silently share the port with another process of this user, a second copy
    // of this service, say.
    PELTON_ASSIGN_OR_RETURN(ListeningSocket probe,
                            OpenListener(address, backlog, /*reuse_port=*/false));
    ::close(probe.descriptor);
  }
  return OpenListener(address, backlog, reuse_port);
}

absl::StatusOr<ListeningSocket> ListenerRegistry::Bind(std::string_view text,
                                                       const SocketAddress& address, int backlog,
                                                       bool every_shard, ShardId shard) {
  if (!every_shard) {
    PELTON_ASSIGN_OR_RETURN(ListeningSocket socket, Listen(address, backlog, false, false));
    announce_(argument_, socket.address, 1);
    return socket;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = std::find_if(listeners_.begin(), listeners_.end(), [&](const Listener& at) {
    return at.text == text && std::find(at.bound.begin(), at.bound.end(), shard) == at.bound.end();
  });
  const bool first = found == listeners_.end();
  PELTON_ASSIGN_OR_RETURN(ListeningSocket socket, Listen(first ? address : found->address, backlog,
                                                         /*reuse_port=*/true, first));
  Listener& listener =
      first ? listeners_.emplace_back(Listener{std::string(text), socket.address, {}}) : *found;
  listener.bound.push_back(shard);
  if (listener.bound.size() == shards_) announce_(argument_, listener.address, shards_);
  return socket;
}

}  // namespace pelton::io
