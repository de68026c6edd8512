// TcpListener: accepts TCP connections on one shard. Each shard of a service has its own listener
// on the same port, and the kernel spreads the connections over them (SO_REUSEPORT).
//
//   PELTON_CO_ASSIGN_OR_RETURN(auto listener, TcpListener::Bind("0.0.0.0:7000"));
//   TaskScope connections;
//   co_return co_await listener.ForEach(connections, Echo);
//
// Shard affinity: the shard that binds it.
// Ownership: movable; destroying it closes the socket. Connections that were accepted and not taken
// are closed.
// Cost: one multishot operation for all connections, where the kernel can.

#ifndef PELTON_IO_TCP_LISTENER_H_
#define PELTON_IO_TCP_LISTENER_H_

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "framework/base/status.h"
#include "io/socket_address.h"
#include "io/stream/acceptor.h"
#include "io/stream/serve_connections.h"
#include "io/stream/socket_options.h"
#include "io/tcp_stream.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {

namespace io {

// Awaits the next TCP connection.
class [[nodiscard("co_await it")]] TcpAcceptAwaiter final : public AcceptAwaiter {
 public:
  using AcceptAwaiter::AcceptAwaiter;

  absl::StatusOr<TcpStream> await_resume() {
    PELTON_ASSIGN_OR_RETURN(const int descriptor, Take());
    return Adopt(descriptor, acceptor());
  }
  // The stream of a connection that `acceptor` has accepted.
  static TcpStream Adopt(int descriptor, const Acceptor& acceptor);
};

}  // namespace io

class TcpListener {
 public:
  struct Options {
    // Connections that wait to be accepted; the kernel caps it at net.core.somaxconn.
    int backlog = 4096;
    // Whether other shards of this process listen on the same port, too. Without it, the listener
    // takes all connections.
    bool every_shard = true;
    // Whether a shard that has accepted a connection, and has clearly more of this listener's than
    // the least loaded shard, gives it to that one. (The kernel spreads them by a hash, which evens
    // out for many short connections, and not for some long ones.)
    bool balance = true;
    // Connections whose first bytes may come with the handshake (TCP_FASTOPEN, RFC 7413), as many as
    // may wait for the end of that; 0: none. What a client writes so may arrive twice.
    int fast_open = 0;
    // Accepts a connection only when the client has written, or after so long, in whole seconds; 0:
    // at once (TCP_DEFER_ACCEPT).
    absl::Duration defer_accept;
    // For every connection that is accepted, without a system call for each. ERRORS: those of
    // ApplySocketOptions(); InvalidArgument for priority, quick_ack and cork, which are of one connection.
    SocketOptions accepted;
  };

  // Listens on ADDRESS:PORT (see SocketAddress::Parse); port 0 lets the kernel choose, and all
  // shards get the same one. An IPv6 listener on [::] takes IPv4 peers as well. On a Runtime's
  // shards, the service's `listening on` line is printed when all shards have bound.
  // ERRORS: InvalidArgument (not an address), ALREADY_EXISTS (EADDRINUSE: another process listens
  // there), PERMISSION_DENIED (a port below 1024), ...; the message names the address.
  static absl::StatusOr<TcpListener> Bind(std::string_view address) {
    return Bind(address, Options());
  }
  static absl::StatusOr<TcpListener> Bind(std::string_view address, const Options& options);

  TcpListener(TcpListener&& other) noexcept
      : acceptor_(std::exchange(other.acceptor_, nullptr)), address_(other.address_) {}
  TcpListener& operator=(TcpListener&& other) noexcept {
    std::swap(acceptor_, other.acceptor_);
    std::swap(address_, other.address_);
    return *this;
  }
  ~TcpListener() {
    if (acceptor_ != nullptr) acceptor_->Abandon();
  }

  // Suspends until a connection arrives: absl::StatusOr<TcpStream>. When descriptors run out
  // (EMFILE, ENFILE) it pauses until some are free and says so on stderr; connections wait in the
  // backlog meanwhile. A drain interrupts it (UNAVAILABLE).
  io::TcpAcceptAwaiter Accept() { return io::TcpAcceptAwaiter(*acceptor_); }

  // Accepts until the task is told to stop; runs `handler(TcpStream)`, which returns a
  // Task<absl::Status> or Task<void>, for each connection in `scope`; a handler that fails ends its
  // own connection alone. Waits for room when the scope has a limit. At the end it takes what the
  // kernel had accepted already, closes the socket, and joins the scope. Yields OK after a drain;
  // the error that ended it otherwise.
  template <typename Handler>
  Task<absl::Status> ForEach(TaskScope& scope, Handler handler) {
    return io::ServeConnections<io::TcpAcceptAwaiter>(acceptor_, scope, std::move(handler));
  }

  // The address bound, with the port that the kernel chose.
  const SocketAddress& address() const { return address_; }
  // The listening socket, for calls that Pelton does not offer. It stays the listener's.
  int descriptor() const { return acceptor_->descriptor(); }

 private:
  TcpListener(io::Acceptor* acceptor, const SocketAddress& address)
      : acceptor_(acceptor), address_(address) {}

  io::Acceptor* acceptor_ = nullptr;
  SocketAddress address_;
};

}  // namespace pelton

#endif  // PELTON_IO_TCP_LISTENER_H_
