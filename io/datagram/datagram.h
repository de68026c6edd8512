// Datagrams of UDP: one that was received, and one that is to be sent.
//
//   for (std::string_view part : datagram.parts()) Handle(part, datagram.sender());
//   co_await socket.SendTo(datagram.text(), datagram.sender());
//
// Shard affinity: a Datagram belongs to the shard that received it (checked).
// Cost: no allocation; what came with a datagram is read when it is asked for.
// Source: man udp(7), ip(7), ipv6(7).

#ifndef PELTON_IO_DATAGRAM_DATAGRAM_H_
#define PELTON_IO_DATAGRAM_DATAGRAM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "io/datagram/message_buffer.h"
#include "io/socket_address.h"

namespace pelton {

// A received datagram, owned. Movable. Keeps a 16 KiB chunk of the shard busy, or, of a socket for
// large or joined datagrams, one of its sixteen large buffers.
class [[nodiscard]] Datagram {
 public:
  // Explicit Congestion Notification (RFC 3168).
  enum class Congestion : uint8_t {
    kNotCapable = 0,
    kCapable1 = 1,
    kCapable0 = 2,
    kExperienced = 3,
  };

  // None: no payload, no sender.
  Datagram() = default;

  // The payload; may be empty. Valid as long as this object.
  std::string_view text() const { return {data(), size()}; }
  std::span<char> bytes() const { return buffer_.payload(); }
  const char* data() const { return buffer_.payload().data(); }
  size_t size() const { return buffer_.payload().size(); }
  bool empty() const { return buffer_.payload().empty(); }

  // Whether the datagram was longer than the socket's `largest_datagram`; the rest is lost.
  bool truncated() const { return (buffer_.flags() & MSG_TRUNC) != 0; }

  // Who sent it; 0.0.0.0:0 of an object without a datagram.
  SocketAddress sender() const;

  // What follows is there when the socket was asked for it (UdpSocket::Options).

  // The address that it was sent to, with port 0: where a reply should come from.
  std::optional<SocketAddress> local_address() const;
  // The index of the network interface that it came by; 0: not known.
  uint32_t interface_index() const;
  std::optional<Congestion> congestion() const;
  // How many more hops it might have gone (TTL, hop limit).
  std::optional<int> hop_limit() const;
  // When the kernel received it, by the wall clock.
  std::optional<absl::Time> received_at() const;

  // Of a socket that takes joined datagrams (Options::join_received), this may be several of one
  // sender: the bytes of each but the last, which may be shorter. 0: it is one.
  size_t segment_bytes() const;

  // The datagrams that this consists of, in order: of one, itself.
  class Parts;
  Parts parts() const;

  // Used by the socket that received it.
  explicit Datagram(io::MessageBuffer buffer) : buffer_(std::move(buffer)) {}

 private:
  io::MessageBuffer buffer_;
};

// A range of the parts of a datagram, for `for`.
class Datagram::Parts {
 public:
  class Iterator {
   public:
    Iterator(std::string_view rest, size_t each, bool at_end)
        : rest_(rest), each_(each), at_end_(at_end) {}
    std::string_view operator*() const { return rest_.substr(0, each_); }
    Iterator& operator++() {
      at_end_ = rest_.size() <= each_;
      if (!at_end_) rest_.remove_prefix(each_);
      return *this;
    }
    bool operator!=(const Iterator& other) const { return at_end_ != other.at_end_; }

   private:
    std::string_view rest_;
    size_t each_;
    bool at_end_;
  };

  Parts(std::string_view text, size_t each) : text_(text), each_(each) {}
  Iterator begin() const { return {text_, each_, false}; }
  Iterator end() const { return {text_, each_, true}; }

 private:
  std::string_view text_;
  size_t each_;
};

inline Datagram::Parts Datagram::parts() const {
  const size_t each = segment_bytes();
  return {text(), each == 0 ? size() + 1 : each};
}

// A datagram that is to be sent. Borrows all that it refers to.
struct OutgoingDatagram {
  // Where to, of a socket that is not connected; one that is connected ignores a port of 0.
  SocketAddress destination;
  std::string_view payload;
  // When it is not 0: the payload is sent as datagrams of so many bytes each, the last of which may
  // be shorter; at most 64 of them and 65,507 bytes in all (UDP_SEGMENT). ERRORS: EINVAL when they
  // are larger than the network's packets.
  uint16_t segment_bytes = 0;
  // The address of this host that it comes from; null: as routing wants it. See
  // Datagram::local_address().
  const SocketAddress* source = nullptr;
};

// What echoes a datagram: the same parts back to its sender.
inline OutgoingDatagram ReplyTo(const Datagram& datagram) {
  const size_t each = datagram.segment_bytes();
  return {.destination = datagram.sender(),
          .payload = datagram.text(),
          .segment_bytes = static_cast<uint16_t>(each < datagram.size() ? each : 0)};
}

}  // namespace pelton

#endif  // PELTON_IO_DATAGRAM_DATAGRAM_H_
