// What tasks await of a stream socket: its members in socket_stream.h say what each does.
//
// Shard affinity: the stream's. Ownership: in the frame of the awaiting task, as any awaiter; memory
// that a caller passes is the kernel's until the await returns.

#ifndef PELTON_IO_STREAM_STREAM_AWAITERS_H_
#define PELTON_IO_STREAM_STREAM_AWAITERS_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <coroutine>
#include <cstddef>
#include <ostream>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "io/await_operation.h"
#include "io/chunk.h"
#include "io/stream/stream_connection.h"

namespace pelton::io {

struct DebugAccess;

// Base of awaiters that wait until a connection has input.
class InputAwaiter : private Suspension, private InputWaiter {
 public:
  bool await_ready() const noexcept {
    return connection_.HasInput() && !Scheduler::Current()->Due();
  }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    PELTON_CHECK(!connection_.has_reader()) << "two tasks read from one stream";
    if (connection_.HasInput() || StoppedBeforeWaiting()) return Requeue(task.promise());
    Suspend(task.promise());
    connection_.AwaitInput(this);
  }

 protected:
  InputAwaiter(StreamConnection& connection, StopPhase interrupted_from)
      : Suspension(interrupted_from), connection_(connection) {}
  ~InputAwaiter() = default;

  StreamConnection& connection() const { return connection_; }
  // Why there is none. REQUIRES: the await is over, and there is no input.
  static absl::Status StopStatus() { return Scheduler::Current()->current_context().StopStatus(); }

 private:
  friend struct DebugAccess;

  void OnInput() override { Resume(); }
  // What arrives later stays in the connection for the next read.
  void Interrupt() override {
    connection_.ForgetWaiter();
    Resume();
  }
  void Describe(std::ostream& out) const override {
    out << "input of descriptor " << connection_.descriptor() << " from " << connection_;
  }

  StreamConnection& connection_;
};

// Awaits the next chunk.
class [[nodiscard("co_await it")]] ReadAwaiter final : public InputAwaiter {
 public:
  ReadAwaiter(StreamConnection& connection, StopPhase interrupted_from)
      : InputAwaiter(connection, interrupted_from) {}

  absl::StatusOr<Chunk> await_resume() {
    if (connection().HasInput()) [[likely]]
      return connection().TakeChunk();
    return StopStatus();
  }
};

// Awaits input and shows it, unread.
class [[nodiscard("co_await it")]] PeekAwaiter final : public InputAwaiter {
 public:
  explicit PeekAwaiter(StreamConnection& connection)
      : InputAwaiter(connection, StopPhase::kEverything) {}

  absl::StatusOr<std::string_view> await_resume() {
    if (connection().HasInput()) [[likely]]
      return connection().PeekBytes();
    return StopStatus();
  }
};

// Awaits bytes in the caller's memory: directly from the kernel, or from a chunk when one holds
// bytes or is on its way.
class [[nodiscard("co_await it")]] ReadIntoAwaiter final : private OperationAwaiter,
                                                           private InputWaiter {
 public:
  ReadIntoAwaiter(StreamConnection& connection, std::span<char> target)
      : OperationAwaiter(OperationKind::kReceive), connection_(connection), target_(target) {
    PELTON_CHECK(!target.empty()) << "ReadInto() needs room for a byte";
  }

  bool await_ready() const noexcept {
    return connection_.HasInput() && !Scheduler::Current()->Due();
  }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    PELTON_CHECK(!connection_.has_reader()) << "two tasks read from one stream";
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
    out << "input of descriptor " << connection_.descriptor() << " from " << connection_;
  }

  StreamConnection& connection_;
  std::span<char> target_;
  bool direct_ = false;
};

// Awaits as many bytes as the target holds: what chunks hold already, and the rest from the kernel in
// one operation where it can.
class [[nodiscard("co_await it")]] ReadExactlyAwaiter final : private OperationAwaiter,
                                                              private InputWaiter {
 public:
  ReadExactlyAwaiter(StreamConnection& connection, std::span<char> target);

  bool await_ready() const noexcept { return rest_.empty() && !Scheduler::Current()->Due(); }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    PELTON_CHECK(!connection_.has_reader()) << "two tasks read from one stream";
    TakeInput();
    if (Finished()) return Requeue(task.promise());
    if (StoppedBeforeWaiting()) return RefuseAndRequeue(task.promise());
    Suspend(task.promise());
    Receive();
  }
  absl::Status await_resume() const;

 private:
  // Copies what has arrived in chunks.
  void TakeInput();
  void Receive();
  bool Finished() const { return rest_.empty() || ended_ || !failure_.ok(); }
  void OnCompletion(const Completion& completion) override;
  void OnInput() override;
  void Interrupt() override;
  void Describe(std::ostream& out) const override {
    out << rest_.size() << " bytes for descriptor " << connection_.descriptor() << " from "
        << connection_;
  }

  StreamConnection& connection_;
  std::span<char> rest_;
  const size_t wanted_;
  bool waits_for_chunks_ = false;
  bool ended_ = false;
  absl::Status failure_;  // of input in chunks
};

// Sends all bytes; goes on by itself after a short send.
class [[nodiscard("co_await it")]] WriteAwaiter final : private OperationAwaiter {
 public:
  WriteAwaiter(StreamConnection& connection, std::string_view bytes)
      : OperationAwaiter(OperationKind::kSend), connection_(connection), rest_(bytes) {}

  bool await_ready() const noexcept { return rest_.empty() && !Scheduler::Current()->Due(); }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    PELTON_CHECK(!connection_.writing()) << "two tasks write to one stream";
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
  // The most that one sends without a copy: its pages count as locked memory (RLIMIT_MEMLOCK).
  static constexpr size_t kMostBytesUncopied = size_t{1} << 20;

  void Send() {
    const bool uncopied = connection_.SendsWithoutCopy(rest_.size());
    Start(uncopied ? OperationKind::kSendZeroCopy : OperationKind::kSend,
          uncopied ? kMostBytesUncopied : kMostBytes);
  }
  void Start(OperationKind kind, size_t most_bytes) {
    Operation::kind = kind;
    Operation::descriptor = connection_.descriptor();
    Operation::address = const_cast<char*>(rest_.data());
    Operation::length = static_cast<uint32_t>(std::min(rest_.size(), most_bytes));
    Reactor::Current()->Start(*this);
  }
  bool NoteUncopied(const Completion& completion);
  void Interrupt() override;
  void OnCompletion(const Completion& completion) override;
  absl::Status Failure() const;

  StreamConnection& connection_;
  std::string_view rest_;
};

// Sends all pieces, up to kPieces of them in one operation; goes on by itself after a short send.
class [[nodiscard("co_await it")]] WriteAllAwaiter final : private OperationAwaiter {
 public:
  WriteAllAwaiter(StreamConnection& connection, std::span<const std::string_view> pieces);

  bool await_ready() const noexcept { return rest_.empty() && !Scheduler::Current()->Due(); }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    PELTON_CHECK(!connection_.writing()) << "two tasks write to one stream";
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

  StreamConnection& connection_;
  std::span<const std::string_view> rest_;  // its first piece is sent up to first_sent_
  size_t first_sent_ = 0;
  msghdr message_ = {};
  std::array<iovec, kPieces> vectors_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_STREAM_STREAM_AWAITERS_H_
