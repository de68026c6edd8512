// What UdpSocket's awaits are made of. Private to io; see udp_socket.h.
//
// Shard affinity and ownership: as of the socket.

#ifndef PELTON_IO_DATAGRAM_UDP_AWAITERS_H_
#define PELTON_IO_DATAGRAM_UDP_AWAITERS_H_

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <ostream>
#include <span>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/await_operation.h"
#include "io/datagram/datagram.h"
#include "io/datagram/message_socket.h"
#include "io/datagram/send_batch.h"
#include "io/socket_address.h"

namespace pelton::io {

// A UDP socket's record and addresses. Movable; Abandon() is its owner's.
class UdpCore {
 public:
  UdpCore() = default;
  UdpCore(MessageSocket* socket, const SocketAddress& address, bool join_sent)
      : socket_(socket), address_(address), join_sent_(join_sent) {}
  UdpCore(UdpCore&& other) noexcept
      : socket_(std::exchange(other.socket_, nullptr)),
        address_(other.address_),
        peer_(other.peer_),
        join_sent_(other.join_sent_) {}
  UdpCore& operator=(UdpCore&& other) noexcept {
    std::swap(socket_, other.socket_);
    address_ = other.address_;
    peer_ = other.peer_;
    join_sent_ = other.join_sent_;
    return *this;
  }
  void Abandon() {
    if (socket_ != nullptr) std::exchange(socket_, nullptr)->Abandon();
  }

  bool valid() const { return socket_ != nullptr; }
  MessageSocket& socket() const { return *socket_; }
  const SocketAddress& address() const { return address_; }
  const SocketAddress& peer() const { return peer_; }
  bool connected() const { return peer_.port() != 0; }
  void set_address(const SocketAddress& address) { address_ = address; }
  void set_peer(const SocketAddress& peer) { peer_ = peer; }
  bool join_sent() const { return join_sent_; }
  // The network device cannot.
  void StopJoining() { join_sent_ = false; }

  // The error of a receive that found nothing: the network's, or the task's stop status.
  absl::Status ReceiveError() const;
  // The error of a send.
  absl::Status SendError(int error_number, const OutgoingDatagram& datagram) const;

 private:
  MessageSocket* socket_ = nullptr;
  SocketAddress address_;
  SocketAddress peer_;
  bool join_sent_ = false;
};

class [[nodiscard("co_await it")]] ReceiveDatagramAwaiter final : public MessageAwaiter {
 public:
  ReceiveDatagramAwaiter(const UdpCore& core, StopPhase interrupted_from)
      : MessageAwaiter(core.socket(), interrupted_from), core_(core) {}
  absl::StatusOr<Datagram> await_resume() {
    if (socket().HasMessage()) [[likely]]
      return Datagram(socket().TakeMessage());
    return core_.ReceiveError();
  }

 private:
  const UdpCore& core_;
};

class [[nodiscard("co_await it")]] ReceiveDatagramsAwaiter final : public MessageAwaiter {
 public:
  ReceiveDatagramsAwaiter(const UdpCore& core, std::span<Datagram> datagrams,
                          StopPhase interrupted_from)
      : MessageAwaiter(core.socket(), interrupted_from), core_(core), datagrams_(datagrams) {
    PELTON_CHECK(!datagrams.empty()) << "ReceiveMany() needs room for a datagram";
    // Their buffers may be what the next ones arrive in.
    for (Datagram& datagram : datagrams) datagram = Datagram();
  }
  absl::StatusOr<size_t> await_resume() {
    size_t count = 0;
    while (count < datagrams_.size() && socket().HasMessage()) {
      datagrams_[count++] = Datagram(socket().TakeMessage());
    }
    if (count > 0) [[likely]]
      return count;
    return core_.ReceiveError();
  }

 private:
  const UdpCore& core_;
  const std::span<Datagram> datagrams_;
};

// Sends one datagram.
class [[nodiscard("co_await it")]] SendDatagramAwaiter final : public OperationAwaiter {
 public:
  SendDatagramAwaiter(const UdpCore& core, const OutgoingDatagram& datagram)
      : OperationAwaiter(OperationKind::kSendMessage), core_(core), datagram_(datagram) {}

  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (StoppedBeforeWaiting()) return RefuseAndRequeue(task.promise());
    Suspend(task.promise());
    Begin();
  }
  absl::Status await_resume() const {
    if (result() >= 0) [[likely]]
      return absl::OkStatus();
    return core_.SendError(-result(), datagram_);
  }

 private:
  void Begin();
  void OnCompletion(const Completion& completion) override {
    core_.socket().EndSend();
    OperationAwaiter::OnCompletion(completion);
  }
  void Describe(std::ostream& out) const override;

  const UdpCore& core_;
  const OutgoingDatagram datagram_;
  iovec piece_ = {};
  msghdr message_ = {};
  DatagramControl control_;
};

// Sends datagrams, SendBatch::kMost at a time.
class [[nodiscard("co_await it")]] SendDatagramsAwaiter final : public OperationAwaiter {
 public:
  SendDatagramsAwaiter(UdpCore& core, std::span<const OutgoingDatagram> datagrams)
      : OperationAwaiter(OperationKind::kSendMessages), core_(core), datagrams_(datagrams) {}

  bool await_ready() const noexcept { return datagrams_.empty() && !Scheduler::Current()->Due(); }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (datagrams_.empty()) return Requeue(task.promise());
    if (StoppedBeforeWaiting()) return RefuseAndRequeue(task.promise());
    core_.socket().BeginBatch();
    Suspend(task.promise());
    SendRest(core_.join_sent());
  }
  absl::StatusOr<size_t> await_resume() const {
    if (sent_ > 0 || result() >= 0) [[likely]]
      return sent_;
    return core_.SendError(-result(), datagrams_.front());
  }

 private:
  void SendRest(bool join);
  void OnCompletion(const Completion& completion) override;
  void Describe(std::ostream& out) const override;

  UdpCore& core_;
  const std::span<const OutgoingDatagram> datagrams_;
  size_t sent_ = 0;
};

}  // namespace pelton::io

#endif  // PELTON_IO_DATAGRAM_UDP_AWAITERS_H_
