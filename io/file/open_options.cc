#include "io/file/open_options.h"

#include <fcntl.h>

#include "absl/status/status.h"

namespace pelton::io {

absl::StatusOr<uint64_t> OpenFlags(const OpenOptions& options) {
  if (options.access == FileAccess::kRead && (options.truncate || options.append)) {
    return absl::InvalidArgumentError(
        "a file that is opened for reading can be neither truncated nor appended to; ask for "
        "FileAccess::kWrite or kReadWrite");
  }
  if (options.creation != FileCreation::kNever && (options.permissions & ~07777u) != 0) {
    return absl::InvalidArgumentError("permissions are the twelve bits of chmod(2), 0 to 07777");
  }
  uint64_t flags = O_CLOEXEC | O_NOCTTY;
  switch (options.access) {
    case FileAccess::kRead:
      flags |= O_RDONLY;
      break;
    case FileAccess::kWrite:
      flags |= O_WRONLY;
      break;
    case FileAccess::kReadWrite:
      flags |= O_RDWR;
      break;
  }
  if (options.creation != FileCreation::kNever) flags |= O_CREAT;
  if (options.creation == FileCreation::kMustBeNew) flags |= O_EXCL;
  if (options.truncate) flags |= O_TRUNC;
  if (options.append) flags |= O_APPEND;
  if (!options.follow_links) flags |= O_NOFOLLOW;
  return flags;
}

}  // namespace pelton::io
