#include "io/tcp_acceptor.h"

#include <linux/filter.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"

namespace pelton::io {
namespace {

// Errors that belong to one connection, or to the network at this moment, and say nothing of the
// listener (accept(2)).
bool IsTransient(int error) {
  switch (error) {
    case ECANCELED:
    case ECONNABORTED:
    case EINTR:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EAGAIN:
      return true;
    default:
      return false;
  }
}

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

TcpAcceptor::TcpAcceptor(int descriptor, const SocketAddress& address)
    : Operation(OperationKind::kAccept), address_(address) {
  Operation::descriptor = descriptor;
  Operation::multishot = true;
}

void TcpAcceptor::Abandon() {
  PELTON_CHECK(waiter_ == nullptr) << "a TcpListener was destroyed during an accept";
  abandoned_ = true;
  if (armed()) Scheduler::Current()->timers().Cancel(*this);
  for (; taken_ < accepted_.size(); ++taken_) ::close(accepted_[taken_]);
  if (Operation::idle()) {
    Close();
  } else {
    Reactor::Current()->Cancel(*this);
  }
}

void TcpAcceptor::Close() {
  Operation::kind = OperationKind::kClose;
  Reactor::Current()->Start(*this);
}

void TcpAcceptor::OnCompletion(const Completion& completion) {
  if (Operation::kind == OperationKind::kClose) {
    delete this;  // whatever close(2) said, the descriptor is gone
    return;
  }
  if (completion.result >= 0) {
    if (abandoned_) {
      ::close(completion.result);
    } else {
      accepted_.push_back(completion.result);
      if (completion.more && accepted_.size() - taken_ >= kAcceptedLimit) {
        Reactor::Current()->Cancel(*this);
      }
    }
  } else if (!abandoned_) {
    OnError(-completion.result);
  }
  if (abandoned_) {
    if (!completion.more) Close();
    return;
  }
  if (stop_waiter_ != nullptr && !completion.more) {
    return std::exchange(stop_waiter_, nullptr)->OnStopped();
  }
  if (waiter_ == nullptr) return;
  if (HasConnection()) {
    std::exchange(waiter_, nullptr)->OnConnection();
  } else if (!completion.more && !paused_) {
    StartAccepting();
  }
}

void TcpAcceptor::OnError(int error) {
  if (IsTransient(error)) return;
  if (!IsShortage(error)) {
    error_ = error;
    return;
  }
  // To try again at once would spin: the connection is still there.
  paused_ = true;
  ++Reactor::Current()->statistics().accept_pauses;
  Scheduler& scheduler = *Scheduler::Current();
  if (!armed()) scheduler.timers().Arm(*this, scheduler.now().nanoseconds() + kPauseNs);
  if (pause_message_.Admit(scheduler.now().nanoseconds())) {
    LogLine(absl::StrCat("accept on ", address_.ToString(), ": ", ErrnoName(error),
                         "; new connections wait until descriptors are free. To allow more: raise "
                         "the limit of open files (ulimit -n)"));
  }
}

void TcpAcceptor::Fire() {
  paused_ = false;
  if (waiter_ != nullptr) StartAccepting();
}

void TcpAcceptor::StartAccepting() {
  if (Operation::idle() && !paused_) Reactor::Current()->Start(*this);
}

void TcpAcceptor::AwaitConnection(AcceptAwaiter* waiter) {
  waiter_ = waiter;
  StartAccepting();
}

void TcpAcceptor::StopHandshakes() {
  // The flags of a TCP header: a SYN without an ACK begins a handshake.
  constexpr unsigned kFlagsOffset = 13;
  constexpr unsigned kSyn = 0x02;
  constexpr unsigned kAck = 0x10;
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kFlagsOffset),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kSyn | kAck),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kSyn, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  };
  const sock_fprog filter = {.len = sizeof(program) / sizeof(program[0]), .filter = program};
  // Where it is refused, handshakes that end while the listener closes are reset, as ever.
  (void)::setsockopt(Operation::descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
}

bool TcpAcceptor::AcceptNow() {
  const int fd = ::accept4(Operation::descriptor, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return errno == ECONNABORTED || errno == EINTR ? AcceptNow() : false;
  accepted_.push_back(fd);
  return true;
}

absl::StatusOr<TcpStream> TcpAcceptor::Take() {
  if (taken_ == accepted_.size()) {
    return ErrnoToStatus(error_, "accept on", address_.ToString());
  }
  const int fd = accepted_[taken_++];
  if (taken_ == accepted_.size()) {
    accepted_.clear();  // keeps its memory
    taken_ = 0;
  } else if (taken_ == kAcceptedLimit) {
    accepted_.erase(accepted_.begin(), accepted_.begin() + kAcceptedLimit);
    taken_ = 0;
  }
  // A peer that has gone already has no address any more; its stream tells so at the first read.
  const absl::StatusOr<SocketAddress> peer = PeerAddressOf(fd);
  return TcpStream::Adopt(fd, peer.ok() ? *peer : SocketAddress());
}

}  // namespace pelton::io
