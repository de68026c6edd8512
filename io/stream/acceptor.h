// The record behind a listener of stream sockets: the listening socket, its accept operation, and the
// connections that nobody has taken yet. Private to io.
//
// Shard affinity: the shard that made it. Ownership: the listener's until it is abandoned, then its
// own, like a StreamConnection.
// Out of descriptors it pauses and leaves connections in the kernel's backlog, where they wait
// without an error until there are some. (A descriptor kept in reserve, to accept and close them,
// would turn a shortage of a moment into failures of clients.)

#ifndef PELTON_IO_STREAM_ACCEPTOR_H_
#define PELTON_IO_STREAM_ACCEPTOR_H_

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "framework/base/log.h"
#include "io/operation.h"
#include "io/reactor.h"
#include "io/stream/shared_listener.h"
#include "io/unix_socket_file.h"
#include "sched/scheduler.h"

namespace pelton::io {

class AcceptAwaiter;
struct DebugAccess;

class Acceptor final : private Operation, private Timer {
 public:
  // What it accepts on.
  struct Socket {
    int descriptor;                      // the acceptor's from now on
    std::string name;                    // the address, for messages
    SharedPlace place;                   // none: all connections stay here
    std::optional<UnixSocketFile> file;  // to remove at the end
  };

  explicit Acceptor(Socket socket);

  void Abandon();

  const std::string& name() const { return name_; }
  // What counts the connections that were accepted; null when nobody does.
  ConnectionCount* count() const {
    return place_.listener == nullptr ? nullptr : &place_.listener->connections(place_.shard);
  }
  int descriptor() const { return Operation::descriptor; }

  bool HasConnection() const { return taken_ < accepted_.size() || error_ != 0; }
  // Takes the oldest connection, a descriptor that counts. REQUIRES: HasConnection().
  absl::StatusOr<int> Take();
  // A connection that another shard has accepted arrives; called from the loop.
  void Arrive(int descriptor);
  void AwaitConnection(AcceptAwaiter* waiter);
  void ForgetWaiter() { waiter_ = nullptr; }
  bool has_waiter() const { return waiter_ != nullptr; }

  // Lets no new handshake begin; one that has begun still ends, and its connection waits to be
  // accepted. A TCP client that comes now tries again a second later, and is refused then; a local one
  // finds no file as soon as StopAccepting() was awaited.
  void StopHandshakes();

  // Ends the accept operation, if one is going on, and takes no more connections of other shards;
  // suspends until the kernel has let go, and what is in the mail has arrived. REQUIRES:
  // StopHandshakes() was called.
  class StopAwaiter;
  StopAwaiter StopAccepting();

  // Calls f(descriptor) for every connection that has been accepted or whose handshake is done. Does
  // not wait.
  // REQUIRES: StopAccepting() was awaited.
  template <typename F>
  void AcceptRemaining(F&& f) {
    while (taken_ < accepted_.size() || AcceptNow()) {
      const absl::StatusOr<int> accepted = Take();
      if (accepted.ok()) f(*accepted);
    }
  }

 private:
  // Connections accepted and not taken after which accepting pauses: the rest waits in the kernel's
  // backlog.
  static constexpr size_t kAcceptedLimit = 1024;
  // How long accepting pauses when descriptors or memory run out.
  static constexpr int64_t kPauseNs = 50'000'000;

  ~Acceptor() = default;

  void OnCompletion(const Completion& completion) override;
  void OnError(int error);
  void Fire() override;
  void StartAccepting();
  bool AcceptNow();
  // Counts a connection that was accepted here, and keeps it or gives it away.
  void Keep(int accepted);
  // Goes on with what waited for the kernel and the mail, if both have let go.
  void LetGo();
  bool busy() const { return !Operation::idle() || arriving_ || removing_; }
  void StopArrivals();
  void Discard(int descriptor);
  class FileRemoval;
  void RemoveFile();
  void Close();

  const std::string name_;
  const SharedPlace place_;
  std::optional<UnixSocketFile> file_;
  std::vector<int> accepted_;  // descriptors; those before taken_ are taken
  size_t taken_ = 0;
  int error_ = 0;
  bool paused_ = false;
  bool abandoned_ = false;
  bool joined_ = false;    // takes connections of other shards
  bool removing_ = false;  // the file
  bool arriving_ = false;  // does not any more, but some are in the mail
  AcceptAwaiter* waiter_ = nullptr;
  StopAwaiter* stop_waiter_ = nullptr;
  RateLimit pause_message_{10'000'000'000};
};

// Awaits the next connection; a derived class makes a stream of it.
class AcceptAwaiter : private Suspension {
 public:
  explicit AcceptAwaiter(Acceptor& acceptor)
      : Suspension(StopPhase::kAccepting), acceptor_(acceptor) {}

  bool await_ready() const noexcept {
    return acceptor_.HasConnection() && !Scheduler::Current()->Due();
  }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    PELTON_CHECK(!acceptor_.has_waiter()) << "two tasks accept from one listener";
    if (acceptor_.HasConnection() || StoppedBeforeWaiting()) return Requeue(task.promise());
    Suspend(task.promise());
    acceptor_.AwaitConnection(this);
  }
  void OnConnection() { Resume(); }

 protected:
  ~AcceptAwaiter() = default;
  // The descriptor, or why there is none.
  absl::StatusOr<int> Take() {
    if (acceptor_.HasConnection()) [[likely]]
      return acceptor_.Take();
    return Scheduler::Current()->current_context().StopStatus();
  }
  Acceptor& acceptor() const { return acceptor_; }

 private:
  friend struct DebugAccess;

  void Interrupt() override {
    acceptor_.ForgetWaiter();
    Resume();
  }
  void Describe(std::ostream& out) const override { out << "a connection to " << acceptor_.name(); }

  Acceptor& acceptor_;
};

class [[nodiscard("co_await it")]] Acceptor::StopAwaiter final : private Suspension {
 public:
  explicit StopAwaiter(Acceptor& acceptor) : acceptor_(acceptor) {}

  bool await_ready() const noexcept {
    acceptor_.StopArrivals();
    return !acceptor_.busy();
  }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    acceptor_.stop_waiter_ = this;
    if (!acceptor_.Operation::idle()) Reactor::Current()->Cancel(acceptor_);
    Suspend(task.promise());
  }
  void await_resume() const noexcept {}
  void OnStopped() { Resume(); }

 private:
  void Interrupt() override {}  // it ends by itself, soon
  void Describe(std::ostream& out) const override {
    out << "accepting on " << acceptor_.name() << " to end";
  }

  Acceptor& acceptor_;
};

inline Acceptor::StopAwaiter Acceptor::StopAccepting() { return StopAwaiter(*this); }

}  // namespace pelton::io

#endif  // PELTON_IO_STREAM_ACCEPTOR_H_
