#include "io/uring/probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/uring/buffer_ring.h"
#include "io/uring/kind_traits.h"

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

// Why a capability is not to be had; empty when it is.
using WhyNot = std::string;

WhyNot Refused(int error) { return absl::StrCat("the kernel answers ", ErrnoName(error)); }
// An attempt for want of sockets or memory.
WhyNot NotTried(int error) { return absl::StrCat("could not be tried: ", ErrnoName(error)); }
WhyNot UnlessKnown(bool known) { return known ? "" : "this kernel lacks the operation"; }

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

// What the first completion of a multishot operation tells.
WhyNot JudgeMultishot(Ring& ring) {
  const std::optional<Outcome> completion = NextCompletion(ring);
  const bool goes_on = !completion.has_value() || (completion->flags & IORING_CQE_F_MORE) != 0;
  if (goes_on) CancelAll(ring);
  if (!completion.has_value()) return "nothing came";
  if (completion->result < 0) return Refused(-completion->result);
  return goes_on ? "" : "it ends after one completion";
}

// Two ends of a connection that nobody else sees.
class ProbePair {
 public:
  explicit ProbePair(int type) {
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends_) != 0) error_ = errno;
  }
  ~ProbePair() {
    for (int end : ends_) {
      if (end >= 0) ::close(end);
    }
  }
  ProbePair(const ProbePair&) = delete;
  ProbePair& operator=(const ProbePair&) = delete;

  // 0 when there is a pair.
  int error() const { return error_; }
  int reader() const { return ends_[0]; }
  // Sends a byte to the reader. Returns 0 or an errno.
  int Send() const { return ::send(ends_[1], "x", 1, MSG_NOSIGNAL) == 1 ? 0 : errno; }

 private:
  int ends_[2] = {-1, -1};
  int error_ = 0;
};

WhyNot TryMultishotAccept(Ring& ring) {
  ProbeDescriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ProbeDescriptor client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  socklen_t size = sizeof(sa_family_t);  // the kernel chooses an abstract name
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener.get(), any, size) != 0) return NotTried(errno);
  if (::listen(listener.get(), 1) != 0) return NotTried(errno);
  size = sizeof(address);
  if (::getsockname(listener.get(), any, &size) != 0) return NotTried(errno);
  if (::connect(client.get(), any, size) != 0) return NotTried(errno);
  io_uring_sqe* entry = ring.NextEntry();
  ::io_uring_prep_multishot_accept(entry, listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
  const std::optional<Outcome> completion = NextCompletion(ring);
  if (completion.has_value() && completion->result < 0) return Refused(-completion->result);
  ProbeDescriptor accepted(completion.has_value() ? completion->result : -1);
  const bool goes_on = !completion.has_value() || (completion->flags & IORING_CQE_F_MORE) != 0;
  if (goes_on) CancelAll(ring);
  if (!completion.has_value()) return "nothing came";
  return goes_on ? "" : "it ends after one completion";
}

WhyNot TryMultishotReceive(Ring& ring) {
  const ProbePair pair(SOCK_STREAM);
  if (pair.error() != 0) return NotTried(pair.error());
  if (const int error = pair.Send(); error != 0) return NotTried(error);
  io_uring_sqe* entry = ring.NextEntry();
  ::io_uring_prep_recv_multishot(entry, pair.reader(), nullptr, 0, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = kProbeGroup;
  return JudgeMultishot(ring);
}

// The same for datagrams, whose sender and length the kernel tells in the buffer.
WhyNot TryMultishotReceiveMessage(Ring& ring) {
  const ProbePair pair(SOCK_DGRAM);
  if (pair.error() != 0) return NotTried(pair.error());
  if (const int error = pair.Send(); error != 0) return NotTried(error);
  msghdr room = {};
  io_uring_sqe* entry = ring.NextEntry();
  ::io_uring_prep_recvmsg_multishot(entry, pair.reader(), &room, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = kProbeGroup;
  return JudgeMultishot(ring);
}

WhyNot TryMultishotPoll(Ring& ring) {
  const ProbePair pair(SOCK_STREAM);
  if (pair.error() != 0) return NotTried(pair.error());
  io_uring_sqe* entry = ring.NextEntry();
  ::io_uring_prep_poll_multishot(entry, pair.reader(), POLLOUT);
  return JudgeMultishot(ring);
}

// Over loopback, where the kernel copies after all; what counts is that both completions come.
WhyNot TrySendZeroCopy(Ring& ring) {
  ProbeDescriptor receiver(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ProbeDescriptor sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(receiver.get(), any, size) != 0) return NotTried(errno);
  if (::getsockname(receiver.get(), any, &size) != 0) return NotTried(errno);
  if (::connect(sender.get(), any, size) != 0) return NotTried(errno);
  char byte = 'x';
  io_uring_sqe* entry = ring.NextEntry();
  ::io_uring_prep_send_zc(entry, sender.get(), &byte, 1, 0, IORING_SEND_ZC_REPORT_USAGE);
  int sent = 0;
  bool let_go = false;
  for (int waits = 0; waits < 2 && !let_go && sent >= 0; ++waits) {
    if (!ring.HasCompletions()) ring.Enter(/*wait=*/true, kProbeTimeoutNs);
    ring.ForEachCompletion([&](const io_uring_cqe& completion) {
      if ((completion.flags & IORING_CQE_F_NOTIF) != 0) {
        let_go = true;
      } else {
        sent = completion.res;
      }
    });
  }
  if (sent < 0) return Refused(-sent);
  return let_go ? "" : "it does not tell when memory is free";
}

// Sets the limits to what they are.
WhyNot TryWorkerLimits(Ring& ring) {
  unsigned limits[] = {0, 0};
  const int result = ::io_uring_register_iowq_max_workers(&ring.raw(), limits);
  return result == 0 ? "" : Refused(-result);
}

WhyNot TryBusyPoll(Ring& ring) {
  const int result = RegisterBusyPoll(ring, 1);
  if (result != 0) return Refused(-result);
  UnregisterBusyPoll(ring);
  return "";
}

// What the attempts found, by capability.
class Findings {
 public:
  Findings() {
    for (const CapabilityDescription& capability : AllCapabilities()) {
      probe_.found.*(capability.member) = false;
    }
    probe_.why_not.resize(AllCapabilities().size(), "was not tried");
  }

  // Writes down what came of an attempt. Returns whether it worked.
  bool Note(bool UringCapabilities::* member, const WhyNot& why_not) {
    const bool works = why_not.empty();
    probe_.NoteMissing(member, why_not);
    probe_.found.*member = works;
    return works;
  }
  UringProbe Take() { return std::move(probe_); }

 private:
  UringProbe probe_;
};

using C = UringCapabilities;

// A buffer ring with two small buffers; multishot receives are tried on it.
void TryBufferRing(Ring& ring, Findings& findings) {
  constexpr unsigned kEntries = 2;
  constexpr const char* kNeeds = "needs buffer_ring";
  char buffers[kEntries][64];
  io_uring_buf_ring* memory = MapBufferRing(kEntries);
  const int error =
      memory == nullptr ? -ENOMEM : RegisterBufferRingAt(ring, memory, kEntries, kProbeGroup);
  if (findings.Note(&C::buffer_ring, error == 0 ? "" : Refused(-error))) {
    for (unsigned i = 0; i < kEntries; ++i) {
      ::io_uring_buf_ring_add(memory, buffers[i], sizeof(buffers[i]), static_cast<uint16_t>(i),
                              kEntries - 1, static_cast<int>(i));
    }
    ::io_uring_buf_ring_advance(memory, kEntries);
    findings.Note(&C::multishot_receive, TryMultishotReceive(ring));
    findings.Note(&C::multishot_receive_message, TryMultishotReceiveMessage(ring));
    ::io_uring_unregister_buf_ring(&ring.raw(), kProbeGroup);
  } else {
    findings.Note(&C::multishot_receive, kNeeds);
    findings.Note(&C::multishot_receive_message, kNeeds);
  }
  if (memory != nullptr) ::munmap(memory, kEntries * sizeof(io_uring_buf));
}

// Whether the kernel knows all operations from `first` to `last`.
WhyNot Knows(const io_uring_probe& operations, OperationKind first, OperationKind last) {
  for (int i = static_cast<int>(first); i <= static_cast<int>(last); ++i) {
    const OperationKind kind = static_cast<OperationKind>(i);
    // It has a capability of its own.
    if (kind == OperationKind::kTruncate && first != kind) continue;
    if (::io_uring_opcode_supported(&operations, OpcodeOf(kind)) == 0) {
      return absl::StrCat("this kernel lacks the operation ", OperationKindName(kind));
    }
  }
  return "";
}

void ReadOperations(Ring& ring, Findings& findings) {
  io_uring_probe* operations = ::io_uring_get_probe_ring(&ring.raw());
  if (operations == nullptr) {
    for (bool C::* member :
         {&C::message_ring, &C::file_operations, &C::path_operations, &C::truncate, &C::splice}) {
      findings.Note(member, "this kernel does not tell its operations");
    }
    return;
  }
  const auto note = [&](bool C::* member, OperationKind first, OperationKind last) {
    findings.Note(member, Knows(*operations, first, last));
  };
  const bool knows_messages = ::io_uring_opcode_supported(operations, IORING_OP_MSG_RING) != 0;
  findings.Note(&C::message_ring, UnlessKnown(knows_messages));
  note(&C::file_operations, OperationKind::kRead, OperationKind::kAdvise);
  note(&C::path_operations, OperationKind::kOpen, OperationKind::kMakeDirectory);
  note(&C::truncate, OperationKind::kTruncate, OperationKind::kTruncate);
  note(&C::splice, OperationKind::kSplice, OperationKind::kSplice);
  ::io_uring_free_probe(operations);
}

}  // namespace

void UringProbe::NoteMissing(bool UringCapabilities::* member, const std::string& reason) {
  found.*member = false;
  for (size_t i = 0; i < why_not.size(); ++i) {
    if (AllCapabilities()[i].member == member) why_not[i] = reason;
  }
}

UringProbe ProbeCapabilities(Ring& ring) {
  constexpr const char* kRefusedAtSetUp = "the ring's set-up did not grant it";
  Findings findings;
  findings.Note(&C::deferred_work, ring.deferred_work() ? "" : kRefusedAtSetUp);
  findings.Note(&C::registered_ring, ring.registered_ring() ? "" : kRefusedAtSetUp);
  findings.Note(&C::no_iowait, ring.no_iowait() ? "" : kRefusedAtSetUp);
  // Known when their tables are registered.
  findings.Note(&C::direct_descriptors, "");
  findings.Note(&C::registered_buffers, "");
  findings.Note(&C::multishot_accept, TryMultishotAccept(ring));
  findings.Note(&C::multishot_poll, TryMultishotPoll(ring));
  findings.Note(&C::send_zero_copy, TrySendZeroCopy(ring));
  findings.Note(&C::worker_limits, TryWorkerLimits(ring));
  findings.Note(&C::busy_poll, TryBusyPoll(ring));
  TryBufferRing(ring, findings);
  ReadOperations(ring, findings);
  return findings.Take();
}

int RegisterBusyPoll(Ring& ring, uint32_t microseconds) {
  abi::Napi napi = {};
  napi.busy_poll_us = microseconds;
  napi.prefer_busy_poll = 1;
  return ring.Register(::IORING_REGISTER_NAPI, &napi, 1);
}

void UnregisterBusyPoll(Ring& ring) {
  abi::Napi napi = {};
  (void)ring.Register(::IORING_UNREGISTER_NAPI, &napi, 1);
}

}  // namespace pelton::io
