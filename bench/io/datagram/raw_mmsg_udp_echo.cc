// A hand-written UDP echo: recvmmsg(2) blocks for the first datagram and takes what else is there,
// sendmmsg(2) sends all replies.
//
// --offload  joins replies (UDP_SEGMENT) and takes datagrams that the kernel has joined (UDP_GRO).

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/flags/flag.h"
#include "bench/io/datagram/replies.h"
#include "bench/io/datagram/udp_peer.h"

ABSL_FLAG(bool, offload, false, "use UDP_GRO and UDP_SEGMENT");

namespace pelton::bench {
namespace {

constexpr size_t kBatch = 64;

struct Slot {
  sockaddr_in from;
  iovec piece;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
};

void Serve(int fd, bool offload) {
  const size_t buffer_size = offload ? 65536 + 64 : peers::BufferSize() + 64;
  std::vector<char> memory(kBatch * buffer_size);
  std::vector<Slot> slots(kBatch);
  std::vector<mmsghdr> messages(kBatch);
  Replies replies(kBatch, offload);
  for (size_t i = 0; i < kBatch; ++i) {
    slots[i].piece = {memory.data() + i * buffer_size, buffer_size - 64};
  }
  for (;;) {
    for (size_t i = 0; i < kBatch; ++i) {
      msghdr& message = messages[i].msg_hdr;
      message = {};
      message.msg_name = &slots[i].from;
      message.msg_namelen = sizeof(slots[i].from);
      message.msg_iov = &slots[i].piece;
      message.msg_iovlen = 1;
      if (offload) {
        message.msg_control = slots[i].control;
        message.msg_controllen = sizeof(slots[i].control);
      }
    }
    const int received = ::recvmmsg(fd, messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (received < 0 && errno != EINTR) peers::Die("recvmmsg", errno);
    replies.Clear();
    for (int i = 0; i < received; ++i) {
      mmsghdr& message = messages[static_cast<size_t>(i)];
      replies.Add(&slots[static_cast<size_t>(i)].from,
                  static_cast<char*>(message.msg_hdr.msg_iov->iov_base), message.msg_len,
                  offload ? SegmentSizeOf(message.msg_hdr) : 0);
    }
    for (size_t sent = 0; sent < replies.size();) {
      const int count =
          ::sendmmsg(fd, replies.data() + sent, static_cast<unsigned>(replies.size() - sent), 0);
      if (count < 0 && errno != EINTR) peers::Die("sendmmsg", errno);
      if (count > 0) sent += static_cast<size_t>(count);
    }
  }
}

}  // namespace
}  // namespace pelton::bench

int main(int argc, char** argv) {
  using namespace pelton;
  peers::Begin(argc, argv);
  const bool offload = absl::GetFlag(FLAGS_offload);
  const int fd = bench::BindUdpOnLoopback(offload);
  signal(SIGTERM, [](int) { _exit(0); });
  peers::Announce(peers::PortOf(fd), "raw-mmsg");
  bench::Serve(fd, offload);
}
