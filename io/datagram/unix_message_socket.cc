#include "io/datagram/unix_message_socket.h"

#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/message_chunk.h"
#include "io/unix_socket_file.h"

namespace pelton {
namespace {

using Options = UnixMessageSocket::Options;
using Type = UnixMessageSocket::Type;

constexpr size_t kNameRoom = 112;  // a sockaddr_un, in whole words
static_assert(sizeof(sockaddr_un) <= kNameRoom);

int TypeNumber(Type type) { return type == Type::kDatagram ? SOCK_DGRAM : SOCK_SEQPACKET; }

absl::StatusOr<OwnedDescriptor> OpenSocket(Type type, const UnixAddress& address) {
  OwnedDescriptor descriptor(::socket(AF_UNIX, TypeNumber(type) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!descriptor.valid()) return ErrnoToStatus(errno, "socket for", address.ToString());
  return descriptor;
}

// Makes the record of a socket.
absl::StatusOr<io::MessageSocket*> MakeRecord(OwnedDescriptor descriptor, Type type,
                                              const Options& options,
                                              const io::UnixSocketFile& file) {
  if (options.unread_limit == 0 || options.most_descriptors > io::kMostDescriptors) {
    return absl::InvalidArgumentError(absl::StrCat(
        "unread_limit is ", options.unread_limit, " and most_descriptors is ",
        options.most_descriptors, ": expected at least 1, and at most ", io::kMostDescriptors));
  }
  const bool is_sequenced = type == Type::kSeqpacket;
  // By them an empty message is told from the end.
  const bool credentials = options.receive_credentials || is_sequenced;
  if (credentials) PELTON_RETURN_IF_ERROR(ReceiveCredentials(descriptor.get()));
  const io::MessageSocket::Settings settings = {
      .name_room = kNameRoom,
      .control_room = io::ControlRoom(options.most_descriptors, credentials),
      .unread_limit = options.unread_limit,
      .largest = options.largest_message,
      .carries_descriptors = options.most_descriptors > 0,
      .is_sequenced = is_sequenced};
  return new io::MessageSocket(descriptor.Release(), settings, file);
}

class ConnectAwaiter final : public io::OperationAwaiter {
 public:
  ConnectAwaiter(int descriptor, const UnixAddress& address)
      : OperationAwaiter(io::OperationKind::kConnect), address_(address) {
    Operation::descriptor = descriptor;
    Operation::address = const_cast<sockaddr*>(address_.data());
    Operation::length = address_.size();
  }
  int await_resume() const { return result(); }

 private:
  const UnixAddress address_;
};

class AcceptAwaiter final : public io::OperationAwaiter {
 public:
  explicit AcceptAwaiter(io::MessageSocket& listener)
      : OperationAwaiter(io::OperationKind::kAccept, StopPhase::kAccepting), listener_(listener) {
    Operation::descriptor = listener.descriptor();
    listener_.BeginSend();  // keeps the record
  }
  ~AcceptAwaiter() { listener_.EndSend(); }
  int await_resume() const { return result(); }

 private:
  io::MessageSocket& listener_;
};

// The error of an operation that was interrupted, or failed.
absl::Status OperationError(int error_number, std::string_view operation,
                            const UnixAddress& address) {
  const TaskContext& flow = Scheduler::Current()->current_context();
  if (error_number == ECANCELED && flow.StoppedFrom(StopPhase::kAccepting)) {
    return flow.StopStatus();
  }
  return ErrnoToStatus(error_number, operation, address.ToString());
}

absl::Status SendError(int descriptor, int error_number, const UnixAddress& to, size_t bytes) {
  absl::Status status =
      OperationError(error_number, absl::StrCat("send of ", bytes, " bytes to"), to);
  if (error_number != EMSGSIZE) return status;
  int buffer = 0;
  socklen_t size = sizeof(buffer);
  ::getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &buffer, &size);
  absl::Status explained(status.code(),
                         absl::StrCat(status.message(), "; the send buffer (SO_SNDBUF)",
                                      " takes at most ", buffer, " bytes"));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    explained.SetPayload(url, payload);
  });
  return explained;
}

}  // namespace

UnixAddress LocalMessage::sender() const {
  const absl::StatusOr<UnixAddress> address =
      UnixAddress::FromSockaddr(buffer_.name(), buffer_.name_bytes());
  return address.ok() ? *address : UnixAddress();
}

absl::StatusOr<UnixMessageSocket> UnixMessageSocket::Bind(std::string_view text,
                                                          const Options& options) {
  UnixAddress address;
  if (!text.empty()) {
    PELTON_ASSIGN_OR_RETURN(address, UnixAddress::Parse(text));
  }
  PELTON_ASSIGN_OR_RETURN(OwnedDescriptor descriptor, OpenSocket(Type::kDatagram, address));
  PELTON_ASSIGN_OR_RETURN(io::UnixSocketFile file,
                          io::UnixSocketFile::Bind(descriptor.get(), address));
  PELTON_ASSIGN_OR_RETURN(io::MessageSocket * record,
                          MakeRecord(std::move(descriptor), Type::kDatagram, options, file));
  return UnixMessageSocket(record);
}

Task<absl::StatusOr<UnixMessageSocket>> UnixMessageSocket::Connect(UnixAddress peer, Type type,
                                                                   Options options) {
  PELTON_CO_ASSIGN_OR_RETURN(OwnedDescriptor descriptor, OpenSocket(type, peer));
  PELTON_CO_ASSIGN_OR_RETURN(UnixMessageSocket socket, Adopt(std::move(descriptor), type, options));
  const int result = co_await ConnectAwaiter(socket.socket_->descriptor(), peer);
  if (result < 0) co_return OperationError(-result, "connect to", peer);
  socket.peer_ = peer;
  co_return std::move(socket);
}

absl::StatusOr<std::pair<UnixMessageSocket, UnixMessageSocket>> UnixMessageSocket::Pair(
    const Options& options) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return ErrnoToStatus(errno, "socketpair of local sockets");
  }
  OwnedDescriptor second(ends[1]);
  PELTON_ASSIGN_OR_RETURN(UnixMessageSocket one,
                          Adopt(OwnedDescriptor(ends[0]), Type::kSeqpacket, options));
  PELTON_ASSIGN_OR_RETURN(UnixMessageSocket other,
                          Adopt(std::move(second), Type::kSeqpacket, options));
  return std::pair(std::move(one), std::move(other));
}

absl::StatusOr<UnixMessageSocket> UnixMessageSocket::Adopt(OwnedDescriptor descriptor, Type type,
                                                           const Options& options) {
  PELTON_ASSIGN_OR_RETURN(io::MessageSocket * record,
                          MakeRecord(std::move(descriptor), type, options, io::UnixSocketFile()));
  return UnixMessageSocket(record);
}

absl::Status UnixMessageSocket::ConnectTo(const UnixAddress& peer) {
  if (::connect(socket_->descriptor(), peer.data(), peer.size()) != 0) {
    return ErrnoToStatus(errno, "connect to", peer.ToString());
  }
  peer_ = peer;
  return absl::OkStatus();
}

absl::Status UnixMessageSocket::TrySendTo(std::string_view payload, const UnixAddress& destination,
                                          std::span<const OwnedDescriptor> descriptors) {
  io::DescriptorsToSend rights;
  PELTON_RETURN_IF_ERROR(rights.Add(descriptors));
  iovec piece = {const_cast<char*>(payload.data()), payload.size()};
  mmsghdr message = {};
  message.msg_hdr.msg_name = const_cast<sockaddr*>(destination.data());
  message.msg_hdr.msg_namelen = destination.size();
  message.msg_hdr.msg_iov = &piece;
  message.msg_hdr.msg_iovlen = 1;
  message.msg_hdr.msg_control = rights.data();
  message.msg_hdr.msg_controllen = rights.size();
  const int result = io::SendMessagesNow(socket_->descriptor(), &message, 1);
  if (result > 0) return absl::OkStatus();
  return SendError(socket_->descriptor(), -result, destination, payload.size());
}

absl::StatusOr<UnixMessageListener> UnixMessageListener::Bind(std::string_view text,
                                                              const Options& options, int backlog) {
  PELTON_ASSIGN_OR_RETURN(const UnixAddress address, UnixAddress::Parse(text));
  PELTON_ASSIGN_OR_RETURN(OwnedDescriptor descriptor, OpenSocket(Type::kSeqpacket, address));
  PELTON_ASSIGN_OR_RETURN(io::UnixSocketFile file,
                          io::UnixSocketFile::Bind(descriptor.get(), address));
  if (::listen(descriptor.get(), backlog) != 0) {
    const int error = errno;
    (void)file.Remove();
    return ErrnoToStatus(error, "listen on", address.ToString());
  }
  PELTON_ASSIGN_OR_RETURN(io::MessageSocket * record,
                          MakeRecord(std::move(descriptor), Type::kSeqpacket, options, file));
  return UnixMessageListener(record, address, options);
}

Task<absl::StatusOr<UnixMessageSocket>> UnixMessageListener::Accept() {
  for (;;) {
    const int result = co_await AcceptAwaiter(*socket_);
    if (result >= 0) {
      co_return UnixMessageSocket::Adopt(OwnedDescriptor(result), Type::kSeqpacket, options_);
    }
    // The connection has gone again.
    if (result != -ECONNABORTED && result != -EAGAIN) {
      co_return OperationError(-result, "accept on", address_);
    }
  }
}

namespace io {

absl::StatusOr<LocalMessage> ReceiveLocalAwaiter::await_resume() {
  if (socket().HasMessage()) return LocalMessage(socket().TakeMessage());
  if (const int error = socket().TakeError(); error != 0) {
    return ErrnoToStatus(error, "receive from", peer_.ToString());
  }
  if (socket().ended()) return LocalMessage();
  return Scheduler::Current()->current_context().StopStatus();
}

SendLocalAwaiter::SendLocalAwaiter(MessageSocket& socket, const UnixAddress& peer,
                                   std::string_view payload,
                                   std::span<const OwnedDescriptor> descriptors)
    : OperationAwaiter(OperationKind::kSendMessage),
      socket_(socket),
      peer_(peer),
      refusal_(rights_.Add(descriptors)),
      piece_{const_cast<char*>(payload.data()), payload.size()} {}

void SendLocalAwaiter::Begin() {
  message_.msg_iov = &piece_;
  message_.msg_iovlen = 1;
  message_.msg_control = rights_.data();
  message_.msg_controllen = rights_.size();
  Operation::descriptor = socket_.descriptor();
  Operation::address = &message_;
  socket_.BeginSend();
  Reactor::Current()->Start(*this);
}

absl::Status SendLocalAwaiter::await_resume() const {
  if (!refusal_.ok()) return refusal_;
  if (result() >= 0) return absl::OkStatus();
  return SendError(socket_.descriptor(), -result(), peer_, piece_.iov_len);
}

void SendLocalAwaiter::Describe(std::ostream& out) const {
  out << "sending " << piece_.iov_len << " bytes to " << peer_;
}

}  // namespace io
}  // namespace pelton
