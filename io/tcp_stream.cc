#include "io/tcp_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "framework/base/status.h"

namespace pelton {
namespace io {
namespace {

// The error of an interrupted or failed operation, from the task that awaited it.
absl::Status OperationError(const TcpConnection& connection, int error_number,
                            std::string_view operation) {
  const TaskContext& flow = Scheduler::Current()->current_context();
  if (error_number == ECANCELED && flow.StoppedFrom(StopPhase::kAccepting)) {
    return flow.StopStatus();
  }
  return connection.Error(error_number, operation);
}

// Connects a socket that its owner closes.
class ConnectAwaiter final : public OperationAwaiter {
 public:
  ConnectAwaiter(int descriptor, const SocketAddress& address)
      : OperationAwaiter(OperationKind::kConnect), address_(address) {
    Operation::descriptor = descriptor;
    Operation::address = const_cast<sockaddr*>(address_.data());
    Operation::length = address_.size();
  }
  int await_resume() const { return result(); }

 private:
  const SocketAddress address_;
};

}  // namespace

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
  return OperationError(connection_, -result(), "read from");
}

void WriteAwaiter::OnCompletion(const Completion& completion) {
  if (completion.result > 0) {
    rest_.remove_prefix(static_cast<size_t>(completion.result));
    if (!rest_.empty() && !Operation::cancel_requested) return Send();
    if (!rest_.empty()) set_result(-ECANCELED);
  } else {
    set_result(completion.result == 0 ? -EPIPE : completion.result);
  }
  connection_.set_writing(false);
  Resume();
}

absl::Status WriteAwaiter::Failure() const {
  return OperationError(connection_, -result(), "write to");
}

WriteAllAwaiter::WriteAllAwaiter(TcpConnection& connection,
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
  return OperationError(connection_, -result(), "write to");
}

}  // namespace io

Task<absl::StatusOr<TcpStream>> TcpStream::Connect(SocketAddress address) {
  const int descriptor =
      ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (descriptor < 0) co_return ErrnoToStatus(errno, "socket for", address.ToString());
  // From here on the stream closes the descriptor, also when connecting fails.
  TcpStream stream = Adopt(descriptor, address);
  const int result = co_await io::ConnectAwaiter(descriptor, address);
  if (result < 0) co_return io::OperationError(*stream.connection_, -result, "connect to");
  co_return std::move(stream);
}

absl::Status TcpStream::HalfClose() {
  if (::shutdown(connection_->descriptor(), SHUT_WR) == 0) return absl::OkStatus();
  return connection_->Error(errno, "half close of");
}

absl::Status TcpStream::SetNoDelay(bool enabled) {
  const int value = enabled ? 1 : 0;
  if (::setsockopt(connection_->descriptor(), IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)) ==
      0) {
    return absl::OkStatus();
  }
  return connection_->Error(errno, "set TCP_NODELAY of");
}

absl::StatusOr<SocketAddress> TcpStream::local_address() const {
  return LocalAddressOf(connection_->descriptor());
}

}  // namespace pelton
