#include "io/epoll/epoll_driver.h"

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "framework/base/check.h"
#include "framework/base/status.h"
#include "io/driver.h"
#include "io/epoll/attempt.h"
#include "io/file_operation.h"
#include "io/message_batch.h"

namespace pelton::io {

static_assert(Driver<EpollDriver>);

namespace {

constexpr uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR;
constexpr uint32_t kWriteEvents = EPOLLOUT | EPOLLHUP | EPOLLERR;
// After these a receive may come out short although there is more to tell: the end, an error, bytes
// behind an urgent one.
constexpr uint32_t kReadLimits = EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR;
constexpr uint32_t kWriteLimits = EPOLLHUP | EPOLLERR;

bool IsTcp(int fd) {
  int protocol = 0;
  socklen_t size = sizeof(protocol);
  return ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
         protocol == IPPROTO_TCP;
}

// Whether one start of the operation delivers all that comes.
bool IsManyTimes(const Operation& operation) {
  return operation.multishot && (operation.kind == OperationKind::kAccept ||
                                 operation.kind == OperationKind::kReceiveMessageChunk);
}

bool IsStream(OperationKind kind) {
  return kind == OperationKind::kStreamRead || kind == OperationKind::kStreamWrite;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EpollDriver>> EpollDriver::Create(Reactor& reactor) {
  const int epoll_descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_descriptor < 0) return ErrnoToStatus(errno, "epoll_create1");
  const int event_descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_descriptor < 0) {
    const int error = errno;
    ::close(epoll_descriptor);
    return ErrnoToStatus(error, "eventfd for wake-ups");
  }
  std::unique_ptr<EpollDriver> driver(new EpollDriver(reactor, epoll_descriptor, event_descriptor));
  // Edge-triggered: every write is an edge, so the counter is never read.
  epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.fd = event_descriptor}};
  if (::epoll_ctl(epoll_descriptor, EPOLL_CTL_ADD, event_descriptor, &event) != 0) {
    return ErrnoToStatus(errno, "epoll_ctl of the eventfd for wake-ups");
  }
  // Linux 5.11; a seccomp filter may hide it.
  const timespec no_time = {};
  driver->has_nanosecond_wait_ =
      ::epoll_pwait2(epoll_descriptor, driver->events_.data(), 1, &no_time, nullptr) >= 0;
  return driver;
}

EpollDriver::EpollDriver(Reactor& reactor, int epoll_descriptor, int event_descriptor)
    : blocking_(reactor),
      busy_poll_(reactor.options().busy_poll_us),
      epoll_descriptor_(epoll_descriptor),
      event_descriptor_(event_descriptor) {}

EpollDriver::~EpollDriver() {
  ::close(event_descriptor_);
  ::close(epoll_descriptor_);
}

EpollDriver::Direction EpollDriver::DirectionOf(const Operation& operation) {
  switch (operation.kind) {
    case OperationKind::kConnect:
    case OperationKind::kSend:
    case OperationKind::kSendMessage:
    case OperationKind::kSendMessages:
    case OperationKind::kSendZeroCopy:
    case OperationKind::kStreamWrite:
      return kWrite;
    default:
      return kRead;
  }
}

void EpollDriver::Submit(Reactor& reactor) {
  while (Operation* operation = reactor.TakeCancellation()) Cancel(reactor, *operation);
  reactor.FeedStarved();
  while (Operation* operation = reactor.TakePending()) Start(reactor, *operation);
}

void EpollDriver::Start(Reactor& reactor, Operation& operation) {
  if (busy_poll_.on()) [[unlikely]]
    busy_poll_.OnStart(operation);
  if (operation.kind == OperationKind::kNop) return reactor.Complete(operation, {.result = 0});
  if (operation.kind == OperationKind::kClose) return Close(reactor, operation);
  if (operation.kind == OperationKind::kPoll) return StartPoll(reactor, operation);
  if (IsFileKind(operation.kind)) return blocking_.Start(operation);
  if (Descriptor* descriptor = Find(operation.descriptor); descriptor != nullptr) {
    Side& side = descriptor->sides[DirectionOf(operation)];
    if (side.operation != nullptr) [[unlikely]]
      return waiting_.push_back(&operation);
    if (!side.ready) {
      side.operation = &operation;
      return;
    }
  }
  if (IsManyTimes(operation)) {
    if (Park(reactor, operation)) AdvanceMany(reactor, operation);
    return;
  }
  const AttemptOutcome outcome = Attempt(operation, reactor.chunks());
  if (outcome.result == kNotReady) {
    Park(reactor, operation);
    return;
  }
  NoteTransfer(operation, outcome.is_short);
  reactor.Complete(operation, {.result = outcome.result, .chunk = outcome.chunk});
}

void EpollDriver::Close(Reactor& reactor, Operation& operation) {
  const int fd = operation.descriptor;
  if (Descriptor* descriptor = Find(fd); descriptor != nullptr) {
    PELTON_CHECK(descriptor->sides[kRead].operation == nullptr &&
                 descriptor->sides[kWrite].operation == nullptr && descriptor->polls.empty())
        << "descriptor " << fd << " is closed with operations in flight";
    *descriptor = Descriptor();
  }
  // The descriptor is gone after EINTR, too; closing it removes it from the epoll set.
  const int result = ::close(fd) == 0 || errno == EINTR ? 0 : -errno;
  reactor.Complete(operation, {.result = result});
}

void EpollDriver::Cancel(Reactor& reactor, Operation& operation) {
  if (blocking_.Cancel(operation)) return;
  if (operation.kind == OperationKind::kPoll) {
    const size_t removed = std::erase(Find(operation.descriptor)->polls, &operation);
    PELTON_CHECK(removed == 1) << "a cancelled poll is not in flight here";
  } else if (SideOf(operation).operation == &operation) {
    Unpark(operation);
  } else {
    const auto at = std::find(waiting_.begin(), waiting_.end(), &operation);
    PELTON_CHECK(at != waiting_.end()) << "a cancelled operation is not in flight here";
    waiting_.erase(at);
  }
  reactor.Complete(operation, {.result = -ECANCELED});
}

// Sees to it that the operation's descriptor is watched. When it cannot be, starts or completes the
// operation otherwise and returns false.
bool EpollDriver::Watch(Reactor& reactor, Operation& operation) {
  const Descriptor* descriptor = Find(operation.descriptor);
  if (descriptor != nullptr && descriptor->registered) return true;
  const int error = Register(operation.descriptor);
  if (error == 0) {
    // What is only polled may be closed by others, and its number be another file's the next time.
    if (operation.kind != OperationKind::kPoll) {
      Find(operation.descriptor)->registered = true;
      Find(operation.descriptor)->is_tcp = IsTcp(operation.descriptor);
    }
    return true;
  }
  if (error == EPERM && IsStream(operation.kind)) {
    blocking_.Start(operation);  // a file: always ready, but its disk may not be
  } else {
    reactor.Complete(operation, {.result = -error});
  }
  return false;
}

// Puts an operation into its free slot, if its descriptor can be watched.
bool EpollDriver::Park(Reactor& reactor, Operation& operation) {
  if (!Watch(reactor, operation)) return false;
  Side& side = SideOf(operation);
  side.operation = &operation;
  side.ready = false;
  return true;
}

void EpollDriver::StartPoll(Reactor& reactor, Operation& operation) {
  if (!operation.multishot) {
    const AttemptOutcome outcome = Attempt(operation, reactor.chunks());
    if (outcome.result != kNotReady) return reactor.Complete(operation, {.result = outcome.result});
  }
  // What is ready already makes an edge when the descriptor is registered for this; else it is told
  // below.
  if (!Watch(reactor, operation)) return;
  Find(operation.descriptor)->polls.push_back(&operation);
  if (operation.multishot) AdvancePolls(reactor, operation.descriptor);
}

// Tells the polls of a descriptor what has come. A multishot one that finds an error ends.
void EpollDriver::AdvancePolls(Reactor& reactor, int fd) {
  const std::vector<Operation*> polls = std::exchange(Find(fd)->polls, {});
  for (Operation* const poll : polls) {
    const AttemptOutcome outcome = Attempt(*poll, reactor.chunks());
    const bool stays = outcome.result == kNotReady || (poll->multishot && outcome.result >= 0);
    if (stays) Find(fd)->polls.push_back(poll);
    if (outcome.result == kNotReady) continue;
    reactor.Complete(*poll, {.result = outcome.result, .more = stays});
  }
}

// Returns 0 or an errno. What is ready already makes an edge.
int EpollDriver::Register(int fd) {
  epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
                       .data = {.fd = fd}};
  if (::epoll_ctl(epoll_descriptor_, EPOLL_CTL_ADD, fd, &event) != 0) {
    // A poll has registered it before.
    if (errno != EEXIST || ::epoll_ctl(epoll_descriptor_, EPOLL_CTL_MOD, fd, &event) != 0) {
      return errno;
    }
  }
  const auto index = static_cast<size_t>(fd);
  if (index >= descriptors_.size()) {
    descriptors_.resize(std::max({index + 1, descriptors_.size() * 2, size_t{64}}));
  }
  return 0;
}

// Frees the operation's slot for the next one that waits for it.
void EpollDriver::Unpark(Operation& operation) {
  Side& side = SideOf(operation);
  side.operation = TakeWaiting(operation.descriptor, DirectionOf(operation));
  if (side.operation != nullptr && side.ready) MarkUnfinished(operation.descriptor);
}

Operation* EpollDriver::TakeWaiting(int fd, Direction direction) {
  if (waiting_.empty()) [[likely]]
    return nullptr;
  const auto at = std::find_if(waiting_.begin(), waiting_.end(), [&](const Operation* operation) {
    return operation->descriptor == fd && DirectionOf(*operation) == direction;
  });
  if (at == waiting_.end()) return nullptr;
  Operation* operation = *at;
  waiting_.erase(at);
  return operation;
}

void EpollDriver::MarkUnfinished(int fd) {
  Descriptor& descriptor = *Find(fd);
  if (!std::exchange(descriptor.unfinished, true)) unfinished_.push_back(fd);
}

void EpollDriver::Reap(Reactor& reactor) {
  if (collected_ == 0) Collect(/*timeout_ns=*/0);
  const int events = std::exchange(collected_, 0);
  for (int i = 0; i < events; ++i) Dispatch(reactor, events_[static_cast<size_t>(i)]);
  continuing_.swap(unfinished_);
  for (const int fd : continuing_) {
    // A descriptor that was closed meanwhile has lost its mark.
    if (!std::exchange(Find(fd)->unfinished, false)) continue;
    Advance(reactor, fd, kRead);
    Advance(reactor, fd, kWrite);
  }
  continuing_.clear();
}

void EpollDriver::Dispatch(Reactor& reactor, const epoll_event& event) {
  const int fd = event.data.fd;
  if (fd == event_descriptor_) return;
  if (!Find(fd)->polls.empty()) AdvancePolls(reactor, fd);
  Descriptor& descriptor = *Find(fd);
  Side& reading = descriptor.sides[kRead];
  Side& writing = descriptor.sides[kWrite];
  if ((event.events & kReadLimits) != 0) reading.always_try = true;
  if ((event.events & kWriteLimits) != 0) writing.always_try = true;
  if ((event.events & kReadEvents) != 0) reading.ready = true;
  if ((event.events & kWriteEvents) != 0) writing.ready = true;
  if (descriptor.unfinished) return;  // this Reap() comes to it below
  Advance(reactor, fd, kRead);
  Advance(reactor, fd, kWrite);
}

// Tries what is parked, as long as it succeeds.
void EpollDriver::Advance(Reactor& reactor, int fd, Direction direction) {
  Side& side = descriptors_[static_cast<size_t>(fd)].sides[direction];
  while (side.ready && side.operation != nullptr) {
    Operation& operation = *side.operation;
    if (IsManyTimes(operation)) return AdvanceMany(reactor, operation);
    const AttemptOutcome outcome = Attempt(operation, reactor.chunks());
    if (outcome.result == kNotReady) {
      side.ready = false;
      return;
    }
    NoteTransfer(operation, outcome.is_short);
    side.operation = TakeWaiting(fd, direction);
    reactor.Complete(operation, {.result = outcome.result, .chunk = outcome.chunk});
  }
}

void EpollDriver::AdvanceMany(Reactor& reactor, Operation& operation) {
  if (operation.kind == OperationKind::kAccept) return AcceptMany(reactor, operation);
  ReceiveMany(reactor, operation);
}

// Receives the messages that have arrived, within the turn's bound. REQUIRES: the operation is
// parked.
void EpollDriver::ReceiveMany(Reactor& reactor, Operation& operation) {
  SideOf(operation).ready = true;
  const int result = ReceiveMessageBatch(reactor, operation, BatchEnd::kWhenEmpty);
  if (result > 0) {
    MarkUnfinished(operation.descriptor);
  } else if (result == 0) {
    SideOf(operation).ready = false;
  } else {
    Unpark(operation);
    reactor.Complete(operation, {.result = result});
  }
}

// Accepts what has arrived, within the turn's bound. REQUIRES: the operation is parked.
void EpollDriver::AcceptMany(Reactor& reactor, Operation& operation) {
  const int fd = operation.descriptor;
  Side& side = SideOf(operation);
  side.ready = true;
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const int result = AttemptAccept(fd);
    if (result == kNotReady) {
      side.ready = false;
      return;
    }
    if (result < 0) {
      Unpark(operation);
      return reactor.Complete(operation, {.result = result});
    }
    reactor.Complete(operation, {.result = result, .more = true});
  }
  MarkUnfinished(fd);
}

void EpollDriver::NoteTransfer(const Operation& operation, bool is_short) {
  if (!is_short) return;
  const Descriptor* descriptor = Find(operation.descriptor);
  if (descriptor == nullptr || !descriptor->registered || !descriptor->is_tcp) return;
  Side& side = SideOf(operation);
  if (!side.always_try) side.ready = false;
}

void EpollDriver::Collect(int64_t timeout_ns) {
  int events;
  if (timeout_ns == 0) {
    events = ::epoll_wait(epoll_descriptor_, events_.data(), kEvents, 0);
  } else if (has_nanosecond_wait_) {
    const timespec timeout = {.tv_sec = timeout_ns / 1'000'000'000,
                              .tv_nsec = timeout_ns % 1'000'000'000};
    events = ::epoll_pwait2(epoll_descriptor_, events_.data(), kEvents,
                            timeout_ns < 0 ? nullptr : &timeout, nullptr);
  } else {
    // Rounded up, so that a timer is due when the wait ends.
    const int64_t timeout_ms = timeout_ns / 1'000'000 + (timeout_ns % 1'000'000 != 0 ? 1 : 0);
    events = ::epoll_wait(
        epoll_descriptor_, events_.data(), kEvents,
        timeout_ns < 0 ? -1 : static_cast<int>(std::min<int64_t>(timeout_ms, INT_MAX)));
  }
  PELTON_CHECK(events >= 0 || errno == EINTR) << "epoll_wait: " << ErrnoName(errno);
  collected_ = std::max(events, 0);
}

void EpollDriver::Wait(int64_t timeout_ns) {
  if (!HasCompletions()) Collect(timeout_ns);
}

void EpollDriver::Wake() {
  const uint64_t one = 1;
  const ssize_t written = ::write(event_descriptor_, &one, sizeof(one));
  PELTON_CHECK(written == sizeof(one)) << "eventfd: " << ErrnoName(errno);
}

}  // namespace pelton::io
