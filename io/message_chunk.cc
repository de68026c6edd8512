#include "io/message_chunk.h"

#include <sys/uio.h>

#include <cerrno>
#include <new>

namespace pelton::io {

int ReceiveMessageIntoChunk(int descriptor, const msghdr& room, char* chunk, size_t bytes) {
  const size_t fixed = sizeof(MessageChunkHeader) + room.msg_namelen + room.msg_controllen;
  if (fixed >= bytes) return -EMSGSIZE;
  iovec payload = {chunk + fixed, bytes - fixed};
  msghdr message = {};
  message.msg_name = room.msg_namelen > 0 ? chunk + sizeof(MessageChunkHeader) : nullptr;
  message.msg_namelen = room.msg_namelen;
  message.msg_control =
      room.msg_controllen > 0 ? chunk + sizeof(MessageChunkHeader) + room.msg_namelen : nullptr;
  message.msg_controllen = room.msg_controllen;
  message.msg_iov = &payload;
  message.msg_iovlen = 1;
  ssize_t received;
  do {
    received = ::recvmsg(descriptor, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return errno == EWOULDBLOCK ? -EAGAIN : -errno;
  new (chunk) MessageChunkHeader{.name_bytes = message.msg_namelen,
                                 .control_bytes = static_cast<uint32_t>(message.msg_controllen),
                                 .payload_bytes = static_cast<uint32_t>(received),
                                 .flags = static_cast<uint32_t>(message.msg_flags)};
  return static_cast<int>(fixed + static_cast<size_t>(received));
}

}  // namespace pelton::io
