#include "io/uring/probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <optional>

#include "io/uring/buffer_ring.h"
#include "io/uring/prepare.h"

namespace pelton::io {
namespace {

constexpr int kProbeGroup = 1;
constexpr int64_t kProbeTimeoutNs = 100'000'000;

// A descriptor that is closed at the end of its scope.
class ProbeDescriptor {
 public:
  explicit ProbeDescriptor(int fd) : fd_(fd) {}
  ~ProbeDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  ProbeDescriptor(const ProbeDescriptor&) = delete;
  ProbeDescriptor& operator=(const ProbeDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

struct Outcome {
  int result;
  unsigned flags;
};

// Waits for the next completion and takes it.
std::optional<Outcome> NextCompletion(Ring& ring) {
  if (!ring.HasCompletions()) ring.Enter(/*wait=*/true, kProbeTimeoutNs);
  std::optional<Outcome> first;
  ring.ForEachCompletion([&first](const io_uring_cqe& completion) {
    if (!first.has_value()) first = {completion.res, completion.flags};
  });
  return first;
}

// Cancels everything in flight and takes all final completions, so that the next probe starts
// clean.
void CancelAll(Ring& ring) {
  io_uring_sqe* entry = ring.NextEntry();
  ::io_uring_prep_cancel64(entry, 0, IORING_ASYNC_CANCEL_ANY);
  ring.Enter(/*wait=*/true, kProbeTimeoutNs);
  ring.ForEachCompletion([](const io_uring_cqe&) {});
  ring.Enter(/*wait=*/false, 0);
  ring.ForEachCompletion([](const io_uring_cqe&) {});
}

bool TryMultishotAccept(Ring& ring) {
  ProbeDescriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ProbeDescriptor client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  socklen_t size = sizeof(sa_family_t);  // the kernel chooses an abstract name
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return false;
  if (::listen(listener.get(), 1) != 0) return false;
  size = sizeof(address);
  if (::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return false;
  }
  if (::connect(client.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return false;
  io_uring_sqe* entry = ring.NextEntry();
  ::io_uring_prep_multishot_accept(entry, listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
  const std::optional<Outcome> completion = NextCompletion(ring);
  bool works = false;
  if (completion.has_value() && completion->result >= 0) {
    ProbeDescriptor accepted(completion->result);
    works = (completion->flags & IORING_CQE_F_MORE) != 0;
  }
  if (works) CancelAll(ring);
  return works;
}

bool TryMultishotReceive(Ring& ring) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
  ProbeDescriptor reader(pair[0]);
  ProbeDescriptor writer(pair[1]);
  if (::send(writer.get(), "x", 1, 0) != 1) return false;
  io_uring_sqe* entry = ring.NextEntry();
  ::io_uring_prep_recv_multishot(entry, reader.get(), nullptr, 0, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = kProbeGroup;
  const std::optional<Outcome> completion = NextCompletion(ring);
  const bool works = completion.has_value() && completion->result == 1 &&
                     (completion->flags & IORING_CQE_F_MORE) != 0;
  if (works) CancelAll(ring);
  return works;
}

// The same for datagrams, whose sender and length the kernel tells in the buffer.
bool TryMultishotReceiveMessage(Ring& ring) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
  ProbeDescriptor reader(pair[0]);
  ProbeDescriptor writer(pair[1]);
  if (::send(writer.get(), "x", 1, 0) != 1) return false;
  msghdr room = {};
  io_uring_sqe* entry = ring.NextEntry();
  ::io_uring_prep_recvmsg_multishot(entry, reader.get(), &room, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = kProbeGroup;
  const std::optional<Outcome> completion = NextCompletion(ring);
  const bool works = completion.has_value() && completion->result > 0 &&
                     (completion->flags & IORING_CQE_F_MORE) != 0;
  if (works) CancelAll(ring);
  return works;
}

bool TryMultishotPoll(Ring& ring) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
  ProbeDescriptor first(pair[0]);
  ProbeDescriptor second(pair[1]);
  io_uring_sqe* entry = ring.NextEntry();
  ::io_uring_prep_poll_multishot(entry, first.get(), POLLOUT);
  const std::optional<Outcome> completion = NextCompletion(ring);
  const bool works = completion.has_value() && completion->result > 0 &&
                     (completion->flags & IORING_CQE_F_MORE) != 0;
  if (works) CancelAll(ring);
  return works;
}

// Over loopback, where the kernel copies after all; what counts is that both completions come.
bool TrySendZeroCopy(Ring& ring) {
  ProbeDescriptor receiver(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ProbeDescriptor sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(receiver.get(), any, size) != 0) return false;
  if (::getsockname(receiver.get(), any, &size) != 0) return false;
  if (::connect(sender.get(), any, size) != 0) return false;
  char byte = 'x';
  io_uring_sqe* entry = ring.NextEntry();
  ::io_uring_prep_send_zc(entry, sender.get(), &byte, 1, 0, IORING_SEND_ZC_REPORT_USAGE);
  bool sent = false;
  bool let_go = false;
  for (int waits = 0; waits < 2 && !let_go; ++waits) {
    if (!ring.HasCompletions()) ring.Enter(/*wait=*/true, kProbeTimeoutNs);
    ring.ForEachCompletion([&](const io_uring_cqe& completion) {
      if ((completion.flags & IORING_CQE_F_NOTIF) != 0) {
        let_go = true;
      } else {
        sent = completion.res == 1;
      }
    });
  }
  return sent && let_go;
}

// A buffer ring with one small buffer; a multishot receive is tried on it.
void TryBufferRing(Ring& ring, UringCapabilities& found) {
  constexpr unsigned kEntries = 2;
  char buffers[kEntries][64];
  io_uring_buf_ring* memory = MapBufferRing(kEntries);
  if (memory == nullptr) return;
  if (RegisterBufferRingAt(ring, memory, kEntries, kProbeGroup) == 0) {
    found.buffer_ring = true;
    for (unsigned i = 0; i < kEntries; ++i) {
      ::io_uring_buf_ring_add(memory, buffers[i], sizeof(buffers[i]), static_cast<uint16_t>(i),
                              kEntries - 1, static_cast<int>(i));
    }
    ::io_uring_buf_ring_advance(memory, kEntries);
    found.multishot_receive = TryMultishotReceive(ring);
    found.multishot_receive_message = TryMultishotReceiveMessage(ring);
    ::io_uring_unregister_buf_ring(&ring.raw(), kProbeGroup);
  }
  ::munmap(memory, kEntries * sizeof(io_uring_buf));
}

// Whether the kernel knows all operations from `first` to `last`.
bool Knows(const io_uring_probe& operations, OperationKind first, OperationKind last) {
  for (int i = static_cast<int>(first); i <= static_cast<int>(last); ++i) {
    const OperationKind kind = static_cast<OperationKind>(i);
    if (kind == OperationKind::kTruncate) continue;  // has a capability of its own
    if (::io_uring_opcode_supported(&operations, OpcodeOf(kind)) == 0) return false;
  }
  return true;
}

void ReadOperations(const io_uring_probe& operations, UringCapabilities& found) {
  const auto knows = [&](OperationKind kind) {
    return ::io_uring_opcode_supported(&operations, OpcodeOf(kind)) != 0;
  };
  found.message_ring = ::io_uring_opcode_supported(&operations, IORING_OP_MSG_RING) != 0;
  found.file_operations = Knows(operations, OperationKind::kRead, OperationKind::kAdvise);
  found.path_operations = Knows(operations, OperationKind::kOpen, OperationKind::kMakeDirectory);
  found.truncate = knows(OperationKind::kTruncate);
  found.splice = knows(OperationKind::kSplice);
}

}  // namespace

UringCapabilities ProbeCapabilities(Ring& ring) {
  UringCapabilities found;
  for (const CapabilityDescription& capability : AllCapabilities()) {
    found.*(capability.member) = false;
  }
  found.direct_descriptors = true;  // known when the table is registered
  found.multishot_accept = TryMultishotAccept(ring);
  found.multishot_poll = TryMultishotPoll(ring);
  found.send_zero_copy = TrySendZeroCopy(ring);
  TryBufferRing(ring, found);
  if (io_uring_probe* operations = ::io_uring_get_probe_ring(&ring.raw())) {
    ReadOperations(*operations, found);
    ::io_uring_free_probe(operations);
  }
  return found;
}

}  // namespace pelton::io
