// TcpStream: one TCP connection over IPv4 or IPv6.
//
//   PELTON_CO_ASSIGN_OR_RETURN(Chunk bytes, co_await stream.Read());
//   if (bytes.empty()) co_return absl::OkStatus();               // the peer closed
//   PELTON_CO_RETURN_IF_ERROR(co_await stream.Write(bytes.text()));
//
// Shard affinity: the shard that accepted or connected it.
// Ownership: movable; destroying it closes the connection (input that was not read makes that a
// reset, as everywhere).
// Invariants: one read and one write at a time; both may go on at once.
// Errors name the operation and the peer and keep the errno: `read from 10.0.0.7:4321: Connection
// reset by peer (ECONNRESET)`. A task that is told to stop gets its stop status instead (CANCELLED,
// DEADLINE_EXCEEDED, UNAVAILABLE).
// Cost: a read or a write allocates nothing and costs a share of one system call per turn.

#ifndef PELTON_IO_TCP_STREAM_H_
#define PELTON_IO_TCP_STREAM_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/await_operation.h"
#include "io/chunk.h"
#include "io/socket_address.h"
#include "io/tcp_connection.h"
#include "sched/task.h"

namespace pelton {

namespace io {

struct DebugAccess;
class ReadAwaiter;
class ReadIntoAwaiter;
class WriteAwaiter;
class WriteAllAwaiter;
}  // namespace io

class TcpStream {
 public:
  // No connection.
  TcpStream() = default;
  TcpStream(TcpStream&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  TcpStream& operator=(TcpStream&& other) noexcept {
    std::swap(connection_, other.connection_);
    return *this;
  }
  // Closes the connection, without waiting. REQUIRES: no read or write is going on.
  ~TcpStream() {
    if (connection_ != nullptr) connection_->Abandon();
  }

  // Connects to `address`. ERRORS: the kernel's (UNAVAILABLE for ECONNREFUSED, ...), or the stop
  // status.
  static Task<absl::StatusOr<TcpStream>> Connect(SocketAddress address);

  // Suspends until bytes arrive, and yields them in the buffer that they arrived in:
  // absl::StatusOr<Chunk>, empty at the end of the stream. A chunk that is kept keeps a 16 KiB
  // buffer of the shard busy.
  io::ReadAwaiter Read();
  // The same, for waiting at a place where the peer owes nothing, as between two requests: a drain
  // interrupts it (UNAVAILABLE), while it leaves Read() alone until the grace period ends.
  io::ReadAwaiter ReadWhenIdle();
  // Suspends until bytes arrive, and copies them to `target`: absl::StatusOr<size_t>, 0 at the end
  // of the stream. The memory is the kernel's until the await returns. REQUIRES: `target` is not
  // empty.
  io::ReadIntoAwaiter ReadInto(std::span<char> target);

  // Suspends until all of `bytes` is in the kernel's hands: absl::Status. `bytes` must live until
  // the await returns.
  io::WriteAwaiter Write(std::string_view bytes);
  io::WriteAwaiter Write(const Chunk& bytes);
  // Writes all pieces, in order, as one vectored send where they fit: absl::Status. The pieces and
  // the array must live until the await returns.
  io::WriteAllAwaiter WriteAll(std::span<const std::string_view> pieces);

  // Says that nothing more will be written (FIN); reading goes on.
  absl::Status HalfClose();
  // Sends small segments at once instead of gathering them (TCP_NODELAY).
  absl::Status SetNoDelay(bool enabled);

  absl::StatusOr<SocketAddress> local_address() const;
  const SocketAddress& peer_address() const { return connection_->peer(); }
  // Whether there is a connection.
  bool valid() const { return connection_ != nullptr; }

  // For TcpListener: takes the descriptor of an accepted connection over.
  static TcpStream Adopt(int descriptor, const SocketAddress& peer) {
    return TcpStream(new io::TcpConnection(descriptor, peer));
  }

 private:
  explicit TcpStream(io::TcpConnection* connection) : connection_(connection) {}

  io::TcpConnection* connection_ = nullptr;
};

namespace io {

// Awaits the next chunk.
class [[nodiscard("co_await it")]] ReadAwaiter final : private Suspension, private InputWaiter {
 public:
  ReadAwaiter(TcpConnection& connection, StopPhase interrupted_from)
      : Suspension(interrupted_from), connection_(connection) {}

  bool await_ready() const noexcept {
    return connection_.HasInput() && !Scheduler::Current()->Due();
  }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    PELTON_CHECK(!connection_.has_reader()) << "two tasks read from one TcpStream";
    if (connection_.HasInput() || StoppedBeforeWaiting()) return Requeue(task.promise());
    Suspend(task.promise());
    connection_.AwaitInput(this);
  }
  absl::StatusOr<Chunk> await_resume() {
    if (connection_.HasInput()) [[likely]]
      return connection_.TakeChunk();
    return Scheduler::Current()->current_context().StopStatus();
  }

 private:
  friend struct DebugAccess;

  void OnInput() override { Resume(); }
  // What arrives later stays in the connection for the next read.
  void Interrupt() override {
    connection_.ForgetWaiter();
    Resume();
  }
  void Describe(std::ostream& out) const override {
    out << "input of descriptor " << connection_.descriptor() << " from " << connection_.peer();
  }

  TcpConnection& connection_;
};

// Awaits bytes in the caller's memory: directly from the kernel, or from a chunk when one holds
// bytes or is on its way.
class [[nodiscard("co_await it")]] ReadIntoAwaiter final : private OperationAwaiter,
                                                           private InputWaiter {
 public:
  ReadIntoAwaiter(TcpConnection& connection, std::span<char> target)
      : OperationAwaiter(OperationKind::kReceive), connection_(connection), target_(target) {
    PELTON_CHECK(!target.empty()) << "ReadInto() needs room for a byte";
  }

  bool await_ready() const noexcept {
    return connection_.HasInput() && !Scheduler::Current()->Due();
  }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    PELTON_CHECK(!connection_.has_reader()) << "two tasks read from one TcpStream";
    if (connection_.HasInput()) return Requeue(task.promise());
    if (StoppedBeforeWaiting()) return RefuseAndRequeue(task.promise());
    Suspend(task.promise());
    if (connection_.ReceivesByItself()) {
      connection_.AwaitInput(this);
      return;
    }
    StartDirectRead();
  }
  absl::StatusOr<size_t> await_resume();

 private:
  void StartDirectRead();
  void OnCompletion(const Completion& completion) override;
  void OnInput() override { Resume(); }
  void Interrupt() override;
  void Describe(std::ostream& out) const override {
    out << "input of descriptor " << connection_.descriptor() << " from " << connection_.peer();
  }

  TcpConnection& connection_;
  std::span<char> target_;
  bool direct_ = false;
};

// Sends all bytes; goes on by itself after a short send.
class [[nodiscard("co_await it")]] WriteAwaiter final : private OperationAwaiter {
 public:
  WriteAwaiter(TcpConnection& connection, std::string_view bytes)
      : OperationAwaiter(OperationKind::kSend), connection_(connection), rest_(bytes) {}

  bool await_ready() const noexcept { return rest_.empty() && !Scheduler::Current()->Due(); }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    PELTON_CHECK(!connection_.writing()) << "two tasks write to one TcpStream";
    if (rest_.empty()) return Requeue(task.promise());
    if (StoppedBeforeWaiting()) return RefuseAndRequeue(task.promise());
    connection_.set_writing(true);
    Suspend(task.promise());
    Send();
  }
  absl::Status await_resume() const {
    if (result() >= 0) [[likely]]
      return absl::OkStatus();
    return Failure();
  }

 private:
  // The most that one operation sends, so that lengths fit in 32 bits.
  static constexpr size_t kMostBytes = size_t{1} << 30;

  void Send() {
    Operation::descriptor = connection_.descriptor();
    Operation::address = const_cast<char*>(rest_.data());
    Operation::length = static_cast<uint32_t>(std::min(rest_.size(), kMostBytes));
    Reactor::Current()->Start(*this);
  }
  void OnCompletion(const Completion& completion) override;
  absl::Status Failure() const;

  TcpConnection& connection_;
  std::string_view rest_;
};

// Sends all pieces, up to kPieces of them in one operation; goes on by itself after a short send.
class [[nodiscard("co_await it")]] WriteAllAwaiter final : private OperationAwaiter {
 public:
  WriteAllAwaiter(TcpConnection& connection, std::span<const std::string_view> pieces);

  bool await_ready() const noexcept { return rest_.empty() && !Scheduler::Current()->Due(); }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    PELTON_CHECK(!connection_.writing()) << "two tasks write to one TcpStream";
    if (rest_.empty()) return Requeue(task.promise());
    if (StoppedBeforeWaiting()) return RefuseAndRequeue(task.promise());
    connection_.set_writing(true);
    Suspend(task.promise());
    Send();
  }
  absl::Status await_resume() const;

 private:
  static constexpr size_t kPieces = 16;

  void Send();
  void Advance(size_t bytes);
  void OnCompletion(const Completion& completion) override;

  TcpConnection& connection_;
  std::span<const std::string_view> rest_;  // its first piece is sent up to first_sent_
  size_t first_sent_ = 0;
  msghdr message_ = {};
  std::array<iovec, kPieces> vectors_;
};

}  // namespace io

inline io::ReadAwaiter TcpStream::Read() { return {*connection_, StopPhase::kEverything}; }
inline io::ReadAwaiter TcpStream::ReadWhenIdle() { return {*connection_, StopPhase::kIdle}; }
inline io::ReadIntoAwaiter TcpStream::ReadInto(std::span<char> target) {
  return {*connection_, target};
}
inline io::WriteAwaiter TcpStream::Write(std::string_view bytes) { return {*connection_, bytes}; }
inline io::WriteAwaiter TcpStream::Write(const Chunk& bytes) {
  return {*connection_, bytes.text()};
}
inline io::WriteAllAwaiter TcpStream::WriteAll(std::span<const std::string_view> pieces) {
  return {*connection_, pieces};
}

}  // namespace pelton

#endif  // PELTON_IO_TCP_STREAM_H_
