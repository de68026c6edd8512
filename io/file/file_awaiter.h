// What tasks wait for when they work on files: one operation on a file or a path, or one call that
// blocks. It lies in the awaiter, so in the frame of the waiting task, and is cancelled with it.
// Private to io/file.
//
// Shard affinity: the waiting task's.
// Ownership: what an operation points to (paths, buffers) lives until the await returns, as it does
// in the frame that awaits.
// Invariants: 1. the await returns when the kernel, or the pool's thread, has let go; 2. an operation
// that ended before its cancellation took effect keeps its result, so that no descriptor is lost;
// 3. an operation that a signal interrupted starts again.

#ifndef PELTON_IO_FILE_FILE_AWAITER_H_
#define PELTON_IO_FILE_FILE_AWAITER_H_

#include <fcntl.h>

#include <coroutine>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "io/file_operation.h"
#include "io/reactor.h"
#include "sched/scheduler.h"

namespace pelton::io {

// The error of an operation of the running task that yielded `result`, a negative errno: the task's
// stop status when it was told to stop and the operation ended for that, else one that reads
// `OPERATION SUBJECT: text (ENAME)`.
absl::Status FileError(int result, std::string_view operation, std::string_view subject);

// InvalidArgument when `path` cannot be handed to the kernel: it would read it only up to a zero
// byte.
absl::Status CheckPath(std::string_view path);

// Base of the awaiters: derived classes fill the operation in before it is awaited, and turn
// result() into what the await yields.
class FileAwaiter : public FileOperation, public Suspension {
 public:
  bool await_ready() const noexcept { return false; }

  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (StoppedBeforeWaiting()) {
      result_ = -kCancelled;
      return Requeue(task.promise());
    }
    Suspend(task.promise());
    Reactor::Current()->Start(*this);
  }

 protected:
  explicit FileAwaiter(OperationKind kind) : FileOperation(kind) {}
  ~FileAwaiter() = default;

  // Not negative, or a negative errno; -ECANCELED when the task was told to stop.
  int result() const { return result_; }
  void set_result(int result) { result_ = result; }

  static constexpr int kCancelled = 125;  // ECANCELED

 private:
  void OnCompletion(const Completion& completion) override;
  void Interrupt() override { Reactor::Current()->Cancel(*this); }
  void Describe(std::ostream& out) const override;

  int result_ = 0;
};

// Where a path is looked up, and what it is called in messages.
struct PathAt {
  int directory = AT_FDCWD;  // a descriptor that stays open during the operation
  std::string name;          // from there
  std::string shown;         // in messages
};

// A path from the current directory.
inline PathAt FromCurrentDirectory(std::string path) {
  return {.directory = AT_FDCWD, .name = path, .shown = std::move(path)};
}

// Awaits an operation on one path, and yields its result. Users fill in what else it takes.
class [[nodiscard("co_await it")]] PathAwaiter final : public FileAwaiter {
 public:
  PathAwaiter(OperationKind kind, const PathAt& path) : FileAwaiter(kind) {
    Operation::descriptor = path.directory;
    Operation::address = const_cast<char*>(path.name.c_str());
  }
  // On two paths.
  PathAwaiter(OperationKind kind, const PathAt& path, const PathAt& second)
      : PathAwaiter(kind, path) {
    FileOperation::second_descriptor = second.directory;
    FileOperation::second_address = second.name.c_str();
  }
  PathAwaiter& WithFlags(uint32_t flags) {
    FileOperation::flags = flags;
    return *this;
  }
  PathAwaiter& WithLength(uint32_t length) {
    Operation::length = length;
    return *this;
  }
  PathAwaiter& WithSecondAddress(const void* address) {
    FileOperation::second_address = address;
    return *this;
  }

  int await_resume() const { return result(); }
};

// Calls `function()`, which returns an int, a negative errno for failure, on a thread that may
// block, and yields that. It is not called when the task is told to stop before it begins; the
// await then yields -ECANCELED.
template <typename Function>
class [[nodiscard("co_await it")]] FileCallAwaiter final : public FileAwaiter {
 public:
  explicit FileCallAwaiter(Function function)
      : FileAwaiter(OperationKind::kCall), function_(std::move(function)) {
    Operation::address = this;
    FileOperation::second_address = reinterpret_cast<const void*>(&Call);
  }

  int await_resume() const { return result(); }

 private:
  static int Call(void* self) { return static_cast<FileCallAwaiter*>(self)->function_(); }

  Function function_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_FILE_FILE_AWAITER_H_
