#include "io/uring/uring_driver.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/log.h"
#include "framework/base/status.h"
#include "io/driver.h"
#include "io/file_operation.h"
#include "io/message_batch.h"
#include "io/message_chunk.h"
#include "io/uring/kind_traits.h"
#include "io/uring/prepare.h"
#include "io/uring/probe.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PELTON_TSAN 1
#endif
#endif
#ifdef PELTON_TSAN
#include <sanitizer/linux_syscall_hooks.h>
#endif

namespace pelton::io {

static_assert(Driver<UringDriver>);

namespace {

// What a completion belongs to: the address of its operation, with the kind of entry in the low
// bits.
constexpr uint64_t kOperationTag = 0;
constexpr uint64_t kPollTag = 1;      // a poll that stands in for what an operation waits for
constexpr uint64_t kZeroCopyTag = 3;  // completes twice: the bytes are sent; the memory is free
constexpr uint64_t kOwnChunkTag = 4;  // a receive into a chunk that was taken for it
constexpr uint64_t kWorkerTag = 5;    // may be with a kernel thread
constexpr uint64_t kTagMask = 7;
static_assert(alignof(Operation) > kTagMask);

// Entries without an operation.
// Cancellations and outgoing messages: their target tells the outcome
constexpr uint64_t kIgnored = 2;
constexpr uint64_t kWakeup = 10;
constexpr uint64_t kMessage = 18;
// The filling of a slot of the descriptor table; above it stands the descriptor
constexpr uint64_t kFill = 26;
constexpr uint64_t kWithoutDescriptor = 0xffffffff;
constexpr int kDescriptorShift = 32;

// A disk idles while a batch for it is prepared, which takes the kernel some microseconds a transfer;
// so it gets them by twos, which the kernel hands on at once. Of 32 reads at a time it does 10 %
// more a second this way.
constexpr int kTransfersPerEnter = 2;

// Receives what a poll announced. Returns bytes, 0 at the end, or a negative errno.
int ReceiveNow(const Operation& operation, char* chunk) {
  if (operation.kind == OperationKind::kReceiveMessageChunk) {
    return ReceiveMessageIntoChunk(operation.descriptor,
                                   *static_cast<const msghdr*>(operation.address), chunk,
                                   ChunkPool::kChunkBytes);
  }
  const ssize_t received =
      ::recv(operation.descriptor, chunk, ChunkPool::kChunkBytes, MSG_DONTWAIT);
  if (received >= 0) return static_cast<int>(received);
  return errno == EINTR || errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

// ThreadSanitizer sees no closes but those by close(2), and would take the next use of the number,
// on another thread, for a race with the last.
void TellSanitizerOfClose([[maybe_unused]] int descriptor) {
#ifdef PELTON_TSAN
  __sanitizer_syscall_pre_close(descriptor);
#endif
}

// Whether a disk may have to do it.
bool IsTransfer(OperationKind kind) {
  return kind >= OperationKind::kRead && kind <= OperationKind::kWriteVector;
}

// Whether it is tried at once, and waits by a poll.
bool TakesManyMessages(OperationKind kind) {
  return kind == OperationKind::kReceiveMessages || kind == OperationKind::kSendMessages;
}

}  // namespace

int UringDriver::Enter(bool wait, int64_t timeout_ns) {
  const int result = ring_->Enter(wait, timeout_ns);
  // EAGAIN, EBUSY: memory is short or completions overflowed; what was not taken goes out after the
  // next Reap().
  PELTON_CHECK(result == 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
               result == -EBUSY)
      << "io_uring_enter: " << ErrnoName(-result);
  return result;
}

// Whether an operation on `descriptor` goes to its slot of the table.
bool UringDriver::UseDirect(int descriptor) {
  const DescriptorTable::Use use = descriptors_.UseOf(descriptor);
  if (use != DescriptorTable::Use::kFill) [[likely]]
    return use == DescriptorTable::Use::kDirect;
  io_uring_sqe* entry = NextEntry();
  descriptors_.PrepareFill(descriptor, entry);
  entry->user_data = kFill | static_cast<uint64_t>(descriptor) << kDescriptorShift;
  return true;
}

void UringDriver::PrepareClose(Operation& operation) {
  if (descriptors_.Forget(operation.descriptor)) {
    // The slot holds the file open, too.
    io_uring_sqe* entry = NextEntry();
    ::io_uring_prep_close_direct(entry, static_cast<unsigned>(operation.descriptor));
    entry->user_data = kIgnored;
  }
  TellSanitizerOfClose(operation.descriptor);
  io_uring_sqe* entry = NextEntry();
  ::io_uring_prep_close(entry, operation.descriptor);
  entry->user_data = reinterpret_cast<uintptr_t>(&operation);
}

io_uring_sqe* UringDriver::NextEntry() {
  io_uring_sqe* entry = ring_->NextEntry();
  while (entry == nullptr) [[unlikely]] {
    // Kernels before 6.0 take nothing more while completions do not fit.
    if (Enter(/*wait=*/false, 0) == -EBUSY) Reap(reactor_);
    entry = ring_->NextEntry();
  }
  return entry;
}

void UringDriver::Submit(Reactor& reactor) {
  if (ring_->unsubmitted() == 0) descriptors_.OnSubmitted();
  if (buffer_ring_ != nullptr) buffer_ring_->Refill();
  reactor.FeedStarved();
  int transfers = 0;
  while (Operation* operation = reactor.TakePending()) {
    const bool enter = IsTransfer(operation->kind) && ++transfers % kTransfersPerEnter == 0;
    Start(*operation);
    if (enter) [[unlikely]]
      Enter(/*wait=*/false, 0);
  }
  while (Operation* operation = reactor.TakeCancellation()) PrepareCancellation(*operation);
  if (ring_->unsubmitted() == 0 && !ring_->NeedsEnter()) return;
  Enter(/*wait=*/false, 0);
}

void UringDriver::Start(Operation& operation) {
  if (busy_poll_.on()) [[unlikely]]
    busy_poll_.OnStart(operation);
  if (is_blocking_[static_cast<int>(operation.kind)]) [[unlikely]]
    return blocking_.Start(operation);
  if (operation.kind == OperationKind::kClose) return PrepareClose(operation);
  if (TakesManyMessages(operation.kind)) return TransferMessages(operation);
  if (ReceivesInBatches(operation)) return ReceiveBatches(operation);
  Prepare(operation);
}

// One system call for all messages costs 3 % less than an entry for each, and under load it hardly
// ever has to wait.
void UringDriver::TransferMessages(Operation& operation) {
  const bool sends = operation.kind == OperationKind::kSendMessages;
  const int result = (sends ? SendMessagesNow : ReceiveMessagesNow)(
      operation.descriptor, static_cast<mmsghdr*>(operation.address), operation.length);
  if (result == -EAGAIN) return Prepare(operation);
  reactor_.Complete(operation, {.result = result});
}

// Whether messages are received by recvmmsg(2), behind a poll when there are none. The kernel's
// multishot receive takes some 8 % more of an echo: each message is a completion of its own.
bool UringDriver::ReceivesInBatches(const Operation& operation) const {
  return operation.kind == OperationKind::kReceiveMessageChunk && operation.multishot &&
         !reactor_.options().multishot_receive;
}

void UringDriver::ReceiveBatches(Operation& operation) {
  int result = ReceiveMessageBatch(reactor_, operation, BatchEnd::kWhenShort);
  if (result == -ENOBUFS && chunks_.provided() > 0) {
    buffer_ring_->TakeBack();
    result = ReceiveMessageBatch(reactor_, operation, BatchEnd::kWhenShort);
  }
  if (result < 0) return reactor_.Complete(operation, {.result = result});
  // The entry that a cancellation looks for may be gone already.
  if (operation.cancel_requested) return reactor_.Complete(operation, {.result = -ECANCELED});
  // A poll: when there are more, it ends at once, and they come in the next turn.
  Prepare(operation);
}

void UringDriver::Prepare(Operation& operation) {
  operation.direct = WorksOnDescriptor(operation.kind) && UseDirect(operation.descriptor);
  io_uring_sqe* entry = NextEntry();
  const int fd = operation.descriptor;
  uint64_t tag = kOperationTag;
  switch (operation.kind) {
    case OperationKind::kNop:
      ::io_uring_prep_nop(entry);
      break;
    case OperationKind::kAccept:
      ::io_uring_prep_accept(entry, fd, nullptr, nullptr, SOCK_CLOEXEC);
      if (operation.multishot && capabilities_.multishot_accept) {
        entry->ioprio |= IORING_ACCEPT_MULTISHOT;
      }
      break;
    case OperationKind::kConnect:
      ::io_uring_prep_connect(entry, fd, static_cast<sockaddr*>(operation.address),
                              operation.length);
      break;
    case OperationKind::kReceive:
      ::io_uring_prep_recv(entry, fd, operation.address, operation.length,
                           operation.whole ? MSG_WAITALL : 0);
      break;
    case OperationKind::kReceiveChunk:
      tag = PrepareReceiveChunk(operation, entry);
      break;
    case OperationKind::kSend:
      ::io_uring_prep_send(entry, fd, operation.address, operation.length,
                           MSG_NOSIGNAL | MSG_WAITALL);
      break;
    case OperationKind::kSendMessage:
      ::io_uring_prep_sendmsg(entry, fd, static_cast<msghdr*>(operation.address),
                              MSG_NOSIGNAL | MSG_WAITALL);
      break;
    case OperationKind::kSendZeroCopy:
      if (!capabilities_.send_zero_copy) {
        ::io_uring_prep_send(entry, fd, operation.address, operation.length,
                             MSG_NOSIGNAL | MSG_WAITALL);
        break;
      }
      ::io_uring_prep_send_zc(entry, fd, operation.address, operation.length,
                              MSG_NOSIGNAL | MSG_WAITALL, IORING_SEND_ZC_REPORT_USAGE);
      tag = kZeroCopyTag;
      break;
    case OperationKind::kReceiveMessage:
      ::io_uring_prep_recvmsg(entry, fd, static_cast<msghdr*>(operation.address), operation.length);
      break;
    case OperationKind::kReceiveMessageChunk:
      tag = PrepareReceiveMessageChunk(operation, entry);
      break;
    case OperationKind::kReceiveMessages:
    case OperationKind::kSendMessages:
      ::io_uring_prep_poll_add(entry, fd,
                               operation.kind == OperationKind::kSendMessages ? POLLOUT : POLLIN);
      tag = kPollTag;
      break;
    case OperationKind::kPoll:
      ::io_uring_prep_poll_add(entry, fd, operation.length);
      if (operation.multishot && capabilities_.multishot_poll) entry->len = IORING_POLL_ADD_MULTI;
      break;
    case OperationKind::kStreamRead:
      ::io_uring_prep_read(entry, fd, operation.address, operation.length, ~uint64_t{0});
      break;
    case OperationKind::kStreamWrite:
      ::io_uring_prep_write(entry, fd, operation.address, operation.length, ~uint64_t{0});
      break;
    default:
      PrepareFileOperation(static_cast<const FileOperation&>(operation), entry);
      tag = StartWorkerOperation(operation.kind);
      break;
  }
  if (operation.direct) entry->flags |= IOSQE_FIXED_FILE;
  entry->user_data = reinterpret_cast<uintptr_t>(&operation) | tag;
}

// Counts what the kernel may give to a thread of its own. Returns the entry's tag.
uint64_t UringDriver::StartWorkerOperation(OperationKind kind) {
  if (!MayUseKernelWorker(kind)) return kOperationTag;
  ++reactor_.statistics().kernel_worker_operations;
  ++reactor_.statistics().kernel_worker_operations_in_flight;
  return kWorkerTag;
}

uint64_t UringDriver::PrepareReceiveChunk(Operation& operation, io_uring_sqe* entry) {
  operation.address = nullptr;
  const bool multishot = operation.multishot && capabilities_.multishot_receive;
  uint16_t chunk;
  if (!multishot && chunks_.free() > (chunks_.size() + 1) / 2 && chunks_.TryTake(chunk)) {
    // While chunks are plenty, a receive takes one along: it saves the kernel the selection, about
    // 3 % of a small message.
    operation.address = chunks_.data(chunk);
    operation.length = chunk;
    chunks_.LendToKernel(chunk);
    ::io_uring_prep_recv(entry, operation.descriptor, operation.address, ChunkPool::kChunkBytes, 0);
    return kOwnChunkTag;
  }
  if (!capabilities_.buffer_ring) {
    ::io_uring_prep_poll_add(entry, operation.descriptor, POLLIN);
    return kPollTag;
  }
  ::io_uring_prep_recv(entry, operation.descriptor, nullptr, 0, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = kBufferGroup;
  if (multishot) entry->ioprio |= IORING_RECV_MULTISHOT;
  return kOperationTag;
}

bool UringDriver::KernelReceives(const Operation& operation) const {
  return capabilities_.multishot_receive_message && capabilities_.buffer_ring &&
         operation.multishot && !ReceivesInBatches(operation);
}

uint64_t UringDriver::PrepareReceiveMessageChunk(Operation& operation, io_uring_sqe* entry) {
  // Without multishot the kernel writes no header into a chunk.
  if (!KernelReceives(operation)) {
    ::io_uring_prep_poll_add(entry, operation.descriptor, POLLIN);
    return kPollTag;
  }
  ::io_uring_prep_recvmsg_multishot(entry, operation.descriptor,
                                    static_cast<msghdr*>(operation.address), MSG_CMSG_CLOEXEC);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = kBufferGroup;
  return kOperationTag;
}

// The tag of an operation's entry in flight.
uint64_t UringDriver::TagOf(const Operation& operation) const {
  switch (operation.kind) {
    case OperationKind::kReceiveChunk:
      if (operation.address != nullptr) return kOwnChunkTag;
      return capabilities_.buffer_ring ? kOperationTag : kPollTag;
    case OperationKind::kReceiveMessageChunk:
      return KernelReceives(operation) ? kOperationTag : kPollTag;
    case OperationKind::kSendZeroCopy:
      return capabilities_.send_zero_copy ? kZeroCopyTag : kOperationTag;
    case OperationKind::kReceiveMessages:
    case OperationKind::kSendMessages:
      return kPollTag;
    default:
      return MayUseKernelWorker(operation.kind) ? kWorkerTag : kOperationTag;
  }
}

void UringDriver::PrepareCancellation(Operation& operation) {
  if (is_blocking_[static_cast<int>(operation.kind)]) [[unlikely]] {
    blocking_.Cancel(operation);
    return;
  }
  const uint64_t tag = TagOf(operation);
  io_uring_sqe* entry = NextEntry();  // may complete the operation
  ::io_uring_prep_cancel64(entry, reinterpret_cast<uintptr_t>(&operation) | tag, 0);
  entry->user_data = kIgnored;
}

void UringDriver::Reap(Reactor& reactor) {
  ring_->ForEachCompletion(
      [this, &reactor](const io_uring_cqe& entry) { OnCompletion(reactor, entry); });
}

void UringDriver::OnCompletion(Reactor& reactor, const io_uring_cqe& entry) {
  const uint64_t tag = entry.user_data & kTagMask;
  if (tag == kIgnored) [[unlikely]] {
    if (entry.user_data == kWakeup) wakeup_armed_ = false;
    if ((entry.user_data & kWithoutDescriptor) == kFill) {
      descriptors_.OnFilled(static_cast<int>(entry.user_data >> kDescriptorShift), entry.res);
    }
    return;
  }
  Operation& operation = *reinterpret_cast<Operation*>(entry.user_data & ~kTagMask);
  if (tag == kWorkerTag) [[unlikely]]
    --reactor.statistics().kernel_worker_operations_in_flight;
  if (entry.res == -EBADF && OnBadDescriptor(reactor, operation, tag)) [[unlikely]]
    return;
  if (tag == kPollTag) [[unlikely]]
    return OnReady(reactor, operation, entry.res);
  if (tag == kZeroCopyTag) [[unlikely]]
    return OnZeroCopy(reactor, operation, entry);
  if (tag == kOwnChunkTag) {
    const uint16_t chunk = static_cast<uint16_t>(operation.length);
    chunks_.TakeFromKernel(chunk);
    if (entry.res > 0) [[likely]]
      return reactor.Complete(operation, {.result = entry.res, .chunk = chunk});
    chunks_.Release(chunk);
    return reactor.Complete(operation, {.result = entry.res});
  }
  Completion completion = {.result = entry.res, .more = (entry.flags & IORING_CQE_F_MORE) != 0};
  if ((entry.flags & IORING_CQE_F_BUFFER) != 0) {
    completion.chunk = static_cast<uint16_t>(entry.flags >> IORING_CQE_BUFFER_SHIFT);
    chunks_.CountReturned();
    chunks_.TakeFromKernel(completion.chunk);
    if (entry.res <= 0) [[unlikely]] {
      chunks_.Release(completion.chunk);
      completion.chunk = Completion::kNoChunk;
    }
  } else if (entry.res == -ENOBUFS) [[unlikely]] {
    if (buffer_ring_ != nullptr) buffer_ring_->Grow();
  }
  reactor.Complete(operation, completion);
}

// Descriptors that io_uring refuses though they are none the worse. Returns whether this was one.
bool UringDriver::OnBadDescriptor(Reactor& reactor, Operation& operation, uint64_t tag) {
  if (operation.kind == OperationKind::kClose) {
    // The kernel closes no ring this way.
    const int result = ::close(operation.descriptor) == 0 ? 0 : -errno;
    reactor.Complete(operation, {.result = result});
    return true;
  }
  if (!operation.direct || !descriptors_.IsRefused(operation.descriptor)) return false;
  if (tag == kOwnChunkTag) chunks_.Release(static_cast<uint16_t>(operation.length));
  if (tag == kWorkerTag) --reactor.statistics().kernel_worker_operations;  // it counts again
  reactor.Retry(operation);
  return true;
}

void UringDriver::OnReady(Reactor& reactor, Operation& operation, int result) {
  if (result < 0) return reactor.Complete(operation, {.result = result});
  if (TakesManyMessages(operation.kind)) return reactor.Retry(operation);
  if (ReceivesInBatches(operation)) return ReceiveBatches(operation);
  uint16_t chunk;
  if (chunks_.free() == 0 && chunks_.provided() > 0) buffer_ring_->TakeBack();
  if (!chunks_.TryTake(chunk)) return reactor.Complete(operation, {.result = -ENOBUFS});
  const int received = ReceiveNow(operation, chunks_.data(chunk));
  if (received > 0) return reactor.Complete(operation, {.result = received, .chunk = chunk});
  chunks_.Release(chunk);
  // EAGAIN: somebody else took the bytes; wait for the next ones.
  if (received == -EAGAIN) return reactor.Retry(operation);
  reactor.Complete(operation, {.result = received});
}

// The first completion tells how much was sent, and that the second one follows, which tells that
// the memory is free. Only an error may come alone.
void UringDriver::OnZeroCopy(Reactor& reactor, Operation& operation, const io_uring_cqe& entry) {
  if ((entry.flags & IORING_CQE_F_NOTIF) != 0) {
    const bool copied = (static_cast<uint32_t>(entry.res) & IORING_NOTIF_USAGE_ZC_COPIED) != 0;
    return reactor.Complete(operation,
                            {.result = static_cast<int32_t>(operation.length), .copied = copied});
  }
  if ((entry.flags & IORING_CQE_F_MORE) == 0) {
    return reactor.Complete(operation, {.result = entry.res});
  }
  operation.length = static_cast<uint32_t>(entry.res);
}

bool UringDriver::ArmWakeup() {
  io_uring_sqe* entry = ring_->NextEntry();
  if (entry == nullptr) [[unlikely]]
    return false;
  ::io_uring_prep_read(entry, event_descriptor_, &event_value_, sizeof(event_value_), 0);
  entry->user_data = kWakeup;
  wakeup_armed_ = true;
  return true;
}

void UringDriver::Wait(int64_t timeout_ns) {
  // What the kernel has not taken yet fills the queue: it takes it now, and the next wait blocks.
  const bool armed = wakeup_armed_ || ArmWakeup();
  Enter(/*wait=*/armed, timeout_ns);
}

void UringDriver::Wake() {
  const uint64_t one = 1;
  // EAGAIN: the counter is full, so a wake-up is on its way already.
  const ssize_t written = ::write(event_descriptor_, &one, sizeof(one));
  PELTON_CHECK(written == sizeof(one) || errno == EAGAIN) << "eventfd: " << ErrnoName(errno);
}

void UringDriver::WakePeer(UringDriver& peer) {
  if (!capabilities_.message_ring) return peer.Wake();
  io_uring_sqe* entry = NextEntry();
  ::io_uring_prep_msg_ring(entry, peer.ring_->descriptor(), 0, kMessage, 0);
  entry->user_data = kIgnored;
}

}  // namespace pelton::io
