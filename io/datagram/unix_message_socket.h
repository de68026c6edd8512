// UnixMessageSocket: messages between processes of one host, over datagram and seqpacket sockets,
// with descriptors and the sender's credentials if wanted.
//
//   PELTON_CO_ASSIGN_OR_RETURN(auto listener, UnixMessageListener::Bind("/run/service.sock"));
//   PELTON_CO_ASSIGN_OR_RETURN(UnixMessageSocket peer, co_await listener.Accept());
//   PELTON_CO_ASSIGN_OR_RETURN(LocalMessage message, co_await peer.Receive());
//   if (message.is_end()) co_return absl::OkStatus();           // the peer closed
//   PELTON_CO_RETURN_IF_ERROR(co_await peer.Send("here", message.descriptors()));
//
// Shard affinity: the shard that made it. Ownership: movable; destroying it closes the socket and
// removes its socket file, without waiting. Messages outlive it.
// Invariants: 1. one receive at a time, any number of sends; 2. messages arrive whole and in order,
// and none is lost: a sender waits while `unread_limit` here and the kernel's queue are full; 3. a
// message that is longer than `largest_message` is cut off (truncated()); 4. only a socket file that
// this socket made, or that no living socket answers to, is ever removed; 5. descriptors that arrive
// are close-on-exec, and are closed with the message unless they are taken.
// Errors name the operation and the peer, and keep the errno.
// Cost: a message without descriptors allocates nothing. Source: man unix(7).

#ifndef PELTON_IO_DATAGRAM_UNIX_MESSAGE_SOCKET_H_
#define PELTON_IO_DATAGRAM_UNIX_MESSAGE_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/await_operation.h"
#include "io/datagram/message_buffer.h"
#include "io/datagram/message_socket.h"
#include "io/descriptor_passing.h"
#include "io/unix_address.h"
#include "sched/task.h"

namespace pelton {

// A received message, owned. Movable.
class [[nodiscard]] LocalMessage {
 public:
  // The end of a seqpacket connection.
  LocalMessage() = default;

  // Whether the peer has closed its connection: there is no message.
  bool is_end() const { return is_end_; }
  // The payload; may be empty. Valid as long as this object.
  std::string_view text() const { return {bytes().data(), bytes().size()}; }
  std::span<char> bytes() const { return buffer_.payload(); }
  // Whether the message was longer than `largest_message`; the rest is lost.
  bool truncated() const { return (buffer_.flags() & MSG_TRUNC) != 0; }
  // Who sent a datagram; unnamed for a sender that is not bound, and on a connection.
  UnixAddress sender() const;
  // What came along; to be moved from. Fewer than were sent when descriptors_lost().
  std::vector<OwnedDescriptor>& descriptors() { return control_.descriptors; }
  // Whether there were more descriptors than `most_descriptors`; those beyond are closed.
  bool descriptors_lost() const { return (buffer_.flags() & MSG_CTRUNC) != 0; }
  // The sender's, when the socket receives them.
  const std::optional<PeerCredentials>& credentials() const { return control_.credentials; }

  // Used by the socket that received it.
  explicit LocalMessage(io::MessageBuffer buffer)
      : buffer_(std::move(buffer)), control_(io::TakeControl(buffer_.control())), is_end_(false) {}

 private:
  io::MessageBuffer buffer_;
  io::ReceivedControl control_;
  bool is_end_ = true;
};

namespace io {
class ReceiveLocalAwaiter;
class SendLocalAwaiter;
}  // namespace io

class UnixMessageSocket {
 public:
  enum class Type : uint8_t {
    kDatagram,   // one socket speaks with many
    kSeqpacket,  // connections of messages, which have an end
  };
  struct Options {
    // The most descriptors that a message brings here; those beyond are closed.
    size_t most_descriptors = 0;
    // Whether messages tell who sent them; those of seqpacket sockets always do.
    bool receive_credentials = false;
    // The longest message that arrives whole, in bytes. 0: what fits into a chunk, at least 16,000.
    // More costs sixteen buffers of that size.
    size_t largest_message = 0;
    // Messages that wait here until somebody receives them.
    size_t unread_limit = 64;
  };

  UnixMessageSocket() = default;
  UnixMessageSocket(UnixMessageSocket&& other) noexcept
      : socket_(std::exchange(other.socket_, nullptr)), peer_(other.peer_) {}
  UnixMessageSocket& operator=(UnixMessageSocket&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(peer_, other.peer_);
    return *this;
  }
  // Closes the socket, without waiting. REQUIRES: no receive or send is going on.
  ~UnixMessageSocket() {
    if (socket_ != nullptr) socket_->Abandon();
  }

  // A datagram socket at `address`: a path, @NAME, or empty for a name that the kernel chooses.
  // ERRORS: InvalidArgument (not an address), ALREADY_EXISTS (EADDRINUSE: a living socket or
  // another file is there), NOT_FOUND (no such directory), ... COST: system calls on the file
  // system.
  static absl::StatusOr<UnixMessageSocket> Bind(std::string_view address) {
    return Bind(address, Options());
  }
  static absl::StatusOr<UnixMessageSocket> Bind(std::string_view address, const Options& options);
  // A socket that is connected to `peer`. Suspends. ERRORS: NOT_FOUND (ENOENT), ECONNREFUSED
  // (nobody listens), EPROTOTYPE (a socket of another type), EAGAIN (its backlog is full).
  static Task<absl::StatusOr<UnixMessageSocket>> Connect(UnixAddress peer, Type type) {
    return Connect(peer, type, Options());
  }
  static Task<absl::StatusOr<UnixMessageSocket>> Connect(UnixAddress peer, Type type,
                                                         Options options);
  // Two seqpacket sockets that are connected with each other.
  static absl::StatusOr<std::pair<UnixMessageSocket, UnixMessageSocket>> Pair() {
    return Pair(Options());
  }
  static absl::StatusOr<std::pair<UnixMessageSocket, UnixMessageSocket>> Pair(
      const Options& options);

  // Lets a datagram socket exchange messages with `peer` alone. ERRORS: as of Connect().
  absl::Status ConnectTo(const UnixAddress& peer);

  // Suspends until a message arrives, or the end: absl::StatusOr<LocalMessage>. ERRORS: ECONNRESET
  // (the peer closed with messages unread), the stop status.
  io::ReceiveLocalAwaiter Receive();
  // The same, for waiting for something new: a drain interrupts it (UNAVAILABLE).
  io::ReceiveLocalAwaiter ReceiveWhenIdle();

  // Suspends until the message is in the peer's queue: absl::Status. `payload` and `descriptors`
  // must live until the await returns; the descriptors stay the caller's. ERRORS: ENOTCONN, EPIPE
  // and ECONNREFUSED (the peer has closed), EMSGSIZE (the message tells the size and the limit),
  // ETOOMANYREFS (too many descriptors on their way), the stop status.
  io::SendLocalAwaiter Send(std::string_view payload,
                            std::span<const OwnedDescriptor> descriptors = {});
  // Sends a datagram to `destination` without waiting, because the kernel does not tell when another
  // socket's queue has room. ERRORS: as of Send(); UNAVAILABLE (EAGAIN): that queue is full.
  absl::Status TrySendTo(std::string_view payload, const UnixAddress& destination,
                         std::span<const OwnedDescriptor> descriptors = {});

  // Who made the peer's socket. ERRORS: the errno of getsockopt.
  absl::StatusOr<PeerCredentials> peer_credentials() const {
    return PeerCredentialsOf(socket_->descriptor());
  }
  absl::StatusOr<UnixAddress> local_address() const {
    return LocalUnixAddressOf(socket_->descriptor());
  }
  const UnixAddress& peer_address() const { return peer_; }
  bool valid() const { return socket_ != nullptr; }

  // For UnixMessageListener: takes the descriptor of a connection over.
  static absl::StatusOr<UnixMessageSocket> Adopt(OwnedDescriptor descriptor, Type type,
                                                 const Options& options);

 private:
  explicit UnixMessageSocket(io::MessageSocket* socket) : socket_(socket) {}

  io::MessageSocket* socket_ = nullptr;
  UnixAddress peer_;
};

// Accepts seqpacket connections. Shard affinity and ownership: as of UnixMessageSocket.
class UnixMessageListener {
 public:
  UnixMessageListener(UnixMessageListener&& other) noexcept
      : socket_(std::exchange(other.socket_, nullptr)),
        address_(other.address_),
        options_(other.options_) {}
  UnixMessageListener& operator=(UnixMessageListener&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(address_, other.address_);
    std::swap(options_, other.options_);
    return *this;
  }
  ~UnixMessageListener() {
    if (socket_ != nullptr) socket_->Abandon();
  }

  // Listens at `address`: a path or @NAME. `options` are of the connections. ERRORS: as of
  // UnixMessageSocket::Bind().
  static absl::StatusOr<UnixMessageListener> Bind(std::string_view address,
                                                  const UnixMessageSocket::Options& options = {},
                                                  int backlog = 128);

  // Suspends until a connection arrives. A drain interrupts it (UNAVAILABLE). ERRORS: EMFILE and
  // ENFILE (connections wait in the backlog: back off before the next call), the stop status.
  Task<absl::StatusOr<UnixMessageSocket>> Accept();

  const UnixAddress& address() const { return address_; }

 private:
  UnixMessageListener(io::MessageSocket* socket, const UnixAddress& address,
                      const UnixMessageSocket::Options& options)
      : socket_(socket), address_(address), options_(options) {}

  io::MessageSocket* socket_;
  UnixAddress address_;
  UnixMessageSocket::Options options_;
};

namespace io {

class [[nodiscard("co_await it")]] ReceiveLocalAwaiter final : public MessageAwaiter {
 public:
  ReceiveLocalAwaiter(MessageSocket& socket, const UnixAddress& peer, StopPhase interrupted_from)
      : MessageAwaiter(socket, interrupted_from), peer_(peer) {}
  absl::StatusOr<LocalMessage> await_resume();

 private:
  const UnixAddress& peer_;
};

class [[nodiscard("co_await it")]] SendLocalAwaiter final : public OperationAwaiter {
 public:
  SendLocalAwaiter(MessageSocket& socket, const UnixAddress& peer, std::string_view payload,
                   std::span<const OwnedDescriptor> descriptors);

  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (StoppedBeforeWaiting() || !refusal_.ok()) return RefuseAndRequeue(task.promise());
    Suspend(task.promise());
    Begin();
  }
  absl::Status await_resume() const;

 private:
  void Begin();
  void OnCompletion(const Completion& completion) override {
    socket_.EndSend();
    OperationAwaiter::OnCompletion(completion);
  }
  void Describe(std::ostream& out) const override;

  MessageSocket& socket_;
  const UnixAddress& peer_;
  DescriptorsToSend rights_;
  absl::Status refusal_;
  iovec piece_;
  msghdr message_ = {};
};

}  // namespace io

inline io::ReceiveLocalAwaiter UnixMessageSocket::Receive() {
  return {*socket_, peer_, StopPhase::kEverything};
}
inline io::ReceiveLocalAwaiter UnixMessageSocket::ReceiveWhenIdle() {
  return {*socket_, peer_, StopPhase::kIdle};
}
inline io::SendLocalAwaiter UnixMessageSocket::Send(std::string_view payload,
                                                    std::span<const OwnedDescriptor> descriptors) {
  return {*socket_, peer_, payload, descriptors};
}

}  // namespace pelton

#endif  // PELTON_IO_DATAGRAM_UNIX_MESSAGE_SOCKET_H_
