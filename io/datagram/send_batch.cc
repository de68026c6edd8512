#include "io/datagram/send_batch.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cstring>

#include "framework/base/check.h"
#include "io/datagram/datagram.h"

namespace pelton::io {

template <typename T>
void DatagramControl::Add(msghdr& message, int level, int type, const T& value) {
  const size_t at = message.msg_controllen;
  PELTON_DCHECK(at + CMSG_SPACE(sizeof(value)) <= sizeof(bytes_));
  auto* const header = reinterpret_cast<cmsghdr*>(bytes_ + at);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof(value));
  std::memcpy(CMSG_DATA(header), &value, sizeof(value));
  message.msg_control = bytes_;
  message.msg_controllen = at + CMSG_SPACE(sizeof(value));
}

void DatagramControl::Write(const OutgoingDatagram& datagram, uint16_t segment_bytes,
                            msghdr& message) {
  message.msg_control = nullptr;
  message.msg_controllen = 0;
  if (segment_bytes != 0) Add(message, SOL_UDP, UDP_SEGMENT, segment_bytes);
  if (datagram.source == nullptr) return;
  if (datagram.source->IsIpv6()) {
    const auto& source = *reinterpret_cast<const sockaddr_in6*>(datagram.source->data());
    Add(message, IPPROTO_IPV6, IPV6_PKTINFO,
        in6_pktinfo{.ipi6_addr = source.sin6_addr, .ipi6_ifindex = source.sin6_scope_id});
  } else {
    const auto& source = *reinterpret_cast<const sockaddr_in*>(datagram.source->data());
    Add(message, IPPROTO_IP, IP_PKTINFO,
        in_pktinfo{.ipi_ifindex = 0, .ipi_spec_dst = source.sin_addr, .ipi_addr = {}});
  }
}

bool SendBatch::Joins(const OutgoingDatagram& first, const OutgoingDatagram& next) const {
  return next.segment_bytes == 0 && next.payload.size() <= first.payload.size() &&
         !next.payload.empty() && joined_bytes_ + next.payload.size() <= kMostBytes &&
         messages_[count_ - 1].msg_hdr.msg_iovlen < kMostSegments && next.source == first.source &&
         next.destination == first.destination;
}

size_t SendBatch::Build(std::span<const OutgoingDatagram> datagrams, bool join) {
  const size_t most = std::min(datagrams.size(), kMost);
  count_ = 0;
  open_ = false;
  const OutgoingDatagram* first = nullptr;  // of the message that is being built
  for (size_t i = 0; i < most; ++i) {
    const OutgoingDatagram& datagram = datagrams[i];
    pieces_[i] = {const_cast<char*>(datagram.payload.data()), datagram.payload.size()};
    if (open_ && Joins(*first, datagram)) {
      msghdr& message = messages_[count_ - 1].msg_hdr;
      joined_bytes_ += datagram.payload.size();
      // A shorter one can only be the last.
      open_ = datagram.payload.size() == first->payload.size();
      if (++message.msg_iovlen == 2) {
        controls_[count_ - 1].Write(*first, static_cast<uint16_t>(first->payload.size()), message);
      }
      continue;
    }
    first = &datagram;
    msghdr& message = messages_[count_].msg_hdr;
    const bool addressed = datagram.destination.port() != 0;
    message.msg_name = addressed ? const_cast<sockaddr*>(datagram.destination.data()) : nullptr;
    message.msg_namelen = addressed ? datagram.destination.size() : 0;
    message.msg_iov = &pieces_[i];
    message.msg_iovlen = 1;
    message.msg_flags = 0;
    controls_[count_].Write(datagram, datagram.segment_bytes, message);
    ++count_;
    joined_bytes_ = datagram.payload.size();
    open_ = join && datagram.segment_bytes == 0 && !datagram.payload.empty() &&
            datagram.payload.size() <= UINT16_MAX;
  }
  return most;
}

size_t SendBatch::DatagramsIn(size_t messages) const {
  size_t datagrams = 0;
  for (size_t i = 0; i < messages; ++i) datagrams += messages_[i].msg_hdr.msg_iovlen;
  return datagrams;
}

}  // namespace pelton::io
