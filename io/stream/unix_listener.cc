#include "io/stream/unix_listener.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include "io/descriptor_passing.h"
#include "io/listener_registry.h"
#include "io/reactor.h"
#include "io/unix_socket_file.h"

namespace pelton {
namespace io {
namespace {

// A bound and listening socket, and its file if it has one.
struct LocalListener {
  OwnedDescriptor descriptor;
  UnixSocketFile file;
};

absl::StatusOr<LocalListener> ListenLocally(const UnixAddress& address,
                                            const UnixListener::Options& options) {
  const std::string name = address.ToString();
  LocalListener listener;
  listener.descriptor =
      OwnedDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int fd = listener.descriptor.get();
  if (fd < 0) return ErrnoToStatus(errno, "socket for", name);
  PELTON_ASSIGN_OR_RETURN(listener.file, UnixSocketFile::Bind(fd, address));
  // Nobody can connect before it listens, whatever the umask has left.
  int error = 0;
  const char* failed = "set the permissions of";
  if (options.permissions.has_value() && listener.file.exists() &&
      ::chmod(std::string(address.name()).c_str(), *options.permissions) != 0) {
    error = errno;
  } else if (::listen(fd, options.backlog) != 0) {
    failed = "listen on";
    error = errno;
  }
  if (error == 0) return listener;
  (void)listener.file.Remove();  // what stays is replaced by the next one
  return ErrnoToStatus(error, failed, name);
}

// What the first shard listens on, and the file that it makes.
struct Opening {
  static absl::StatusOr<int> Open(void* context) {
    auto& self = *static_cast<Opening*>(context);
    PELTON_ASSIGN_OR_RETURN(LocalListener listener, ListenLocally(self.address, self.options));
    self.file = listener.file;
    return listener.descriptor.Release();
  }

  const UnixAddress& address;
  const UnixListener::Options& options;
  UnixSocketFile file;
};

}  // namespace

UnixStream UnixAcceptAwaiter::Adopt(int descriptor, const Acceptor& acceptor) {
  const absl::StatusOr<UnixAddress> peer = PeerUnixAddressOf(descriptor);
  return UnixStream::Adopt(descriptor, peer.ok() ? *peer : UnixAddress(), acceptor.count());
}

}  // namespace io

absl::StatusOr<UnixListener> UnixListener::Bind(std::string_view text, const Options& options) {
  PELTON_ASSIGN_OR_RETURN(const UnixAddress address, UnixAddress::Parse(text));
  io::Opening opening = {.address = address, .options = options, .file = {}};
  const io::Reactor::Options& shard = io::Reactor::Current()->options();
  io::Acceptor::Socket socket = {
      .descriptor = -1, .name = address.ToString(), .place = {}, .file = std::nullopt};
  if (shard.listeners == nullptr) {
    PELTON_ASSIGN_OR_RETURN(socket.descriptor, io::Opening::Open(&opening));
  } else {
    PELTON_ASSIGN_OR_RETURN(
        const io::ListenerRegistry::LocalSocket local,
        shard.listeners->BindLocal(socket.name, &io::Opening::Open, &opening, options.every_shard,
                                   options.balance, shard.shard));
    socket.descriptor = local.descriptor;
    socket.place = local.place;
  }
  if (opening.file.exists()) socket.file = opening.file;
  return UnixListener(new io::Acceptor(std::move(socket)), address);
}

}  // namespace pelton
