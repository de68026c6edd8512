// The best io_uring loops for a UDP echo that we can write by hand: one thread, one enter a turn,
// direct descriptors, a registered ring, task work deferred to the enter that waits.
//
// --receive=multishot  one multishot receive with a ring of buffers
// --receive=single     as many single-shot receives in flight as there are slots
// --send=ring          a submission for each message
// --send=mmsg          one sendmmsg(2) a turn
// --offload            joins replies (UDP_SEGMENT) and takes datagrams that the kernel has joined
//                      (UDP_GRO)

#include <liburing.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "bench/io/datagram/replies.h"
#include "bench/io/datagram/udp_peer.h"

ABSL_FLAG(std::string, receive, "multishot", "multishot or single");
ABSL_FLAG(std::string, send, "ring", "ring or mmsg");
ABSL_FLAG(bool, offload, false, "use UDP_GRO and UDP_SEGMENT");

namespace pelton::bench {
namespace {

constexpr unsigned kBuffers = 256;
constexpr uint64_t kReceive = 1;  // user_data of the multishot receive
constexpr uint64_t kSend = 2;
constexpr size_t kControl = CMSG_SPACE(sizeof(int));

void Check(const char* what, int result) {
  if (result < 0 && result != -EINTR) peers::Die(what, -result);
}

class UringEcho {
 public:
  UringEcho(int fd, bool multishot, bool by_ring, bool offload)
      : fd_(fd),
        multishot_(multishot),
        by_ring_(by_ring),
        offload_(offload),
        payload_(offload ? 65536 : peers::BufferSize()),
        stride_((payload_ + sizeof(io_uring_recvmsg_out) + sizeof(sockaddr_in) + kControl + 63) /
                    64 * 64 +
                64),
        replies_(kBuffers, offload) {
    io_uring_params params = {};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    params.cq_entries = 4096;
    Check("io_uring_setup", io_uring_queue_init_params(1024, &ring_, &params));
    Check("registering the ring", io_uring_register_ring_fd(&ring_));
    Check("registering the socket", io_uring_register_files(&ring_, &fd_, 1));
    memory_ = static_cast<char*>(mmap(nullptr, kBuffers * stride_, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (multishot_) SetUpBuffers();
    room_.msg_namelen = sizeof(sockaddr_in);
    room_.msg_controllen = offload ? kControl : 0;
  }

  void Run() {
    if (multishot_) {
      ReceiveMany();
    } else {
      SetUpSlots();
    }
    for (;;) {
      Check("io_uring_enter", io_uring_submit_and_wait(&ring_, 1));
      replies_.Clear();
      unsigned head;
      unsigned count = 0;
      io_uring_cqe* entry;
      io_uring_for_each_cqe(&ring_, head, entry) {
        ++count;
        Handle(*entry);
      }
      io_uring_cq_advance(&ring_, count);
      Send();
    }
  }

 private:
  // One receive at a time in a buffer of its own.
  struct Slot {
    msghdr message;
    sockaddr_in from;
    iovec piece;
    alignas(cmsghdr) char control[kControl];
  };

  void SetUpBuffers() {
    void* memory = mmap(nullptr, kBuffers * sizeof(io_uring_buf), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    buffers_ = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_reg registration = {};
    registration.ring_addr = reinterpret_cast<uintptr_t>(memory);
    registration.ring_entries = kBuffers;
    Check("registering buffers", io_uring_register_buf_ring(&ring_, &registration, 0));
    for (unsigned i = 0; i < kBuffers; ++i) given_back_.push_back(static_cast<uint16_t>(i));
    GiveBack();
  }
  void SetUpSlots() {
    slots_.resize(kBuffers / 2);
    for (size_t i = 0; i < slots_.size(); ++i) ReceiveOne(i);
  }

  void ReceiveMany() {
    io_uring_sqe* entry = Next();
    io_uring_prep_recvmsg_multishot(entry, 0, &room_, 0);
    entry->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    entry->buf_group = 0;
    entry->user_data = kReceive;
  }
  void ReceiveOne(size_t index) {
    Slot& slot = slots_[index];
    slot.piece = {memory_ + index * stride_, payload_};
    slot.message = {};
    slot.message.msg_name = &slot.from;
    slot.message.msg_namelen = sizeof(slot.from);
    slot.message.msg_iov = &slot.piece;
    slot.message.msg_iovlen = 1;
    if (offload_) {
      slot.message.msg_control = slot.control;
      slot.message.msg_controllen = sizeof(slot.control);
    }
    io_uring_sqe* entry = Next();
    io_uring_prep_recvmsg(entry, 0, &slot.message, 0);
    entry->flags |= IOSQE_FIXED_FILE;
    entry->user_data = 16 + index;
  }

  void Handle(const io_uring_cqe& entry) {
    if (entry.user_data == kSend) return;
    if (entry.user_data == kReceive) {
      if (entry.res >= 0) OnBuffer(static_cast<uint16_t>(entry.flags >> IORING_CQE_BUFFER_SHIFT));
      if ((entry.flags & IORING_CQE_F_MORE) == 0) ended_ = true;
      return;
    }
    const auto index = static_cast<size_t>(entry.user_data - 16);
    if (entry.res < 0) peers::Die("recvmsg", -entry.res);
    Slot& slot = slots_[index];
    replies_.Add(&slot.from, static_cast<char*>(slot.piece.iov_base),
                 static_cast<size_t>(entry.res), offload_ ? SegmentSizeOf(slot.message) : 0);
    again_.push_back(index);
  }

  void OnBuffer(uint16_t buffer) {
    auto* out = reinterpret_cast<io_uring_recvmsg_out*>(memory_ + buffer * stride_);
    char* const name = reinterpret_cast<char*>(out + 1);
    char* const control = name + sizeof(sockaddr_in);
    size_t segment = 0;
    if (offload_) {
      msghdr message = {};
      message.msg_control = control;
      message.msg_controllen = out->controllen;
      segment = SegmentSizeOf(message);
    }
    replies_.Add(reinterpret_cast<sockaddr_in*>(name), control + room_.msg_controllen,
                 out->payloadlen, segment);
    given_back_.push_back(buffer);
  }

  // The buffers of replies are free when these are sent, which they are when the enter returns: a
  // socket with room does it at once.
  void Send() {
    if (by_ring_) {
      for (size_t i = 0; i < replies_.size(); ++i) {
        io_uring_sqe* entry = Next();
        io_uring_prep_sendmsg(entry, 0, &replies_[i], MSG_NOSIGNAL);
        entry->flags |= IOSQE_FIXED_FILE;
        entry->user_data = kSend;
      }
      if (replies_.size() > 0) Check("io_uring_enter", io_uring_submit(&ring_));
    } else {
      for (size_t sent = 0; sent < replies_.size();) {
        const int count = ::sendmmsg(fd_, replies_.data() + sent,
                                     static_cast<unsigned>(replies_.size() - sent), 0);
        if (count < 0) peers::Die("sendmmsg", errno);
        sent += static_cast<size_t>(count);
      }
    }
    for (const size_t index : again_) ReceiveOne(index);
    again_.clear();
    if (multishot_) GiveBack();
    if (std::exchange(ended_, false)) ReceiveMany();
  }

  void GiveBack() {
    int added = 0;
    for (const uint16_t buffer : given_back_) {
      io_uring_buf_ring_add(buffers_, memory_ + buffer * stride_,
                            static_cast<unsigned>(stride_ - 64), buffer, kBuffers - 1, added++);
    }
    io_uring_buf_ring_advance(buffers_, added);
    given_back_.clear();
  }

  io_uring_sqe* Next() {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    while (entry == nullptr) {
      Check("io_uring_enter", io_uring_submit(&ring_));
      entry = io_uring_get_sqe(&ring_);
    }
    return entry;
  }

  const int fd_;
  const bool multishot_;
  const bool by_ring_;
  const bool offload_;
  const size_t payload_;
  const size_t stride_;
  io_uring ring_;
  char* memory_;
  io_uring_buf_ring* buffers_ = nullptr;
  msghdr room_ = {};
  Replies replies_;
  std::vector<Slot> slots_;
  std::vector<size_t> again_;
  std::vector<uint16_t> given_back_;
  bool ended_ = false;
};

}  // namespace
}  // namespace pelton::bench

int main(int argc, char** argv) {
  using namespace pelton;
  peers::Begin(argc, argv);
  const bool offload = absl::GetFlag(FLAGS_offload);
  const int fd = bench::BindUdpOnLoopback(offload);
  signal(SIGTERM, [](int) { _exit(0); });
  peers::Announce(peers::PortOf(fd), "raw-uring");
  bench::UringEcho(fd, absl::GetFlag(FLAGS_receive) == "multishot",
                   absl::GetFlag(FLAGS_send) == "ring", offload)
      .Run();
}
