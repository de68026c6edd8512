// The file that a local socket is bound to: made by binding, and removed at the end if it is still
// the one that was made.
//
//   PELTON_ASSIGN_OR_RETURN(UnixSocketFile file, UnixSocketFile::Bind(descriptor, address));
//   ...
//   file.Remove();   // before the descriptor is closed
//
// Invariants
//  1. A file that belongs to a living socket, or that is no socket, is never removed.
//  2. A socket file that nobody answers to, such as a killed process leaves behind, is replaced. Two
//     processes that start at once may both find it so: each moves it aside, looks again, and puts
//     back what has come to life.
//
// Shard affinity: a value; any thread. Cost: Bind() and Remove() make system calls on the file
// system, which may block: Bind() when a service starts, Remove() as a kCall operation.

#ifndef PELTON_IO_UNIX_SOCKET_FILE_H_
#define PELTON_IO_UNIX_SOCKET_FILE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "io/unix_address.h"

namespace pelton::io {

class UnixSocketFile {
 public:
  // None: of an abstract or unnamed address.
  UnixSocketFile() = default;

  // Binds the local socket `descriptor` to `address`, and replaces a socket file that nobody answers
  // to. ERRORS: ALREADY_EXISTS (EADDRINUSE: a living socket, or a file of another kind), NOT_FOUND
  // (no such directory), PERMISSION_DENIED, ...; the message names the path.
  static absl::StatusOr<UnixSocketFile> Bind(int descriptor, const UnixAddress& address);

  // Whether there is a file to remove.
  bool exists() const { return inode_ != 0; }
  // Removes the file unless it is not the one that Bind() made. Returns 0 or a negative errno;
  // afterwards it is nobody's. REQUIRES: the descriptor is open: it keeps the inode's number from
  // being used again.
  int Remove();
  // The same as the function of a kCall operation; `file` is a UnixSocketFile*.
  static int RemoveFile(void* file) { return static_cast<UnixSocketFile*>(file)->Remove(); }

 private:
  UnixAddress address_;
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
};

}  // namespace pelton::io

#endif  // PELTON_IO_UNIX_SOCKET_FILE_H_
