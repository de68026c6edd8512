// Descriptors and credentials that travel with the messages of local sockets (SCM_RIGHTS,
// SCM_CREDENTIALS).
//
//   DescriptorsToSend rights;
//   PELTON_RETURN_IF_ERROR(rights.Add(file.get()));
//   message.msg_control = rights.data();  message.msg_controllen = rights.size();   // sendmsg
//
//   ReceivedControl received = TakeControl(message);    // after recvmsg
//   Use(std::move(received.descriptors[0]));
//
// Ownership: what arrives is owned from the moment it is taken; what nobody wants is closed. Messages
// whose control data was cut off (MSG_CTRUNC) still carry descriptors: take them, too.
// Shard affinity: values. Source: man unix(7), cmsg(3).

#ifndef PELTON_IO_DESCRIPTOR_PASSING_H_
#define PELTON_IO_DESCRIPTOR_PASSING_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pelton {

// A descriptor that is closed at the end of its scope. Movable. Not for a descriptor on which an
// operation was started: a kClose operation closes that one.
class [[nodiscard]] OwnedDescriptor {
 public:
  OwnedDescriptor() = default;
  // Takes `fd` over; -1 is none.
  explicit OwnedDescriptor(int fd) : fd_(fd) {}
  OwnedDescriptor(OwnedDescriptor&& other) noexcept : fd_(other.Release()) {}
  OwnedDescriptor& operator=(OwnedDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  // COST: close(2), which may block for the last descriptor of a file or of a lingering socket.
  ~OwnedDescriptor() { Close(); }

  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }
  // Hands the descriptor to somebody else.
  int Release() { return std::exchange(fd_, -1); }
  void Close();

 private:
  int fd_ = -1;
};

// The process at the other end of a local socket.
struct PeerCredentials {
  pid_t process = 0;
  uid_t user = 0;
  gid_t group = 0;

  friend bool operator==(const PeerCredentials&, const PeerCredentials&) = default;
};

// Who connected the local socket `fd`, or listened for it, at that time (SO_PEERCRED).
// ERRORS: the errno of getsockopt. COST: a system call.
absl::StatusOr<PeerCredentials> PeerCredentialsOf(int fd);

// Has the kernel send the sender's credentials along with every message that arrives at the local
// socket `fd` (SO_PASSCRED). ERRORS: the errno of setsockopt.
absl::Status ReceiveCredentials(int fd);

namespace io {

// The most descriptors that one message carries (SCM_MAX_FD).
inline constexpr size_t kMostDescriptors = 253;

// Control data that carries descriptors. The descriptors are borrowed: they must be open until the
// message is sent, and stay the caller's.
class DescriptorsToSend {
 public:
  // ERRORS: InvalidArgument (not a descriptor); ResourceExhausted beyond 253 of them.
  absl::Status Add(int fd);
  absl::Status Add(std::span<const OwnedDescriptor> descriptors);

  bool empty() const { return control_.empty(); }
  // For msg_control and msg_controllen; null and 0 without descriptors. Valid until the next Add().
  void* data() { return control_.empty() ? nullptr : control_.data(); }
  size_t size() const { return control_.size(); }

 private:
  std::vector<char> control_;
  size_t count_ = 0;
};

// Room for the control data of a message that carries up to `descriptors` descriptors, and
// credentials if `credentials`, in bytes.
constexpr size_t ControlRoom(size_t descriptors, bool credentials) {
  return (descriptors > 0 ? CMSG_SPACE(descriptors * sizeof(int)) : 0) +
         (credentials ? CMSG_SPACE(sizeof(ucred)) : 0);
}

// What came with a message.
struct ReceivedControl {
  std::vector<OwnedDescriptor> descriptors;
  std::optional<PeerCredentials> credentials;
};

// Takes over what the control data of a received message carries, whether it was cut off or not.
// COST: allocates when there are descriptors.
ReceivedControl TakeControl(std::span<const char> control);
ReceivedControl TakeControl(const msghdr& message);

}  // namespace io

}  // namespace pelton

#endif  // PELTON_IO_DESCRIPTOR_PASSING_H_
