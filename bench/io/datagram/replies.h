// The replies of a raw echo server that are sent together, with or without segmentation offload
// (UDP_SEGMENT): neighbours of one size to one client become one message, which the kernel cuts.
//
// Ownership: borrows the payloads and addresses until Clear(). Cost: no allocation after the first
// batches. No code of Pelton's is in here: the peers are the yardstick.

#ifndef PELTON_BENCH_IO_DATAGRAM_REPLIES_H_
#define PELTON_BENCH_IO_DATAGRAM_REPLIES_H_

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace pelton::bench {

class Replies {
 public:
  // What one message may carry: the kernel's UDP_MAX_SEGMENTS of old, and the largest datagram.
  static constexpr size_t kMostSegments = 64;
  static constexpr size_t kMostBytes = 65000;

  Replies(size_t most, bool offload)
      : offload_(offload), messages_(most), pieces_(most), controls_(most) {}

  // A reply of `bytes` bytes; `segment` bytes each when it is more than one datagram (else 0).
  void Add(sockaddr_in* to, char* data, size_t bytes, size_t segment) {
    iovec& piece = pieces_[used_pieces_++];
    piece = {data, bytes};
    if (offload_ && segment == 0 && used_ > 0 && Joins(*to, bytes)) {
      msghdr& last = messages_[used_ - 1].msg_hdr;
      ++last.msg_iovlen;
      total_ += bytes;
      open_ = bytes == segment_;
      if (last.msg_iovlen == 2) Segment(used_ - 1, segment_);
      return;
    }
    msghdr& message = messages_[used_].msg_hdr;
    message = {};
    message.msg_name = to;
    message.msg_namelen = sizeof(*to);
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (segment != 0 && segment < bytes) Segment(used_, segment);
    ++used_;
    open_ = segment == 0 && bytes > 0;
    segment_ = total_ = bytes;
  }
  void Clear() { used_ = used_pieces_ = 0; }

  size_t size() const { return used_; }
  mmsghdr* data() { return messages_.data(); }
  msghdr& operator[](size_t i) { return messages_[i].msg_hdr; }

 private:
  struct alignas(cmsghdr) Control {
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
  };

  bool Joins(const sockaddr_in& to, size_t bytes) const {
    const msghdr& last = messages_[used_ - 1].msg_hdr;
    const auto& other = *static_cast<const sockaddr_in*>(last.msg_name);
    return open_ && bytes > 0 && bytes <= segment_ && total_ + bytes <= kMostBytes &&
           last.msg_iovlen < kMostSegments && to.sin_port == other.sin_port &&
           to.sin_addr.s_addr == other.sin_addr.s_addr;
  }
  void Segment(size_t message, size_t bytes) {
    msghdr& header = messages_[message].msg_hdr;
    header.msg_control = controls_[message].bytes;
    header.msg_controllen = sizeof(Control);
    cmsghdr* const control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_UDP;
    control->cmsg_type = UDP_SEGMENT;
    control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    const auto size = static_cast<uint16_t>(bytes);
    std::memcpy(CMSG_DATA(control), &size, sizeof(size));
  }

  const bool offload_;
  std::vector<mmsghdr> messages_;
  std::vector<iovec> pieces_;
  std::vector<Control> controls_;
  size_t used_ = 0;
  size_t used_pieces_ = 0;
  bool open_ = false;   // the last message takes more
  size_t segment_ = 0;  // bytes of each datagram of the last message
  size_t total_ = 0;
};

// The size of the segments that a received message was joined of (UDP_GRO); 0 when it is one.
inline size_t SegmentSizeOf(msghdr& message) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO) {
      int size;
      std::memcpy(&size, CMSG_DATA(control), sizeof(size));
      return static_cast<size_t>(size);
    }
  }
  return 0;
}

}  // namespace pelton::bench

#endif  // PELTON_BENCH_IO_DATAGRAM_REPLIES_H_
