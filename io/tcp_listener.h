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
#include "io/socket_address.h"
#include "io/tcp_acceptor.h"
#include "io/tcp_stream.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {

class TcpListener {
 public:
  struct Options {
    // Connections that wait to be accepted; the kernel caps it at net.core.somaxconn.
    int backlog = 4096;
    // Whether other shards of this process listen on the same port, too. Without it, the listener
    // takes all connections.
    bool every_shard = true;
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

  TcpListener(TcpListener&& other) noexcept : acceptor_(std::exchange(other.acceptor_, nullptr)) {}
  TcpListener& operator=(TcpListener&& other) noexcept {
    std::swap(acceptor_, other.acceptor_);
    return *this;
  }
  ~TcpListener() {
    if (acceptor_ != nullptr) acceptor_->Abandon();
  }

  // Suspends until a connection arrives: absl::StatusOr<TcpStream>. When descriptors run out
  // (EMFILE, ENFILE) it pauses until some are free and says so on stderr; connections wait in the
  // backlog meanwhile. A drain interrupts it (UNAVAILABLE).
  io::AcceptAwaiter Accept() { return io::AcceptAwaiter(*acceptor_); }

  // Accepts until the task is told to stop; runs `handler(TcpStream)`, which returns a
  // Task<absl::Status> or Task<void>, for each connection in `scope`; a handler that fails ends its
  // own connection alone. Waits for room when the scope has a limit. At the end it takes what the
  // kernel had accepted already, closes the socket, and joins the scope. Yields OK after a drain;
  // the error that ended it otherwise.
  template <typename Handler>
  Task<absl::Status> ForEach(TaskScope& scope, Handler handler);

  // The address bound, with the port that the kernel chose.
  const SocketAddress& address() const { return acceptor_->address(); }

 private:
  explicit TcpListener(io::TcpAcceptor* acceptor) : acceptor_(acceptor) {}

  io::TcpAcceptor* acceptor_ = nullptr;
};

template <typename Handler>
Task<absl::Status> TcpListener::ForEach(TaskScope& scope, Handler handler) {
  absl::Status status;
  while (true) {
    status = co_await scope.WaitForRoom();
    if (!status.ok()) break;
    absl::StatusOr<TcpStream> stream = co_await Accept();
    if (!stream.ok()) {
      status = stream.status();
      break;
    }
    scope.SpawnContained(handler, *std::move(stream));
  }
  const TaskContext& flow = Scheduler::Current()->current_context();
  if (flow.StoppedFrom(StopPhase::kAccepting)) {
    status = flow.stop_reason() == StopReason::kDraining ? absl::OkStatus() : flow.StopStatus();
    if (!flow.StoppedFrom(StopPhase::kEverything)) {
      acceptor_->StopHandshakes();
      co_await acceptor_->StopAccepting();
      // Their handshake is done: to close the socket now would reset them.
      acceptor_->AcceptRemaining(
          [&](TcpStream stream) { scope.SpawnContained(handler, std::move(stream)); });
    }
  } else if (!status.ok()) {
    scope.Cancel();
  }
  std::exchange(acceptor_, nullptr)->Abandon();
  const absl::Status joined = co_await scope.Join();
  co_return status.ok() ? joined : status;
}

}  // namespace pelton

#endif  // PELTON_IO_TCP_LISTENER_H_
