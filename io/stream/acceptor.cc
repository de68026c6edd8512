#include "io/stream/acceptor.h"

#include <linux/filter.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/file_operation.h"

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

Acceptor::Acceptor(Socket socket)
    : Operation(OperationKind::kAccept),
      name_(std::move(socket.name)),
      place_(socket.place),
      file_(socket.file) {
  Operation::descriptor = socket.descriptor;
  Operation::multishot = true;
  if (place_.listener == nullptr) return;
  joined_ = true;
  place_.listener->Join(place_.shard, *this);
}

void Acceptor::Abandon() {
  PELTON_CHECK(waiter_ == nullptr) << "a listener was destroyed during an accept";
  abandoned_ = true;
  StopArrivals();
  if (armed()) Scheduler::Current()->timers().Cancel(*this);
  for (; taken_ < accepted_.size(); ++taken_) Discard(accepted_[taken_]);
  if (!Operation::idle()) return Reactor::Current()->Cancel(*this);
  if (!busy()) Close();
}

void Acceptor::StopArrivals() {
  if (joined_) arriving_ = place_.listener->Leave(place_.shard) > 0;
  joined_ = false;
}

void Acceptor::Arrive(int descriptor) {
  const bool more = place_.listener->Arrived(place_.shard) > 0;
  arriving_ = arriving_ && more;
  if (abandoned_) {
    Discard(descriptor);
    return LetGo();
  }
  accepted_.push_back(descriptor);
  if (waiter_ != nullptr) std::exchange(waiter_, nullptr)->OnConnection();
  LetGo();
}

void Acceptor::LetGo() {
  if (busy()) return;
  if (abandoned_) return Close();
  if (stop_waiter_ != nullptr) std::exchange(stop_waiter_, nullptr)->OnStopped();
}

void Acceptor::Keep(int accepted) {
  if (place_.listener != nullptr) {
    count()->fetch_add(1, std::memory_order_relaxed);
    // One that is about to end keeps what it has: so do the others.
    if (joined_ && place_.listener->GiveAway(place_.shard, accepted)) {
      ++Reactor::Current()->statistics().connections_handed_over;
      return;
    }
  }
  accepted_.push_back(accepted);
}

// Closes a connection that was counted and that nobody takes.
void Acceptor::Discard(int descriptor) {
  ::close(descriptor);
  if (place_.listener != nullptr) count()->fetch_sub(1, std::memory_order_relaxed);
}

void Acceptor::Close() {
  if (file_.has_value()) return RemoveFile();
  Operation::kind = OperationKind::kClose;
  Reactor::Current()->Start(*this);
}

// Removes the socket's file on a thread that may block, and closes then.
class Acceptor::FileRemoval final : public FileOperation {
 public:
  explicit FileRemoval(Acceptor& acceptor)
      : FileOperation(OperationKind::kCall), acceptor_(acceptor) {
    address = &*acceptor.file_;
    second_address = reinterpret_cast<const void*>(&UnixSocketFile::RemoveFile);
    Reactor::Current()->Start(*this);
  }

 private:
  void OnCompletion(const Completion&) override {
    Acceptor& acceptor = acceptor_;
    delete this;
    // What could not be removed is replaced by whoever binds there next.
    acceptor.removing_ = false;
    acceptor.file_.reset();
    acceptor.LetGo();
  }

  Acceptor& acceptor_;
};

void Acceptor::RemoveFile() {
  removing_ = true;
  new FileRemoval(*this);
}

void Acceptor::OnCompletion(const Completion& completion) {
  if (Operation::kind == OperationKind::kClose) {
    delete this;  // whatever close(2) said, the descriptor is gone
    return;
  }
  if (completion.result >= 0) {
    if (abandoned_) {
      ::close(completion.result);
    } else {
      Keep(completion.result);
      if (completion.more && accepted_.size() - taken_ >= kAcceptedLimit) {
        Reactor::Current()->Cancel(*this);
      }
    }
  } else if (!abandoned_) {
    OnError(-completion.result);
  }
  if (abandoned_ || stop_waiter_ != nullptr) {
    if (!completion.more) LetGo();
    return;
  }
  if (waiter_ == nullptr) return;
  if (HasConnection()) {
    std::exchange(waiter_, nullptr)->OnConnection();
  } else if (!completion.more && !paused_) {
    StartAccepting();
  }
}

void Acceptor::OnError(int error) {
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
    LogLine(absl::StrCat("accept on ", name_, ": ", ErrnoName(error),
                         "; new connections wait until descriptors are free. To allow more: raise "
                         "the limit of open files (ulimit -n)"));
  }
}

void Acceptor::Fire() {
  paused_ = false;
  if (waiter_ != nullptr) StartAccepting();
}

void Acceptor::StartAccepting() {
  if (Operation::idle() && !paused_) Reactor::Current()->Start(*this);
}

void Acceptor::AwaitConnection(AcceptAwaiter* waiter) {
  waiter_ = waiter;
  StartAccepting();
}

void Acceptor::StopHandshakes() {
  if (file_.has_value()) return RemoveFile();
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

bool Acceptor::AcceptNow() {
  const int fd = ::accept4(Operation::descriptor, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return errno == ECONNABORTED || errno == EINTR ? AcceptNow() : false;
  Keep(fd);
  return true;
}

absl::StatusOr<int> Acceptor::Take() {
  if (taken_ == accepted_.size()) {
    return ErrnoToStatus(error_, "accept on", name_);
  }
  const int fd = accepted_[taken_++];
  if (taken_ == accepted_.size()) {
    accepted_.clear();  // keeps its memory
    taken_ = 0;
  } else if (taken_ == kAcceptedLimit) {
    accepted_.erase(accepted_.begin(), accepted_.begin() + kAcceptedLimit);
    taken_ = 0;
  }
  return fd;
}

}  // namespace pelton::io
