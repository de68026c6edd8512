// FileStatus: what statx(2) tells about a file.
//
// Shard affinity: a value.

#ifndef PELTON_IO_FILE_FILE_STATUS_H_
#define PELTON_IO_FILE_FILE_STATUS_H_

#include <sys/stat.h>

#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace pelton {

enum class FileType : uint8_t {
  kUnknown,  // the file system does not tell (in listings)
  kRegular,
  kDirectory,
  kSymbolicLink,
  kBlockDevice,
  kCharacterDevice,
  kPipe,
  kSocket,
};

struct FileStatus {
  FileType type = FileType::kUnknown;
  uint32_t permissions = 0;  // the twelve bits of chmod(2)
  uint64_t size_bytes = 0;
  uint64_t allocated_bytes = 0;       // on the disk: less than the size in a file with holes
  uint32_t block_bytes = 0;           // the unit of efficient transfers
  uint32_t owner = 0;                 // user id
  uint32_t group = 0;                 // group id
  uint32_t link_count = 0;            // names in directories
  uint64_t inode = 0;                 // with `device`: which file it is
  uint64_t device = 0;                // as makedev(3) of the file system's device
  absl::Time modified;                // its bytes
  absl::Time changed;                 // its bytes or its status
  absl::Time accessed;                // as the mount keeps it
  std::optional<absl::Time> created;  // where the file system keeps it

  bool is_regular() const { return type == FileType::kRegular; }
  bool is_directory() const { return type == FileType::kDirectory; }
  bool is_symbolic_link() const { return type == FileType::kSymbolicLink; }
  // Whether both are the same file, however they are called.
  bool IsSameFileAs(const FileStatus& other) const {
    return inode == other.inode && device == other.device;
  }
};

namespace io {

// What to ask statx(2) for.
extern const uint32_t kStatusMask;
FileStatus MakeFileStatus(const struct statx& status);
// The type in the bits S_IFMT of `mode`.
FileType FileTypeOfMode(uint32_t mode);

}  // namespace io
}  // namespace pelton

#endif  // PELTON_IO_FILE_FILE_STATUS_H_
