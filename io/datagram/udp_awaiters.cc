#include "io/datagram/udp_awaiters.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"

namespace pelton::io {
namespace {

// The longest payloads: 65,535 bytes less the headers that the length counts.
constexpr size_t kLongestIpv4 = 65507;
constexpr size_t kLongestIpv6 = 65527;

// What a datagram to there may carry, for a message.
std::string Limit(const MessageSocket& socket, const SocketAddress& destination, size_t bytes) {
  const bool ipv6 = destination.IsIpv6();
  const size_t longest = ipv6 ? kLongestIpv6 : kLongestIpv4;
  if (bytes > longest) return absl::StrCat("a datagram carries at most ", longest, " bytes");
  int packet = 0;
  socklen_t size = sizeof(packet);
  if (::getsockopt(socket.descriptor(), ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_MTU : IP_MTU,
                   &packet, &size) == 0) {
    return absl::StrCat("packets to there have at most ", packet, " bytes, headers included");
  }
  return "that is more than a packet on the way may have";
}

}  // namespace

absl::Status UdpCore::ReceiveError() const {
  if (const int error = socket_->TakeError(); error != 0) {
    return connected() ? ErrnoToStatus(error, "receive from", peer_.ToString())
                       : ErrnoToStatus(error, "receive on", address_.ToString());
  }
  return Scheduler::Current()->current_context().StopStatus();
}

absl::Status UdpCore::SendError(int error_number, const OutgoingDatagram& datagram) const {
  const TaskContext& flow = Scheduler::Current()->current_context();
  if (error_number == ECANCELED && flow.StoppedFrom(StopPhase::kAccepting)) {
    return flow.StopStatus();
  }
  const SocketAddress& to = datagram.destination.port() != 0 ? datagram.destination : peer_;
  absl::Status status =
      ErrnoToStatus(error_number, "send to",
                    absl::StrCat(to.ToString(), ", ", datagram.payload.size(), " bytes"));
  if (error_number != EMSGSIZE) return status;
  absl::Status explained(status.code(), absl::StrCat(status.message(), "; ",
                                                     Limit(*socket_, to, datagram.payload.size())));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    explained.SetPayload(url, payload);
  });
  return explained;
}

void SendDatagramAwaiter::Begin() {
  const bool addressed = datagram_.destination.port() != 0;
  piece_ = {const_cast<char*>(datagram_.payload.data()), datagram_.payload.size()};
  message_.msg_name = addressed ? const_cast<sockaddr*>(datagram_.destination.data()) : nullptr;
  message_.msg_namelen = addressed ? datagram_.destination.size() : 0;
  message_.msg_iov = &piece_;
  message_.msg_iovlen = 1;
  control_.Write(datagram_, datagram_.segment_bytes, message_);
  Operation::descriptor = core_.socket().descriptor();
  Operation::address = &message_;
  core_.socket().BeginSend();
  Reactor::Current()->Start(*this);
}

void SendDatagramAwaiter::Describe(std::ostream& out) const {
  out << "sending " << datagram_.payload.size() << " bytes to "
      << (datagram_.destination.port() != 0 ? datagram_.destination : core_.peer());
}

void SendDatagramsAwaiter::SendRest(bool join) {
  SendBatch& batch = core_.socket().batch();
  batch.Build(datagrams_.subspan(sent_), join);
  Operation::descriptor = core_.socket().descriptor();
  Operation::address = batch.messages();
  Operation::length = static_cast<uint32_t>(batch.message_count());
  Reactor::Current()->Start(*this);
}

void SendDatagramsAwaiter::OnCompletion(const Completion& completion) {
  SendBatch& batch = core_.socket().batch();
  const bool stopped = Operation::cancel_requested;
  if (completion.result > 0) {
    sent_ += batch.DatagramsIn(static_cast<size_t>(completion.result));
    if (sent_ < datagrams_.size() && !stopped) return SendRest(core_.join_sent());
  } else if (completion.result < 0 && completion.result != -ECANCELED && !stopped &&
             batch.FirstIsJoined()) {
    // EIO: the device computes no checksums. Else one of them is at fault, or all are too long to
    // be joined: one by one, what can go goes.
    if (completion.result == -EIO) core_.StopJoining();
    return SendRest(/*join=*/false);
  }
  core_.socket().EndBatch();
  set_result(completion.result);
  Resume();
}

void SendDatagramsAwaiter::Describe(std::ostream& out) const {
  out << "sending " << datagrams_.size() - sent_ << " datagrams from " << core_.address();
}

}  // namespace pelton::io
