// What can be done to a path, from any directory: behind the functions of paths.h, which start at the
// current one, and those of Directory. Private to io/file.
//
// Shard affinity: the awaiting task's. Ownership: paths are the task's. Directory descriptors stay
// open until the await returns: their owner's care.

#ifndef PELTON_IO_FILE_PATH_CALLS_H_
#define PELTON_IO_FILE_PATH_CALLS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file/file_awaiter.h"
#include "io/file/file_status.h"
#include "io/file/paths.h"
#include "sched/task.h"

namespace pelton::io {

Task<absl::Status> RenameAt(PathAt from, PathAt to, RenameMode mode);
Task<absl::Status> LinkAt(PathAt existing, PathAt name);
Task<absl::Status> SymbolicLinkAt(std::string target, PathAt name);
Task<absl::StatusOr<std::string>> ReadLinkAt(PathAt path);
Task<absl::Status> UnlinkAt(PathAt path);
Task<absl::Status> MakeDirectoryAt(PathAt path, uint32_t permissions);
Task<absl::Status> RemoveDirectoryAt(PathAt path);
Task<absl::Status> RemoveTreeAt(PathAt path);
Task<absl::StatusOr<FileStatus>> StatAt(PathAt path, bool follow_links);

// Eight letters that no other task is likely to draw, for names of temporary files.
std::string RandomLetters();

}  // namespace pelton::io

#endif  // PELTON_IO_FILE_PATH_CALLS_H_
