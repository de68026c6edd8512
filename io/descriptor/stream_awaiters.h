// Reading and writing what is no socket: pipes, terminals, files as they stand, and what the kernel
// tells through a descriptor.
//
// The O_NONBLOCK of such a descriptor belongs to everybody who shares its open file (a shell, the
// other side of a fork), so it is never changed, and may be set: the kernel's EAGAIN then leads to
// a poll and another attempt.
//
// Shard affinity: the awaiting task's. Ownership: the memory is the kernel's until the await returns.
// Cost: no allocation.

#ifndef PELTON_IO_DESCRIPTOR_STREAM_AWAITERS_H_
#define PELTON_IO_DESCRIPTOR_STREAM_AWAITERS_H_

#include <coroutine>
#include <cstddef>
#include <ostream>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "io/await_operation.h"
#include "io/descriptor/descriptor_record.h"

namespace pelton::io {

// What reading and writing have in common.
class StreamAwaiter : protected OperationAwaiter {
 public:
  void Describe(std::ostream& out) const override;

 protected:
  // `transfer` is kStreamRead or kStreamWrite.
  StreamAwaiter(DescriptorRecord& stream, OperationKind transfer)
      : OperationAwaiter(transfer), stream_(stream), transfer_(transfer) {
    Operation::descriptor = stream.descriptor();
  }
  ~StreamAwaiter() = default;

  // Transfers up to `bytes` bytes at `memory`.
  void Transfer(char* memory, size_t bytes);
  // Whether the completion was not the last: the transfer goes on.
  bool GoesOn(const Completion& completion);
  void Finish(int result) {
    set_result(result);
    stream_.EndUse();
    Resume();
  }

  DescriptorRecord& stream_;

 private:
  void StartTransfer();

  const OperationKind transfer_;
  uint32_t transfer_bytes_ = 0;
};

// Awaits bytes: absl::StatusOr<size_t>, 0 at the end. When bytes have come, a task that was told to
// stop gets them all the same.
class [[nodiscard("co_await it")]] StreamReadAwaiter final : private StreamAwaiter {
 public:
  // REQUIRES: `target` is not empty.
  StreamReadAwaiter(DescriptorRecord& source, std::span<char> target)
      : StreamAwaiter(source, OperationKind::kStreamRead), target_(target) {
    PELTON_CHECK(!target.empty()) << "reading " << source.name() << " needs room for a byte";
  }

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (StoppedBeforeWaiting()) return RefuseAndRequeue(task.promise());
    stream_.BeginUse();
    Suspend(task.promise());
    Transfer(target_.data(), target_.size());
  }
  absl::StatusOr<size_t> await_resume() const;

 private:
  void OnCompletion(const Completion& completion) override;

  const std::span<char> target_;
};

// Awaits that all bytes are written: absl::Status.
class [[nodiscard("co_await it")]] StreamWriteAwaiter final : private StreamAwaiter {
 public:
  StreamWriteAwaiter(DescriptorRecord& target, std::string_view bytes)
      : StreamAwaiter(target, OperationKind::kStreamWrite), rest_(bytes) {}

  bool await_ready() const noexcept { return rest_.empty() && !Scheduler::Current()->Due(); }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (rest_.empty()) return Requeue(task.promise());
    if (StoppedBeforeWaiting()) return RefuseAndRequeue(task.promise());
    stream_.BeginUse();
    Suspend(task.promise());
    TransferRest();
  }
  absl::Status await_resume() const;

 private:
  void TransferRest() { Transfer(const_cast<char*>(rest_.data()), rest_.size()); }
  void OnCompletion(const Completion& completion) override;

  std::string_view rest_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_DESCRIPTOR_STREAM_AWAITERS_H_
