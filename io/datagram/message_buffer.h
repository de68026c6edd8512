// A received message, owned: where it lies, and its parts. Private to io; Datagram and LocalMessage
// are what users see of it.
//
// Shard affinity: the shard that received it. Ownership: of a chunk, or of one of the socket's
// large buffers, which it gives back when it is destroyed; it may outlive the socket.
// Cost: no allocation.

#ifndef PELTON_IO_DATAGRAM_MESSAGE_BUFFER_H_
#define PELTON_IO_DATAGRAM_MESSAGE_BUFFER_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "io/chunk.h"

namespace pelton::io {

class LargeBuffer;

class MessageBuffer {
 public:
  MessageBuffer() = default;
  MessageBuffer(MessageBuffer&& other) noexcept
      : chunk_(std::move(other.chunk_)),
        large_(std::exchange(other.large_, nullptr)),
        payload_(std::exchange(other.payload_, {})),
        control_(std::exchange(other.control_, {})),
        name_(std::exchange(other.name_, {})),
        flags_(std::exchange(other.flags_, 0)) {}
  MessageBuffer& operator=(MessageBuffer&& other) noexcept {
    Release();
    chunk_ = std::move(other.chunk_);
    large_ = std::exchange(other.large_, nullptr);
    payload_ = std::exchange(other.payload_, {});
    control_ = std::exchange(other.control_, {});
    name_ = std::exchange(other.name_, {});
    flags_ = std::exchange(other.flags_, 0);
    return *this;
  }
  ~MessageBuffer() { Release(); }

  // Of a chunk, or of a large buffer.
  MessageBuffer(Chunk chunk, std::span<char> payload, std::span<char> control, std::span<char> name,
                uint32_t flags)
      : chunk_(std::move(chunk)),
        payload_(payload),
        control_(control),
        name_(name),
        flags_(flags) {}
  MessageBuffer(LargeBuffer* large, std::span<char> payload, std::span<char> control,
                std::span<char> name, uint32_t flags)
      : large_(large), payload_(payload), control_(control), name_(name), flags_(flags) {}

  std::span<char> payload() const { return payload_; }
  std::span<char> control() const { return control_; }
  // The sender's address.
  const sockaddr* name() const { return reinterpret_cast<const sockaddr*>(name_.data()); }
  socklen_t name_bytes() const { return static_cast<socklen_t>(name_.size()); }
  // MSG_TRUNC, MSG_CTRUNC and the like.
  uint32_t flags() const { return flags_; }

  // Copies the control message of this kind to `value`, if there is one that is long enough.
  template <typename T>
  bool FindControl(int level, int type, T& value) const {
    if (control_.empty()) return false;
    msghdr message = {};
    message.msg_control = control_.data();
    message.msg_controllen = control_.size();
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level != level || header->cmsg_type != type) continue;
      if (header->cmsg_len < CMSG_LEN(sizeof(value))) return false;
      std::memcpy(&value, CMSG_DATA(header), sizeof(value));
      return true;
    }
    return false;
  }

 private:
  void Release() {
    if (large_ != nullptr) [[unlikely]]
      ReleaseLarge();
  }
  void ReleaseLarge();

  Chunk chunk_;
  LargeBuffer* large_ = nullptr;
  std::span<char> payload_;
  std::span<char> control_;
  std::span<char> name_;
  uint32_t flags_ = 0;
};

}  // namespace pelton::io

#endif  // PELTON_IO_DATAGRAM_MESSAGE_BUFFER_H_
