#include "io/listener_registry.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "framework/base/status.h"
#include "framework/base/strings.h"

namespace pelton::io {
namespace {

// Sets what a listening socket hands down to those that it accepts, and how it accepts.
absl::Status SetOptions(int descriptor, const ListenOptions& options, const std::string& name) {
  if (options.accepted.quick_ack.has_value() || options.accepted.cork.has_value() ||
      options.accepted.priority.has_value()) {
    return absl::InvalidArgumentError("listen on " + name +
                                      ": SO_PRIORITY, TCP_QUICKACK and TCP_CORK are of one "
                                      "connection: set them on the streams accepted");
  }
  PELTON_RETURN_IF_ERROR(ApplySocketOptions(descriptor, options.accepted, name));
  if (options.fast_open > 0) {
    PELTON_RETURN_IF_ERROR(SetIntegerOption(descriptor, IPPROTO_TCP, TCP_FASTOPEN,
                                            options.fast_open, "TCP_FASTOPEN", name));
  }
  if (options.defer_accept == absl::ZeroDuration()) return absl::OkStatus();
  PELTON_ASSIGN_OR_RETURN(const int seconds, DurationOption(options.defer_accept, absl::Seconds(1),
                                                            "TCP_DEFER_ACCEPT", name));
  return SetIntegerOption(descriptor, IPPROTO_TCP, TCP_DEFER_ACCEPT, seconds, "TCP_DEFER_ACCEPT",
                          name);
}

absl::Status BindAndListen(int descriptor, const SocketAddress& address,
                           const ListenOptions& options, bool reuse_port) {
  const std::string name = address.ToString();
  PELTON_RETURN_IF_ERROR(
      SetIntegerOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR", name));
  if (reuse_port) {
    PELTON_RETURN_IF_ERROR(
        SetIntegerOption(descriptor, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT", name));
  }
  if (address.IsIpv6()) {
    PELTON_RETURN_IF_ERROR(
        SetIntegerOption(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0, "IPV6_V6ONLY", name));
  }
  PELTON_RETURN_IF_ERROR(SetOptions(descriptor, options, name));
  if (::bind(descriptor, address.data(), address.size()) != 0) {
    return ErrnoToStatus(errno, "bind", name);
  }
  if (::listen(descriptor, options.backlog) != 0) {
    return ErrnoToStatus(errno, "listen on", name);
  }
  return absl::OkStatus();
}

absl::StatusOr<ListeningSocket> OpenListener(const SocketAddress& address,
                                             const ListenOptions& options, bool reuse_port) {
  const int descriptor =
      ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (descriptor < 0) return ErrnoToStatus(errno, "socket for", address.ToString());
  absl::Status status = BindAndListen(descriptor, address, options, reuse_port);
  if (status.ok()) {
    absl::StatusOr<SocketAddress> bound = LocalAddressOf(descriptor);
    if (bound.ok()) return ListeningSocket{descriptor, *bound, SharedPlace()};
    status = bound.status();
  }
  ::close(descriptor);
  return status;
}

absl::Status BindDatagrams(int descriptor, const SocketAddress& address, bool reuse_port) {
  const std::string name = address.ToString();
  if (reuse_port) {
    PELTON_RETURN_IF_ERROR(
        SetIntegerOption(descriptor, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT", name));
  }
  if (address.IsIpv6()) {
    PELTON_RETURN_IF_ERROR(
        SetIntegerOption(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0, "IPV6_V6ONLY", name));
  }
  if (::bind(descriptor, address.data(), address.size()) == 0) return absl::OkStatus();
  return ErrnoToStatus(errno, "bind", name);
}

// No SO_REUSEADDR: for datagrams it would let others have the port, too.
absl::StatusOr<ListeningSocket> OpenUdp(const SocketAddress& address, bool reuse_port) {
  const int descriptor =
      ::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
  if (descriptor < 0) return ErrnoToStatus(errno, "socket for", address.ToString());
  absl::Status status = BindDatagrams(descriptor, address, reuse_port);
  if (status.ok()) {
    absl::StatusOr<SocketAddress> bound = LocalAddressOf(descriptor);
    if (bound.ok()) return ListeningSocket{descriptor, *bound, SharedPlace()};
    status = bound.status();
  }
  ::close(descriptor);
  return status;
}

}  // namespace

absl::StatusOr<ListeningSocket> BindUdp(const SocketAddress& address, bool reuse_port,
                                        bool check_free) {
  if (reuse_port && check_free && address.port() != 0) {
    PELTON_ASSIGN_OR_RETURN(ListeningSocket probe, OpenUdp(address, /*reuse_port=*/false));
    ::close(probe.descriptor);
  }
  return OpenUdp(address, reuse_port);
}

absl::StatusOr<ListeningSocket> Listen(const SocketAddress& address, const ListenOptions& options,
                                       bool reuse_port, bool check_free) {
  if (reuse_port && check_free && address.port() != 0) {
    // SO_REUSEPORT would silently share the port with another process of this user, a second copy
    // of this service, say.
    PELTON_ASSIGN_OR_RETURN(ListeningSocket probe,
                            OpenListener(address, options, /*reuse_port=*/false));
    ::close(probe.descriptor);
  }
  return OpenListener(address, options, reuse_port);
}

ListenerRegistry::~ListenerRegistry() {
  for (const Listener& listener : listeners_) {
    if (listener.descriptor >= 0) ::close(listener.descriptor);
  }
}

ListenerRegistry::Listener* ListenerRegistry::FindUnbound(std::string_view text, ShardId shard) {
  const auto found = std::find_if(listeners_.begin(), listeners_.end(), [&](const Listener& at) {
    return at.text == text && std::find(at.bound.begin(), at.bound.end(), shard) == at.bound.end();
  });
  return found == listeners_.end() ? nullptr : &*found;
}

ListenerRegistry::Listener& ListenerRegistry::Add(std::string_view text) {
  return listeners_.emplace_back(Listener{
      .text = std::string(text),
      .address = SocketAddress(),
      .descriptor = -1,
      .bound = {},
      .shared =
          hand_over_ == nullptr ? nullptr : std::make_unique<SharedListener>(shards_, hand_over_)});
}

// Notes that `shard` has bound `listener`, whose address is `name`.
SharedPlace ListenerRegistry::Bound(Listener& listener, std::string_view name, bool balance,
                                    ShardId shard) {
  listener.bound.push_back(shard);
  if (listener.bound.size() == shards_) announce_(argument_, name, shards_);
  if (!balance || shards_ == 1) return SharedPlace();
  return {listener.shared.get(), shard};
}

absl::StatusOr<ListeningSocket> ListenerRegistry::Bind(std::string_view text,
                                                       const SocketAddress& address,
                                                       const ListenOptions& options,
                                                       bool every_shard, bool balance,
                                                       ShardId shard) {
  if (!every_shard) {
    PELTON_ASSIGN_OR_RETURN(ListeningSocket socket, Listen(address, options, false, false));
    announce_(argument_, socket.address.ToString(), 1);
    return socket;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  Listener* listener = FindUnbound(text, shard);
  const bool first = listener == nullptr;
  PELTON_ASSIGN_OR_RETURN(ListeningSocket socket, Listen(first ? address : listener->address,
                                                         options, /*reuse_port=*/true, first));
  if (first) {
    listener = &Add(text);
    listener->address = socket.address;
  }
  socket.place = Bound(*listener, socket.address.ToString(), balance, shard);
  return socket;
}

absl::StatusOr<ListeningSocket> ListenerRegistry::BindUdp(std::string_view text,
                                                          const SocketAddress& address,
                                                          ShardId shard) {
  // A listener for connections on the same text is another one.
  const std::string key = "udp " + std::string(text);
  const std::lock_guard<std::mutex> lock(mutex_);
  Listener* listener = FindUnbound(key, shard);
  const bool first = listener == nullptr;
  PELTON_ASSIGN_OR_RETURN(ListeningSocket socket, io::BindUdp(first ? address : listener->address,
                                                              /*reuse_port=*/true, first));
  if (first) {
    listener = &Add(key);
    listener->address = socket.address;
  }
  Bound(*listener, socket.address.ToString(), /*balance=*/false, shard);
  return socket;
}

absl::StatusOr<ListenerRegistry::LocalSocket> ListenerRegistry::BindLocal(
    std::string_view text, OpenFunction open, void* context, bool every_shard, bool balance,
    ShardId shard) {
  if (!every_shard) {
    PELTON_ASSIGN_OR_RETURN(const int descriptor, open(context));
    announce_(argument_, text, 1);
    return LocalSocket{descriptor, SharedPlace(), true};
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  Listener* listener = FindUnbound(text, shard);
  const bool first = listener == nullptr;
  int descriptor;
  if (first) {
    PELTON_ASSIGN_OR_RETURN(descriptor, open(context));
    listener = &Add(text);
    // For the others, who may come after the first one has ended.
    if (shards_ > 1) listener->descriptor = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  } else {
    descriptor = ::fcntl(listener->descriptor, F_DUPFD_CLOEXEC, 0);
  }
  if (descriptor < 0 || (shards_ > 1 && listener->descriptor < 0)) {
    return ErrnoToStatus(errno, "duplicate the socket that listens on", text);
  }
  const SharedPlace place = Bound(*listener, text, balance, shard);
  if (listener->bound.size() == shards_ && listener->descriptor >= 0) {
    ::close(std::exchange(listener->descriptor, -1));
  }
  return LocalSocket{descriptor, place, first};
}

}  // namespace pelton::io
