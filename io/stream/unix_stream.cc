#include "io/stream/unix_stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "io/await_operation.h"
#include "io/stream/connect_awaiter.h"

namespace pelton {
namespace {

// Sends or receives one message of a stream: bytes and control data.
class MessageAwaiter final : public io::OperationAwaiter {
 public:
  MessageAwaiter(io::OperationKind kind, const io::StreamConnection& connection, msghdr& message,
                 int flags)
      : OperationAwaiter(kind), connection_(connection) {
    Operation::descriptor = connection.descriptor();
    Operation::address = &message;
    Operation::length = static_cast<uint32_t>(flags);
  }
  // Bytes, or a negative errno.
  int await_resume() const { return result(); }

 private:
  void Describe(std::ostream& out) const override {
    out << io::OperationKindName(kind) << " on descriptor " << descriptor << ", to or from "
        << connection_;
  }

  const io::StreamConnection& connection_;
};

}  // namespace

Task<absl::StatusOr<UnixStream>> UnixStream::Connect(std::string_view address) {
  absl::StatusOr<UnixAddress> parsed = UnixAddress::Parse(address);
  if (!parsed.ok()) co_return parsed.status();
  co_return co_await Connect(*parsed, SocketOptions());
}

Task<absl::StatusOr<UnixStream>> UnixStream::Connect(UnixAddress address, SocketOptions options) {
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) co_return ErrnoToStatus(errno, "socket for", address.ToString());
  // From here on the stream closes the descriptor, also when connecting fails.
  UnixStream stream = Adopt(descriptor, address);
  PELTON_CO_RETURN_IF_ERROR(stream.SetOptions(options));
  const int result = co_await io::ConnectAwaiter(stream.connection(), address);
  if (result < 0) co_return stream.connection().OperationError(-result, "connect to");
  co_return std::move(stream);
}

absl::StatusOr<std::pair<UnixStream, UnixStream>> UnixStream::Pair() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
    return ErrnoToStatus(errno, "socketpair");
  }
  return std::pair(Adopt(pair[0], UnixAddress()), Adopt(pair[1], UnixAddress()));
}

Task<absl::Status> UnixStream::WriteWithDescriptors(std::string_view bytes,
                                                    std::span<const OwnedDescriptor> descriptors) {
  io::StreamConnection& to = connection();
  if (bytes.empty()) {
    std::ostringstream message;
    message << "write to " << to << ": descriptors travel with bytes, at least one";
    co_return absl::InvalidArgumentError(message.str());
  }
  io::DescriptorsToSend rights;
  PELTON_CO_RETURN_IF_ERROR(rights.Add(descriptors));
  iovec vector = {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = rights.data();
  message.msg_controllen = rights.size();
  int sent;
  {
    const io::WritingMark mark(to);
    sent = co_await MessageAwaiter(io::OperationKind::kSendMessage, to, message, 0);
  }
  if (sent < 0) co_return to.OperationError(-sent, "write to");
  co_return co_await Write(bytes.substr(static_cast<size_t>(sent)));
}

Task<absl::StatusOr<BytesWithDescriptors>> UnixStream::ReadWithDescriptors(
    std::span<char> target, size_t most_descriptors) {
  PELTON_CHECK(!target.empty() && most_descriptors <= io::kMostDescriptors)
      << target.size() << " bytes, " << most_descriptors << " descriptors";
  io::StreamConnection& from = connection();
  if (from.HasInput() || from.ReceivesByItself()) {
    // A read that was interrupted has received these, without room for descriptors.
    PELTON_CO_ASSIGN_OR_RETURN(const size_t bytes, co_await ReadInto(target));
    co_return BytesWithDescriptors{.bytes = bytes, .descriptors = {}};
  }
  std::vector<char> control(io::ControlRoom(most_descriptors, /*credentials=*/false));
  iovec vector = {.iov_base = target.data(), .iov_len = target.size()};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.empty() ? nullptr : control.data();
  message.msg_controllen = control.size();
  int received;
  {
    const io::ReadingMark mark(from);
    received = co_await MessageAwaiter(io::OperationKind::kReceiveMessage, from, message,
                                       MSG_CMSG_CLOEXEC);
  }
  if (received < 0) co_return from.OperationError(-received, "read from");
  io::ReceivedControl came = io::TakeControl(message);
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    std::ostringstream text;
    text << "read from " << from << ": more descriptors came than the " << most_descriptors
         << " that were expected, or than this process may open (ulimit -n); they are closed";
    co_return absl::ResourceExhaustedError(text.str());
  }
  co_return BytesWithDescriptors{.bytes = static_cast<size_t>(received),
                                 .descriptors = std::move(came.descriptors)};
}

absl::StatusOr<PeerCredentials> UnixStream::peer_credentials() const {
  return PeerCredentialsOf(descriptor());
}

}  // namespace pelton
