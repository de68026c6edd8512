// The operations behind SendFile() and Splice(). Private to them.
//
// Shard affinity and ownership: of any awaiter.

#ifndef PELTON_IO_STREAM_KERNEL_TRANSFER_H_
#define PELTON_IO_STREAM_KERNEL_TRANSFER_H_

#include <cstdint>
#include <ostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/await_operation.h"
#include "io/file_operation.h"
#include "io/stream/stream_connection.h"

namespace pelton::io {

// Lets sendfile(2) and splice(2) on the connection's socket return instead of waiting for the peer.
// Operations on it wait as before. ERRORS: the errno of fcntl.
absl::Status MakeNonBlocking(const StreamConnection& connection);

// Awaits an operation with the arguments of a file's.
class FileOperationAwaiter : public FileOperation, public Suspension {
 public:
  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (StoppedBeforeWaiting()) return Requeue(task.promise());
    Suspend(task.promise());
    Reactor::Current()->Start(*this);
  }
  // What the operation yields, or a negative errno.
  int await_resume() const { return result_; }

 protected:
  using FileOperation::FileOperation;
  ~FileOperationAwaiter() = default;

 private:
  void OnCompletion(const Completion& completion) override {
    result_ = completion.result;
    Resume();
  }
  void Interrupt() override { Reactor::Current()->Cancel(*this); }

  int result_ = -125;  // ECANCELED
};

// Sends up to a MiB of a file, on a thread that may wait for the disk.
class [[nodiscard("co_await it")]] SendFileAwaiter final : public FileOperationAwaiter {
 public:
  SendFileAwaiter(const StreamConnection& to, int file, uint64_t from, uint64_t most);

 private:
  static int Send(void* self);
  void Describe(std::ostream& out) const override { out << "sendfile to " << to_; }

  const StreamConnection& to_;
  const int file_;
  const uint64_t from_;
  const uint64_t most_;
};

// Moves up to `length` bytes into or out of a pipe, without waiting for any.
class [[nodiscard("co_await it")]] SpliceAwaiter final : public FileOperationAwaiter {
 public:
  SpliceAwaiter(int from, int to, uint32_t bytes);

 private:
  void Describe(std::ostream& out) const override {
    out << "splice of descriptor " << second_descriptor << " to " << descriptor;
  }
};

// Awaits poll(2) events of a connection's socket.
class [[nodiscard("co_await it")]] SocketPollAwaiter final : public OperationAwaiter {
 public:
  SocketPollAwaiter(const StreamConnection& connection, uint32_t events)
      : OperationAwaiter(OperationKind::kPoll), connection_(connection) {
    Operation::descriptor = connection.descriptor();
    Operation::length = events;
  }
  // The events, or a negative errno.
  int await_resume() const { return result(); }

 private:
  void Describe(std::ostream& out) const override {
    out << "events of descriptor " << descriptor << " of " << connection_;
  }

  const StreamConnection& connection_;
};

// A pipe for SpliceAwaiter. Closes itself by operations, without waiting for them.
class SplicePipe {
 public:
  // What the pipe holds at least where the kernel lets it, and the most that is moved at once.
  static constexpr uint32_t kBytes = 256 * 1024;

  // ERRORS: EMFILE, ENFILE.
  static absl::StatusOr<SplicePipe> Make();
  SplicePipe(SplicePipe&& other) noexcept
      : read_end_(std::exchange(other.read_end_, -1)),
        write_end_(std::exchange(other.write_end_, -1)) {}
  SplicePipe& operator=(SplicePipe&&) = delete;
  ~SplicePipe();

  int read_end() const { return read_end_; }
  int write_end() const { return write_end_; }

 private:
  SplicePipe(int read_end, int write_end) : read_end_(read_end), write_end_(write_end) {}

  int read_end_;
  int write_end_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_STREAM_KERNEL_TRANSFER_H_
