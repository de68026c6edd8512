#include "io/descriptor/stream_awaiters.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace pelton::io {
namespace {

// The most that one operation transfers, so that lengths fit in 32 bits.
constexpr size_t kMostBytes = size_t{1} << 30;

}  // namespace

void StreamAwaiter::Transfer(char* memory, size_t bytes) {
  Operation::address = memory;
  transfer_bytes_ = static_cast<uint32_t>(std::min(bytes, kMostBytes));
  StartTransfer();
}

void StreamAwaiter::StartTransfer() {
  Operation::kind = transfer_;
  Operation::length = transfer_bytes_;
  Reactor::Current()->Start(*this);
}

bool StreamAwaiter::GoesOn(const Completion& completion) {
  if (Operation::cancel_requested) return false;
  const bool polled = Operation::kind == OperationKind::kPoll;
  if ((polled && completion.result >= 0) || completion.result == -EINTR) {
    StartTransfer();
    return true;
  }
  if (!polled && completion.result == -EAGAIN) {
    Operation::kind = OperationKind::kPoll;
    Operation::length = transfer_ == OperationKind::kStreamRead ? POLLIN : POLLOUT;
    Reactor::Current()->Start(*this);
    return true;
  }
  return false;
}

void StreamAwaiter::Describe(std::ostream& out) const {
  out << (transfer_ == OperationKind::kStreamRead ? "input from " : "room in ") << stream_.name()
      << " (descriptor " << stream_.descriptor() << ")";
}

void StreamReadAwaiter::OnCompletion(const Completion& completion) {
  if (GoesOn(completion)) return;
  // What a poll told, or that there was nothing to read, is no result.
  const bool told_nothing = Operation::kind == OperationKind::kPoll || completion.result == -EAGAIN;
  Finish(Operation::cancel_requested && told_nothing ? -ECANCELED : completion.result);
}

absl::StatusOr<size_t> StreamReadAwaiter::await_resume() const {
  if (result() >= 0) [[likely]]
    return static_cast<size_t>(result());
  return stream_.Failure(-result(), "read from");
}

void StreamWriteAwaiter::OnCompletion(const Completion& completion) {
  if (GoesOn(completion)) return;
  if (Operation::kind == OperationKind::kStreamWrite && completion.result >= 0) {
    if (completion.result == 0)
      return Finish(-EIO);  // a device that takes nothing and says nothing
    rest_.remove_prefix(static_cast<size_t>(completion.result));
    if (rest_.empty()) return Finish(0);
    if (!Operation::cancel_requested) return TransferRest();
  }
  Finish(Operation::cancel_requested ? -ECANCELED : completion.result);
}

absl::Status StreamWriteAwaiter::await_resume() const {
  if (result() >= 0) [[likely]]
    return absl::OkStatus();
  return stream_.Failure(-result(), "write to");
}

}  // namespace pelton::io
