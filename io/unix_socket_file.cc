#include "io/unix_socket_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"

namespace pelton::io {
namespace {

// What stands at a path.
enum class Occupant { kNothing, kStaleSocket, kOther };

// Connecting a datagram socket changes nothing for whoever is there. Only a socket file without a
// living socket refuses; sockets of another type answer EPROTOTYPE.
Occupant LookAt(const UnixAddress& address) {
  struct stat found;
  if (::lstat(std::string(address.name()).c_str(), &found) != 0) {
    return errno == ENOENT ? Occupant::kNothing : Occupant::kOther;
  }
  if (!S_ISSOCK(found.st_mode)) return Occupant::kOther;
  const int probe = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return Occupant::kOther;
  const bool refused =
      ::connect(probe, address.data(), address.size()) != 0 && errno == ECONNREFUSED;
  ::close(probe);
  return refused ? Occupant::kStaleSocket : Occupant::kOther;
}

// Moves the stale file aside, and removes it if it is stale there, too: then no other process can
// have bound it in the meantime. Returns whether the path may be free now.
bool RemoveStale(const UnixAddress& address) {
  const std::string path(address.name());
  const std::string aside = absl::StrCat(path, ".", ::getpid());
  const absl::StatusOr<UnixAddress> moved = UnixAddress::OfPath(aside);
  // Without room for a longer name, the window between the look and the removal stays.
  if (!moved.ok()) return ::unlink(path.c_str()) == 0;
  if (::rename(path.c_str(), aside.c_str()) != 0) return errno == ENOENT;
  if (LookAt(*moved) == Occupant::kStaleSocket) return ::unlink(aside.c_str()) == 0;
  (void)::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE);
  return false;
}

absl::Status InUse(const UnixAddress& address) {
  absl::Status status = ErrnoToStatus(EADDRINUSE, "bind", address.ToString());
  if (address.kind() != UnixAddress::Kind::kPath) return status;
  struct stat found;
  const bool is_socket =
      ::lstat(std::string(address.name()).c_str(), &found) != 0 || S_ISSOCK(found.st_mode);
  if (is_socket) return status;
  absl::Status explained(status.code(),
                         absl::StrCat(status.message(),
                                      "; a file that is no socket is there, and is "
                                      "left alone: remove it or choose another path"));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    explained.SetPayload(url, payload);
  });
  return explained;
}

}  // namespace

absl::StatusOr<UnixSocketFile> UnixSocketFile::Bind(int descriptor, const UnixAddress& address) {
  int result = ::bind(descriptor, address.data(), address.size());
  if (result != 0 && errno == EADDRINUSE) {
    if (address.kind() != UnixAddress::Kind::kPath) return InUse(address);
    const Occupant occupant = LookAt(address);
    if (occupant == Occupant::kOther) return InUse(address);
    if (occupant == Occupant::kStaleSocket && !RemoveStale(address)) return InUse(address);
    result = ::bind(descriptor, address.data(), address.size());
  }
  if (result != 0) {
    return errno == EADDRINUSE ? InUse(address) : ErrnoToStatus(errno, "bind", address.ToString());
  }
  UnixSocketFile file;
  if (address.kind() != UnixAddress::Kind::kPath) return file;
  file.address_ = address;
  struct stat made;
  if (::lstat(std::string(address.name()).c_str(), &made) != 0) {
    return ErrnoToStatus(errno, "stat of the new socket", address.ToString());
  }
  file.device_ = made.st_dev;
  file.inode_ = made.st_ino;
  return file;
}

int UnixSocketFile::Remove() {
  const uint64_t inode = std::exchange(inode_, 0);
  if (inode == 0) return 0;
  const std::string path(address_.name());
  struct stat found;
  if (::lstat(path.c_str(), &found) != 0) return errno == ENOENT ? 0 : -errno;
  if (found.st_dev != device_ || found.st_ino != inode) return 0;
  return ::unlink(path.c_str()) == 0 || errno == ENOENT ? 0 : -errno;
}

}  // namespace pelton::io
