#include "io/message_chunk.h"

#include <sys/uio.h>

#include <cerrno>
#include <new>

#include "framework/base/check.h"

namespace pelton::io {

namespace {

size_t FixedBytes(const msghdr& room) {
  return sizeof(MessageChunkHeader) + room.msg_namelen + room.msg_controllen;
}

// Points `message` and `payload` to the parts of a chunk of `bytes` bytes.
void PointInto(char* chunk, size_t bytes, const msghdr& room, msghdr& message, iovec& payload) {
  payload = {chunk + FixedBytes(room), bytes - FixedBytes(room)};
  message = {};
  message.msg_name = room.msg_namelen > 0 ? chunk + sizeof(MessageChunkHeader) : nullptr;
  message.msg_namelen = room.msg_namelen;
  message.msg_control =
      room.msg_controllen > 0 ? chunk + sizeof(MessageChunkHeader) + room.msg_namelen : nullptr;
  message.msg_controllen = room.msg_controllen;
  message.msg_iov = &payload;
  message.msg_iovlen = 1;
}

// Writes the header of what has arrived. Returns how many bytes the completion covers.
int Finish(char* chunk, const msghdr& room, const msghdr& message, size_t received) {
  new (chunk) MessageChunkHeader{.name_bytes = message.msg_namelen,
                                 .control_bytes = static_cast<uint32_t>(message.msg_controllen),
                                 .payload_bytes = static_cast<uint32_t>(received),
                                 .flags = static_cast<uint32_t>(message.msg_flags)};
  return static_cast<int>(FixedBytes(room) + received);
}

}  // namespace

int ReceiveMessageIntoChunk(int descriptor, const msghdr& room, char* chunk, size_t bytes) {
  if (FixedBytes(room) >= bytes) return -EMSGSIZE;
  iovec payload;
  msghdr message;
  PointInto(chunk, bytes, room, message, payload);
  ssize_t received;
  do {
    received = ::recvmsg(descriptor, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return errno == EWOULDBLOCK ? -EAGAIN : -errno;
  return Finish(chunk, room, message, static_cast<size_t>(received));
}

int ReceiveMessagesIntoChunks(int descriptor, const msghdr& room, std::span<char* const> chunks,
                              size_t bytes, int* covered) {
  PELTON_DCHECK(!chunks.empty() && chunks.size() <= kMostMessages);
  if (FixedBytes(room) >= bytes) return -EMSGSIZE;
  iovec payloads[kMostMessages];
  mmsghdr messages[kMostMessages];
  for (size_t i = 0; i < chunks.size(); ++i) {
    PointInto(chunks[i], bytes, room, messages[i].msg_hdr, payloads[i]);
  }
  const int received =
      ReceiveMessagesNow(descriptor, messages, static_cast<unsigned>(chunks.size()));
  for (int i = 0; i < received; ++i) {
    covered[i] =
        Finish(chunks[static_cast<size_t>(i)], room, messages[i].msg_hdr, messages[i].msg_len);
  }
  return received;
}

int ReceiveMessagesNow(int descriptor, mmsghdr* messages, unsigned count) {
  int received;
  do {
    received = ::recvmmsg(descriptor, messages, count, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, nullptr);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return errno == EWOULDBLOCK ? -EAGAIN : -errno;
  return received;
}

int SendMessagesNow(int descriptor, mmsghdr* messages, unsigned count) {
  int sent;
  do {
    sent = ::sendmmsg(descriptor, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return errno == EWOULDBLOCK ? -EAGAIN : -errno;
  return sent;
}

}  // namespace pelton::io
