#include "io/descriptor_passing.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"

namespace pelton {
namespace {

std::string Name(int fd) { return absl::StrCat("local socket, fd ", fd); }

}  // namespace

void OwnedDescriptor::Close() {
  // Whatever close(2) says, the descriptor is gone.
  if (fd_ >= 0) ::close(Release());
}

absl::StatusOr<PeerCredentials> PeerCredentialsOf(int fd) {
  ucred credentials = {};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return ErrnoToStatus(errno, "get SO_PEERCRED of", Name(fd));
  }
  return PeerCredentials{
      .process = credentials.pid, .user = credentials.uid, .group = credentials.gid};
}

absl::Status ReceiveCredentials(int fd) {
  const int on = 1;
  if (::setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0) return absl::OkStatus();
  return ErrnoToStatus(errno, "set SO_PASSCRED of", Name(fd));
}

namespace io {

absl::Status DescriptorsToSend::Add(int fd) {
  if (fd < 0) {
    return absl::InvalidArgumentError(absl::StrCat("cannot pass descriptor ", fd));
  }
  if (count_ == kMostDescriptors) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a message carries at most ", kMostDescriptors, " descriptors"));
  }
  ++count_;
  const size_t bytes = count_ * sizeof(int);
  control_.resize(CMSG_SPACE(bytes));
  auto* const header = reinterpret_cast<cmsghdr*>(control_.data());
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(bytes);
  std::memcpy(CMSG_DATA(header) + bytes - sizeof(int), &fd, sizeof(int));
  return absl::OkStatus();
}

absl::Status DescriptorsToSend::Add(std::span<const OwnedDescriptor> descriptors) {
  for (const OwnedDescriptor& descriptor : descriptors) {
    PELTON_RETURN_IF_ERROR(Add(descriptor.get()));
  }
  return absl::OkStatus();
}

ReceivedControl TakeControl(std::span<const char> control) {
  msghdr message = {};
  message.msg_control = const_cast<char*>(control.data());
  message.msg_controllen = control.size();
  return TakeControl(message);
}

ReceivedControl TakeControl(const msghdr& message) {
  ReceivedControl result;
  // CMSG_NXTHDR takes a msghdr that may be written, and does not write it.
  auto* const walked = const_cast<msghdr*>(&message);
  for (cmsghdr* header = CMSG_FIRSTHDR(walked); header != nullptr;
       header = CMSG_NXTHDR(walked, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    const size_t bytes = header->cmsg_len - CMSG_LEN(0);
    if (header->cmsg_type == SCM_RIGHTS) {
      for (size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(header) + at, sizeof(fd));
        result.descriptors.emplace_back(fd);
      }
    } else if (header->cmsg_type == SCM_CREDENTIALS && bytes >= sizeof(ucred)) {
      ucred sender;
      std::memcpy(&sender, CMSG_DATA(header), sizeof(sender));
      result.credentials =
          PeerCredentials{.process = sender.pid, .user = sender.uid, .group = sender.gid};
    }
  }
  return result;
}

}  // namespace io
}  // namespace pelton
