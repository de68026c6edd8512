// The record behind a TcpListener: the listening socket, its accept operation, and the connections
// that nobody has taken yet. Private to io.
//
// Shard affinity: the shard that made it. Ownership: the TcpListener's until it is abandoned, then
// its own, like a TcpConnection.

#ifndef PELTON_IO_TCP_ACCEPTOR_H_
#define PELTON_IO_TCP_ACCEPTOR_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "framework/base/log.h"
#include "io/operation.h"
#include "io/reactor.h"
#include "io/socket_address.h"
#include "io/tcp_stream.h"
#include "sched/scheduler.h"

namespace pelton::io {

class AcceptAwaiter;
struct DebugAccess;

class TcpAcceptor final : private Operation, private Timer {
 public:
  // Takes the listening descriptor over.
  TcpAcceptor(int descriptor, const SocketAddress& address);

  void Abandon();

  const SocketAddress& address() const { return address_; }
  int descriptor() const { return Operation::descriptor; }

  bool HasConnection() const { return taken_ < accepted_.size() || error_ != 0; }
  // REQUIRES: HasConnection().
  absl::StatusOr<TcpStream> Take();
  void AwaitConnection(AcceptAwaiter* waiter);
  void ForgetWaiter() { waiter_ = nullptr; }
  bool has_waiter() const { return waiter_ != nullptr; }

  // Lets no new handshake begin; one that has begun still ends, and its connection waits to be
  // accepted. A client that comes now tries again a second later, and is refused then.
  void StopHandshakes();

  // Ends the accept operation, if one is going on, and suspends until the kernel has let go of it.
  class StopAwaiter;
  StopAwaiter StopAccepting();

  // Calls f(TcpStream) for every connection that has been accepted or whose handshake is done. Does
  // not wait.
  // REQUIRES: StopAccepting() was awaited.
  template <typename F>
  void AcceptRemaining(F&& f) {
    while (taken_ < accepted_.size() || AcceptNow()) {
      absl::StatusOr<TcpStream> stream = Take();
      if (stream.ok()) f(*std::move(stream));
    }
  }

 private:
  // Connections accepted and not taken after which accepting pauses: the rest waits in the kernel's
  // backlog.
  static constexpr size_t kAcceptedLimit = 1024;
  // How long accepting pauses when descriptors or memory run out.
  static constexpr int64_t kPauseNs = 50'000'000;

  ~TcpAcceptor() = default;

  void OnCompletion(const Completion& completion) override;
  void OnError(int error);
  void Fire() override;
  void StartAccepting();
  bool AcceptNow();
  void Close();

  const SocketAddress address_;
  std::vector<int> accepted_;  // descriptors; those before taken_ are taken
  size_t taken_ = 0;
  int error_ = 0;
  bool paused_ = false;
  bool abandoned_ = false;
  AcceptAwaiter* waiter_ = nullptr;
  StopAwaiter* stop_waiter_ = nullptr;
  RateLimit pause_message_{10'000'000'000};
};

// Awaits the next connection.
class [[nodiscard("co_await it")]] AcceptAwaiter final : private Suspension {
 public:
  explicit AcceptAwaiter(TcpAcceptor& acceptor)
      : Suspension(StopPhase::kAccepting), acceptor_(acceptor) {}

  bool await_ready() const noexcept {
    return acceptor_.HasConnection() && !Scheduler::Current()->Due();
  }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    PELTON_CHECK(!acceptor_.has_waiter()) << "two tasks accept from one TcpListener";
    if (acceptor_.HasConnection() || StoppedBeforeWaiting()) return Requeue(task.promise());
    Suspend(task.promise());
    acceptor_.AwaitConnection(this);
  }
  absl::StatusOr<TcpStream> await_resume() {
    if (acceptor_.HasConnection()) [[likely]]
      return acceptor_.Take();
    return Scheduler::Current()->current_context().StopStatus();
  }
  void OnConnection() { Resume(); }

 private:
  friend struct DebugAccess;

  void Interrupt() override {
    acceptor_.ForgetWaiter();
    Resume();
  }
  void Describe(std::ostream& out) const override {
    out << "a connection to " << acceptor_.address();
  }

  TcpAcceptor& acceptor_;
};

class [[nodiscard("co_await it")]] TcpAcceptor::StopAwaiter final : private Suspension {
 public:
  explicit StopAwaiter(TcpAcceptor& acceptor) : acceptor_(acceptor) {}

  bool await_ready() const noexcept { return acceptor_.Operation::idle(); }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    acceptor_.stop_waiter_ = this;
    Reactor::Current()->Cancel(acceptor_);
    Suspend(task.promise());
  }
  void await_resume() const noexcept {}
  void OnStopped() { Resume(); }

 private:
  void Interrupt() override {}  // it ends by itself, soon
  void Describe(std::ostream& out) const override {
    out << "accepting on " << acceptor_.address() << " to end";
  }

  TcpAcceptor& acceptor_;
};

inline TcpAcceptor::StopAwaiter TcpAcceptor::StopAccepting() { return StopAwaiter(*this); }

}  // namespace pelton::io

#endif  // PELTON_IO_TCP_ACCEPTOR_H_
