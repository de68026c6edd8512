#include "io/stream/stream_awaiters.h"

#include <algorithm>
#include <cerrno>
#include <sstream>

#include "io/reactor.h"

namespace pelton::io {

void ReadIntoAwaiter::StartDirectRead() {
  direct_ = true;
  connection_.set_direct_read(true);
  Operation::descriptor = connection_.descriptor();
  Operation::address = target_.data();
  Operation::length = static_cast<uint32_t>(std::min(target_.size(), size_t{1} << 30));
  Reactor::Current()->Start(*this);
}

void ReadIntoAwaiter::OnCompletion(const Completion& completion) {
  connection_.set_direct_read(false);
  OperationAwaiter::OnCompletion(completion);
}

void ReadIntoAwaiter::Interrupt() {
  if (direct_) return OperationAwaiter::Interrupt();
  connection_.ForgetWaiter();
  set_result(-ECANCELED);
  Resume();
}

absl::StatusOr<size_t> ReadIntoAwaiter::await_resume() {
  if (direct_ && result() >= 0) [[likely]]
    return static_cast<size_t>(result());
  if (!direct_ && connection_.HasInput()) return connection_.TakeBytes(target_);
  return connection_.OperationError(-result(), "read from");
}

ReadExactlyAwaiter::ReadExactlyAwaiter(StreamConnection& connection, std::span<char> target)
    : OperationAwaiter(OperationKind::kReceive),
      connection_(connection),
      rest_(target),
      wanted_(target.size()) {
  Operation::whole = true;
}

void ReadExactlyAwaiter::TakeInput() {
  while (!rest_.empty() && connection_.HasInput()) {
    const absl::StatusOr<size_t> taken = connection_.TakeBytes(rest_);
    if (!taken.ok()) {
      failure_ = taken.status();
      return;
    }
    if (*taken == 0) {
      ended_ = true;
      return;
    }
    rest_ = rest_.subspan(*taken);
  }
}

void ReadExactlyAwaiter::Receive() {
  waits_for_chunks_ = connection_.ReceivesByItself();
  if (waits_for_chunks_) return connection_.AwaitInput(this);
  connection_.set_direct_read(true);
  Operation::descriptor = connection_.descriptor();
  Operation::address = rest_.data();
  Operation::length = static_cast<uint32_t>(std::min(rest_.size(), size_t{1} << 30));
  Reactor::Current()->Start(*this);
}

void ReadExactlyAwaiter::OnInput() {
  TakeInput();
  if (Finished()) return Resume();
  Receive();
}

void ReadExactlyAwaiter::OnCompletion(const Completion& completion) {
  connection_.set_direct_read(false);
  if (completion.result > 0) {
    rest_ = rest_.subspan(static_cast<size_t>(completion.result));
    if (!rest_.empty() && !Operation::cancel_requested) return Receive();
    if (!rest_.empty()) set_result(-ECANCELED);
  } else if (completion.result == 0) {
    ended_ = true;
  } else {
    set_result(completion.result);
  }
  Resume();
}

void ReadExactlyAwaiter::Interrupt() {
  if (!waits_for_chunks_) return OperationAwaiter::Interrupt();
  connection_.ForgetWaiter();
  set_result(-ECANCELED);
  Resume();
}

absl::Status ReadExactlyAwaiter::await_resume() const {
  if (rest_.empty()) [[likely]]
    return absl::OkStatus();
  if (!failure_.ok()) return failure_;
  if (!ended_) return connection_.OperationError(-result(), "read from");
  std::ostringstream message;
  message << "read of " << wanted_ << " bytes from " << connection_ << ": it ended after "
          << wanted_ - rest_.size();
  return absl::OutOfRangeError(message.str());
}

// Notes what came of a send without a copy. Returns whether it is to be sent with one instead: no
// memory may be locked for it, or this socket does not know it.
bool WriteAwaiter::NoteUncopied(const Completion& completion) {
  switch (completion.result) {
    case -ENOMEM:
    case -ENOBUFS:
    case -EOPNOTSUPP:
      connection_.OnZeroCopySent(/*copied=*/true);
      return !Operation::cancel_requested;
    default:
      if (completion.result > 0) connection_.OnZeroCopySent(completion.copied);
      return false;
  }
}

void WriteAwaiter::Interrupt() {
  OperationAwaiter::Interrupt();
  // The kernel would keep the memory until the peer has read what is on its way.
  if (Operation::kind == OperationKind::kSendZeroCopy && Operation::state == State::kInFlight) {
    connection_.Disconnect();
  }
}

void WriteAwaiter::OnCompletion(const Completion& completion) {
  if (Operation::kind == OperationKind::kSendZeroCopy && NoteUncopied(completion)) [[unlikely]]
    return Start(OperationKind::kSend, kMostBytes);
  if (completion.result > 0) {
    rest_.remove_prefix(static_cast<size_t>(completion.result));
    if (!rest_.empty() && !Operation::cancel_requested) return Send();
    if (!rest_.empty()) set_result(-ECANCELED);
  } else if (Operation::cancel_requested) {
    set_result(-ECANCELED);  // whatever the disconnection made of it
  } else {
    set_result(completion.result == 0 ? -EPIPE : completion.result);
  }
  connection_.set_writing(false);
  Resume();
}

absl::Status WriteAwaiter::Failure() const {
  return connection_.OperationError(-result(), "write to");
}

WriteAllAwaiter::WriteAllAwaiter(StreamConnection& connection,
                                 std::span<const std::string_view> pieces)
    : OperationAwaiter(OperationKind::kSendMessage), connection_(connection), rest_(pieces) {
  Advance(0);
}

void WriteAllAwaiter::Advance(size_t bytes) {
  first_sent_ += bytes;
  while (!rest_.empty() && first_sent_ >= rest_.front().size()) {
    first_sent_ -= rest_.front().size();
    rest_ = rest_.subspan(1);
  }
}

void WriteAllAwaiter::Send() {
  const size_t count = std::min(rest_.size(), kPieces);
  for (size_t i = 0; i < count; ++i) {
    const size_t skipped = i == 0 ? first_sent_ : 0;
    vectors_[i] = {.iov_base = const_cast<char*>(rest_[i].data()) + skipped,
                   .iov_len = rest_[i].size() - skipped};
  }
  message_.msg_iov = vectors_.data();
  message_.msg_iovlen = count;
  Operation::descriptor = connection_.descriptor();
  Operation::address = &message_;
  Reactor::Current()->Start(*this);
}

void WriteAllAwaiter::OnCompletion(const Completion& completion) {
  if (completion.result > 0) {
    Advance(static_cast<size_t>(completion.result));
    if (!rest_.empty() && !Operation::cancel_requested) return Send();
    if (!rest_.empty()) set_result(-ECANCELED);
  } else {
    set_result(completion.result == 0 ? -EPIPE : completion.result);
  }
  connection_.set_writing(false);
  Resume();
}

absl::Status WriteAllAwaiter::await_resume() const {
  if (result() >= 0) [[likely]]
    return absl::OkStatus();
  return connection_.OperationError(-result(), "write to");
}

}  // namespace pelton::io
