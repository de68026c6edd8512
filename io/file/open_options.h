// How a file is opened: OpenOptions, for File::Open() and Directory::OpenFile().
//
//   {.access = FileAccess::kWrite, .creation = FileCreation::kIfMissing, .truncate = true}
//
// Shard affinity: a value.

#ifndef PELTON_IO_FILE_OPEN_OPTIONS_H_
#define PELTON_IO_FILE_OPEN_OPTIONS_H_

#include <cstdint>

#include "absl/status/statusor.h"

namespace pelton {

enum class FileAccess : uint8_t { kRead, kWrite, kReadWrite };

// What happens when the file is not there, or is.
enum class FileCreation : uint8_t {
  kNever,      // it must exist
  kIfMissing,  // it is made when it does not exist
  kMustBeNew,  // it is made, and must not have existed
};

struct OpenOptions {
  FileAccess access = FileAccess::kRead;
  FileCreation creation = FileCreation::kNever;
  // Drops what the file holds. Needs write access.
  bool truncate = false;
  // Every write goes to the end, also when others write there. Needs write access.
  bool append = false;
  // Whether the last part of the path may be a symbolic link. ELOOP when it is and must not be.
  bool follow_links = true;
  // Of a file that is made; the process's umask is taken off.
  uint32_t permissions = 0666;
};

namespace io {

// The flags of open(2). ERRORS: InvalidArgument for options that contradict each other.
absl::StatusOr<uint64_t> OpenFlags(const OpenOptions& options);

}  // namespace io
}  // namespace pelton

#endif  // PELTON_IO_FILE_OPEN_OPTIONS_H_
