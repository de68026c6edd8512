// UnixListener: accepts connections of local processes on a path or an abstract name. All shards
// share one socket, and give connections to each other as the shards of a TcpListener do.
//
//   PELTON_CO_ASSIGN_OR_RETURN(auto listener, UnixListener::Bind("/run/service.sock"));
//   TaskScope connections;
//   co_return co_await listener.ForEach(connections, Echo);
//
// The file that a process left behind when it was killed is replaced; one that a living process
// listens on is not. It is removed when the listener of the shard that made it ends, unless it was
// replaced.
//
// Shard affinity: the shard that binds it.
// Ownership: movable; destroying it closes the socket. Connections that were accepted and not taken
// are closed.

#ifndef PELTON_IO_STREAM_UNIX_LISTENER_H_
#define PELTON_IO_STREAM_UNIX_LISTENER_H_

#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/status.h"
#include "io/stream/acceptor.h"
#include "io/stream/serve_connections.h"
#include "io/stream/socket_options.h"
#include "io/stream/unix_stream.h"
#include "io/unix_address.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {

namespace io {

// Awaits the next local connection.
class [[nodiscard("co_await it")]] UnixAcceptAwaiter final : public AcceptAwaiter {
 public:
  using AcceptAwaiter::AcceptAwaiter;

  absl::StatusOr<UnixStream> await_resume() {
    PELTON_ASSIGN_OR_RETURN(const int descriptor, Take());
    return Adopt(descriptor, acceptor());
  }
  // The stream of a connection that `acceptor` has accepted.
  static UnixStream Adopt(int descriptor, const Acceptor& acceptor);
};

}  // namespace io

class UnixListener {
 public:
  struct Options {
    // Connections that wait to be accepted; the kernel caps it at net.core.somaxconn. A client that
    // comes when so many wait is told to try again (EAGAIN), or waits if it blocks.
    int backlog = 4096;
    // As of TcpListener::Options.
    bool every_shard = true;
    bool balance = true;
    // Who may connect: the file's permissions, such as 0660; nothing: what the umask leaves.
    std::optional<unsigned> permissions;
  };

  // Listens on a path, or on an abstract name: "@NAME". On a Runtime's shards, the service's
  // `listening on` line is printed when all shards have bound. ERRORS: InvalidArgument (not an
  // address), ALREADY_EXISTS (EADDRINUSE: somebody listens there, or it is no socket), NOT_FOUND (no
  // such directory), PERMISSION_DENIED, ...; the message names the address.
  static absl::StatusOr<UnixListener> Bind(std::string_view address) {
    return Bind(address, Options());
  }
  static absl::StatusOr<UnixListener> Bind(std::string_view address, const Options& options);

  UnixListener(UnixListener&& other) noexcept
      : acceptor_(std::exchange(other.acceptor_, nullptr)), address_(other.address_) {}
  UnixListener& operator=(UnixListener&& other) noexcept {
    std::swap(acceptor_, other.acceptor_);
    std::swap(address_, other.address_);
    return *this;
  }
  ~UnixListener() {
    if (acceptor_ != nullptr) acceptor_->Abandon();
  }

  // Suspends until a connection arrives: absl::StatusOr<UnixStream>. Pauses and stops as
  // TcpListener::Accept() does.
  io::UnixAcceptAwaiter Accept() { return io::UnixAcceptAwaiter(*acceptor_); }
  // As TcpListener::ForEach(), with a `handler(UnixStream)`.
  template <typename Handler>
  Task<absl::Status> ForEach(TaskScope& scope, Handler handler) {
    return io::ServeConnections<io::UnixAcceptAwaiter>(acceptor_, scope, std::move(handler));
  }

  // The address bound.
  const UnixAddress& address() const { return address_; }

 private:
  UnixListener(io::Acceptor* acceptor, const UnixAddress& address)
      : acceptor_(acceptor), address_(address) {}

  io::Acceptor* acceptor_ = nullptr;
  UnixAddress address_;
};

}  // namespace pelton

#endif  // PELTON_IO_STREAM_UNIX_LISTENER_H_
