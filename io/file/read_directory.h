// Lists a directory.
//
//   PELTON_FOR_CO_AWAIT(const absl::StatusOr<DirectoryEntry>& entry, ReadDirectory("/var/spool/x")) {
//     PELTON_CO_RETURN_IF_ERROR(entry.status());
//     Use(entry->name);
//   }
//
// Entries come in the file system's order, without "." and "..". What is made or removed meanwhile
// may come or not; everything else comes once.
//
// Shard affinity: the consuming task's.
// Cost: 32 KiB of memory however large the directory is; one call on the blocking pool for each 32 KiB
// of entries (some 500 to 1,000).
// Errors name the path; after one the sequence ends.

#ifndef PELTON_IO_FILE_READ_DIRECTORY_H_
#define PELTON_IO_FILE_READ_DIRECTORY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "io/file/file.h"
#include "io/file/file_status.h"
#include "sched/async_generator.h"

namespace pelton {

struct DirectoryEntry {
  std::string_view name;  // valid until the next entry is asked for
  FileType type = FileType::kUnknown;
  uint64_t inode = 0;
};

// The entries of the directory `path`.
AsyncGenerator<absl::StatusOr<DirectoryEntry>> ReadDirectory(std::string path);

namespace io {

// Those of a directory that is open, from the first one on. One listing of it at a time. REQUIRES:
// `directory` outlives the generator.
AsyncGenerator<absl::StatusOr<DirectoryEntry>> ReadOpenDirectory(File& directory);

}  // namespace io
}  // namespace pelton

#endif  // PELTON_IO_FILE_READ_DIRECTORY_H_
