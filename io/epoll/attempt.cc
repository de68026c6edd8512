#include "io/epoll/attempt.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

#include "framework/base/check.h"
#include "io/kernel_memory.h"
#include "io/message_chunk.h"

namespace pelton::io {
namespace {

// Whether the O_NONBLOCK that accept4(2) and connect(2) depend on is set. A descriptor that is not
// open passes: the call says so.
bool DoesNotBlock(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  return flags < 0 || (flags & O_NONBLOCK) != 0;
}

// Calls a function that transfers bytes, until no signal interrupts it.
template <typename F>
int Transfer(F&& call) {
  while (true) {
    const ssize_t bytes = call();
    if (bytes >= 0) return static_cast<int>(bytes);
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EWOULDBLOCK ? kNotReady : -errno;
  }
}

int AttemptReceive(int descriptor, void* address, size_t length) {
  return Transfer([&] { return ::recv(descriptor, address, length, MSG_DONTWAIT); });
}

AttemptOutcome AttemptReceiveChunk(int descriptor, ChunkPool& chunks) {
  uint16_t chunk;
  if (!chunks.TryTake(chunk)) return {.result = -ENOBUFS};
  const int result = AttemptReceive(descriptor, chunks.data(chunk), ChunkPool::kChunkBytes);
  if (result <= 0) {
    chunks.Release(chunk);
    return {.result = result};
  }
  return {.result = result,
          .chunk = chunk,
          .is_short = static_cast<size_t>(result) < ChunkPool::kChunkBytes};
}

AttemptOutcome AttemptReceiveMessageChunk(const Operation& operation, ChunkPool& chunks) {
  uint16_t chunk;
  if (!chunks.TryTake(chunk)) return {.result = -ENOBUFS};
  const int result =
      ReceiveMessageIntoChunk(operation.descriptor, *static_cast<const msghdr*>(operation.address),
                              chunks.data(chunk), ChunkPool::kChunkBytes);
  if (result > 0) return {.result = result, .chunk = chunk};
  chunks.Release(chunk);
  return {.result = result == -EAGAIN ? kNotReady : result};
}

// The events that have come of those that are waited for.
int AttemptPoll(int descriptor, uint32_t events) {
  pollfd descriptors = {.fd = descriptor, .events = static_cast<int16_t>(events), .revents = 0};
  const int ready = ::poll(&descriptors, 1, 0);
  if (ready < 0) return errno == EINTR ? kNotReady : -errno;
  if ((descriptors.revents & POLLNVAL) != 0) return -EBADF;
  return ready == 0 ? kNotReady : descriptors.revents;
}

// Reads or writes a pipe, a terminal and the like, whose O_NONBLOCK may belong to others.
int AttemptStream(const Operation& operation) {
  const bool reads = operation.kind == OperationKind::kStreamRead;
  const iovec vector = {operation.address, operation.length};
  const auto transfer = [&](int flags) {
    return reads ? ::preadv2(operation.descriptor, &vector, 1, -1, flags)
                 : ::pwritev2(operation.descriptor, &vector, 1, -1, flags);
  };
  const int result = Transfer([&] { return transfer(RWF_NOWAIT); });
  if (result != -EOPNOTSUPP) return result;
  const int ready = AttemptPoll(operation.descriptor, reads ? POLLIN : POLLOUT);
  return ready < 0 ? ready : Transfer([&] { return transfer(0); });
}

// The outcome of a transfer of `length` bytes into or out of somebody's memory.
AttemptOutcome Transferred(int result, size_t length) {
  return {.result = result, .is_short = result > 0 && static_cast<size_t>(result) < length};
}

size_t TotalLength(const msghdr& message) {
  size_t total = 0;
  for (size_t i = 0; i < message.msg_iovlen; ++i) total += message.msg_iov[i].iov_len;
  return total;
}

// Called again when the socket is writable, connect(2) reports the outcome of what it began.
int AttemptConnect(const Operation& operation) {
  PELTON_DCHECK(DoesNotBlock(operation.descriptor)) << "kConnect needs an O_NONBLOCK descriptor";
  if (::connect(operation.descriptor, static_cast<const sockaddr*>(operation.address),
                operation.length) == 0) {
    return 0;
  }
  const bool goes_on = errno == EINPROGRESS || errno == EALREADY || errno == EINTR;
  return goes_on ? kNotReady : -errno;
}

}  // namespace

int AttemptAccept(int descriptor) {
  PELTON_DCHECK(DoesNotBlock(descriptor)) << "kAccept needs an O_NONBLOCK descriptor";
  return Transfer(
      [&] { return ::accept4(descriptor, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK); });
}

AttemptOutcome Attempt(const Operation& operation, ChunkPool& chunks) {
  const KernelMemoryAccess access(operation);
  const int fd = operation.descriptor;
  switch (operation.kind) {
    case OperationKind::kAccept:
      return {.result = AttemptAccept(fd)};
    case OperationKind::kConnect:
      return {.result = AttemptConnect(operation)};
    case OperationKind::kReceive:
      return Transferred(AttemptReceive(fd, operation.address, operation.length), operation.length);
    case OperationKind::kReceiveChunk:
      return AttemptReceiveChunk(fd, chunks);
    case OperationKind::kReceiveMessage:
      return {.result = Transfer([&] {
                return ::recvmsg(fd, static_cast<msghdr*>(operation.address),
                                 static_cast<int>(operation.length) | MSG_DONTWAIT);
              })};
    case OperationKind::kReceiveMessageChunk:
      return AttemptReceiveMessageChunk(operation, chunks);
    case OperationKind::kPoll:
      return {.result = AttemptPoll(fd, operation.length)};
    case OperationKind::kStreamRead:
    case OperationKind::kStreamWrite:
      return {.result = AttemptStream(operation)};
    case OperationKind::kSend:
    case OperationKind::kSendZeroCopy:
      return Transferred(Transfer([&] {
                           return ::send(fd, operation.address, operation.length,
                                         MSG_DONTWAIT | MSG_NOSIGNAL);
                         }),
                         operation.length);
    case OperationKind::kSendMessage: {
      const auto& message = *static_cast<const msghdr*>(operation.address);
      return Transferred(
          Transfer([&] { return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); }),
          TotalLength(message));
    }
    case OperationKind::kReceiveMessages: {
      const int received =
          ReceiveMessagesNow(fd, static_cast<mmsghdr*>(operation.address), operation.length);
      return {.result = received == -EAGAIN ? kNotReady : received};
    }
    case OperationKind::kSendMessages: {
      const int sent =
          SendMessagesNow(fd, static_cast<mmsghdr*>(operation.address), operation.length);
      return {.result = sent == -EAGAIN ? kNotReady : sent};
    }
    default:
      break;
  }
  PELTON_FATAL() << "an operation of kind " << OperationKindName(operation.kind)
                 << " never has to wait";
}

}  // namespace pelton::io
