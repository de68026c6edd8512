// What DirectFile::Read() and Write() await: a transfer, in one piece or several, each of which
// waits for its turn at the disk. Private to io.
//
// Shard affinity: the file's shard.
// Ownership: lives in the frame of the awaiting task, which goes on when the kernel has let go of
// the memory, also when it is told to stop.
// Invariants: 1. while its task is suspended, it is either queued at the IoScheduler or with the
// driver.

#ifndef PELTON_IO_FILE_DIRECT_TRANSFER_H_
#define PELTON_IO_FILE_DIRECT_TRANSFER_H_

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <ostream>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file/direct_file_record.h"
#include "io/file/io_scheduler.h"
#include "io/file_operation.h"
#include "sched/scheduler.h"

namespace pelton::io {

class DirectTransfer : private FileOperation, private Suspension, private IoRequest {
 public:
  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (StoppedBeforeWaiting()) {
      error_ = kCancelled;
    } else if (bytes_ > 0 && Aligned()) {
      Suspend(task.promise());
      record_.BeginUse();
      return Next();
    }
    Requeue(task.promise());
  }

 protected:
  DirectTransfer(OperationKind kind, DirectFileRecord& record, uint64_t offset, void* memory,
                 size_t bytes);
  ~DirectTransfer() = default;

  // OK, or why the transfer ended early.
  absl::Status Outcome() const;
  size_t done() const { return done_; }

 private:
  static constexpr int kCancelled = 125;  // ECANCELED

  bool Aligned() const {
    const DirectAlignment& alignment = record_.alignment();
    return ((FileOperation::offset | bytes_) & (alignment.offset - 1)) == 0 &&
           (reinterpret_cast<uintptr_t>(address) & (alignment.memory - 1)) == 0;
  }
  bool reads() const { return kind == OperationKind::kRead; }
  absl::Status AlignmentError() const;
  // Queues what is left, or a piece of it.
  void Next();
  void Finish(int error);

  void OnAdmitted() override;
  void OnCompletion(const Completion& completion) override;
  void Interrupt() override;
  void Describe(std::ostream& out) const override;

  DirectFileRecord& record_;
  const size_t bytes_;
  size_t done_ = 0;
  int error_ = 0;
  bool interrupted_ = false;
};

class [[nodiscard("co_await it")]] DirectReadAwaiter final : public DirectTransfer {
 public:
  DirectReadAwaiter(DirectFileRecord& record, uint64_t offset, void* memory, size_t bytes)
      : DirectTransfer(OperationKind::kRead, record, offset, memory, bytes) {}
  absl::StatusOr<size_t> await_resume() const {
    absl::Status status = Outcome();
    if (!status.ok()) [[unlikely]]
      return status;
    return done();
  }
};

class [[nodiscard("co_await it")]] DirectWriteAwaiter final : public DirectTransfer {
 public:
  DirectWriteAwaiter(DirectFileRecord& record, uint64_t offset, const void* memory, size_t bytes)
      : DirectTransfer(OperationKind::kWrite, record, offset, const_cast<void*>(memory), bytes) {}
  absl::Status await_resume() const { return Outcome(); }
};

}  // namespace pelton::io

#endif  // PELTON_IO_FILE_DIRECT_TRANSFER_H_
