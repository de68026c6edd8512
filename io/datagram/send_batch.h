// Datagrams as the kernel takes them, many at a time: messages with their addresses, pieces and
// control data. Neighbours of one size to one destination can be joined into one message, which the
// kernel cuts again (UDP_SEGMENT): it passes through the network stack once.
//
// Private to io. Shard affinity and ownership: of the socket that it belongs to; borrows the
// datagrams from Build() until they are sent. Cost: 8 KiB, no allocation.
// Source: Documentation/networking/segmentation-offloads, man udp(7).

#ifndef PELTON_IO_DATAGRAM_SEND_BATCH_H_
#define PELTON_IO_DATAGRAM_SEND_BATCH_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pelton {
struct OutgoingDatagram;
}

namespace pelton::io {

// Control data of an outgoing datagram.
class DatagramControl {
 public:
  // Writes what `datagram` asks for, with segments of `segment_bytes`, into itself, and refers
  // `message` to it.
  void Write(const OutgoingDatagram& datagram, uint16_t segment_bytes, msghdr& message);

 private:
  template <typename T>
  void Add(msghdr& message, int level, int type, const T& value);

  static constexpr size_t kBytes = 64;  // a segment's size and an IPv6 source
  alignas(cmsghdr) char bytes_[kBytes];
};

class SendBatch {
 public:
  // The most datagrams of one batch.
  static constexpr size_t kMost = 64;
  // The most datagrams of one message: the kernel's UDP_MAX_SEGMENTS, 128 since Linux 6.9.
  static constexpr size_t kMostSegments = 64;
  // The most bytes of one message over IPv4.
  static constexpr size_t kMostBytes = 65507;

  // Prepares the first datagrams of `datagrams`, and joins neighbours if `join`. Returns how many
  // of them.
  size_t Build(std::span<const OutgoingDatagram> datagrams, bool join);

  mmsghdr* messages() { return messages_.data(); }
  size_t message_count() const { return count_; }
  // How many datagrams the first `messages` messages hold.
  size_t DatagramsIn(size_t messages) const;
  // Whether the first message holds several datagrams that Build() has joined.
  bool FirstIsJoined() const { return messages_[0].msg_hdr.msg_iovlen > 1; }

 private:
  bool Joins(const OutgoingDatagram& first, const OutgoingDatagram& next) const;

  std::array<mmsghdr, kMost> messages_;
  std::array<iovec, kMost> pieces_;
  std::array<DatagramControl, kMost> controls_;
  size_t count_ = 0;
  size_t joined_bytes_ = 0;  // of the message that is being built
  bool open_ = false;        // it takes more datagrams
};

}  // namespace pelton::io

#endif  // PELTON_IO_DATAGRAM_SEND_BATCH_H_
