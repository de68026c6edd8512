// A message in a chunk, as kReceiveMessageChunk leaves it: a header, the sender's address, control
// data, the payload.
//
// Source of the layout: struct io_uring_recvmsg_out, man io_uring_prep_recvmsg_multishot(3).
// Shard affinity: any thread. COST: no allocation.

#ifndef PELTON_IO_MESSAGE_CHUNK_H_
#define PELTON_IO_MESSAGE_CHUNK_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace pelton::io {

struct MessageChunkHeader {
  uint32_t name_bytes;     // of the sender's address; may be more than there was room for
  uint32_t control_bytes;  // of control data that arrived
  uint32_t payload_bytes;  // that arrived
  uint32_t flags;          // MSG_TRUNC, MSG_CTRUNC and the like
};
static_assert(sizeof(MessageChunkHeader) == 16);

// Where the parts of a message lie.
class MessageInChunk {
 public:
  // `bytes` is what the operation's completion covers; `name_room` and `control_room` are the
  // msg_namelen and msg_controllen that the operation was started with. Returns false when the
  // chunk is too small for them (-EMSGSIZE to whoever asks).
  bool Parse(std::span<char> bytes, size_t name_room, size_t control_room) {
    const size_t fixed = sizeof(MessageChunkHeader) + name_room + control_room;
    if (bytes.size() < fixed) return false;
    header_ = reinterpret_cast<const MessageChunkHeader*>(bytes.data());
    name_ = bytes.subspan(sizeof(MessageChunkHeader), name_room);
    control_ = bytes.subspan(sizeof(MessageChunkHeader) + name_room, control_room);
    payload_ = bytes.subspan(fixed);
    if (header_->name_bytes < name_.size()) name_ = name_.first(header_->name_bytes);
    if (header_->control_bytes < control_.size()) control_ = control_.first(header_->control_bytes);
    if (header_->payload_bytes < payload_.size()) payload_ = payload_.first(header_->payload_bytes);
    return true;
  }

  std::span<char> name() const { return name_; }
  std::span<char> control() const { return control_; }
  std::span<char> payload() const { return payload_; }
  uint32_t flags() const { return header_->flags; }

 private:
  const MessageChunkHeader* header_ = nullptr;
  std::span<char> name_;
  std::span<char> control_;
  std::span<char> payload_;
};

// Receives one message into `chunk`, which is `bytes` long, in that layout, without blocking.
// `room` as the operation's msghdr. Returns how many bytes the completion covers, or a negative
// errno (-EAGAIN: there is no message).
int ReceiveMessageIntoChunk(int descriptor, const msghdr& room, char* chunk, size_t bytes);

// The most messages that ReceiveMessagesIntoChunks() takes.
inline constexpr size_t kMostMessages = 64;

// The same for as many messages as there are and `chunks` of which have room, in one system call;
// all chunks are `bytes` long. Writes how many bytes each completion covers to `covered`. Returns
// how many messages, or a negative errno. REQUIRES: 1 to kMostMessages chunks.
int ReceiveMessagesIntoChunks(int descriptor, const msghdr& room, std::span<char* const> chunks,
                              size_t bytes, int* covered);

// Receives messages without blocking. Returns how many, at least 1, or a negative errno (-EAGAIN:
// there is none).
int ReceiveMessagesNow(int descriptor, mmsghdr* messages, unsigned count);

// Sends messages without blocking. Returns how many, at least 1, or the negative errno of the first
// (-EAGAIN: there is no room).
int SendMessagesNow(int descriptor, mmsghdr* messages, unsigned count);

}  // namespace pelton::io

#endif  // PELTON_IO_MESSAGE_CHUNK_H_
