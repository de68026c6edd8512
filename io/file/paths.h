// What services do to paths: rename, link, unlink, make and remove directories, ask for the status.
//
//   PELTON_CO_RETURN_IF_ERROR(co_await MakeDirectories("/var/lib/x/store"));
//   PELTON_CO_RETURN_IF_ERROR(co_await Rename(from, to, RenameMode::kNoReplace));
//   PELTON_CO_RETURN_IF_ERROR(co_await SyncDirectory("/var/lib/x/store"));  // the new name survives a power cut
//
// Relative paths start at the current directory. For paths that come from outside, and for work in
// one directory, see Directory (directory.h).
//
// Shard affinity: the awaiting task's.
// Errors name the operation and the path, or both paths, and keep the errno. A task that is told to
// stop gets its stop status; what the kernel had begun by then may have happened.
// Cost: the kernel hands each to a worker thread of its own, 4 to 10 µs (a status that is cached
// included); ReadLink() goes to the blocking pool, and all do on the epoll driver.

#ifndef PELTON_IO_FILE_PATHS_H_
#define PELTON_IO_FILE_PATHS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file/file_status.h"
#include "sched/task.h"

namespace pelton {

// What Rename() does when the new name is taken.
enum class RenameMode : uint8_t {
  kReplace,    // what had the name loses it; at no moment nothing has it
  kNoReplace,  // ALREADY_EXISTS. ERRORS: INVALID_ARGUMENT where the file system cannot (NFS)
  kExchange,   // both names must exist, and change places at once
};

// Renames `from` to `to`, in one step that everybody sees wholly or not at all. ERRORS: EXDEV when
// they are on different file systems.
Task<absl::Status> Rename(std::string from, std::string to, RenameMode mode = RenameMode::kReplace);
// Gives the file `existing` another name. Does not follow a symbolic link.
Task<absl::Status> Link(std::string existing, std::string name);
// Makes a symbolic link called `name` that holds the text `target`.
Task<absl::Status> SymbolicLink(std::string target, std::string name);
// The text of a symbolic link.
Task<absl::StatusOr<std::string>> ReadLink(std::string path);
// Removes a name of a file, and with the last one, once nobody has it open, the file.
Task<absl::Status> Unlink(std::string path);

// Permissions are taken the process's umask off.
Task<absl::Status> MakeDirectory(std::string path, uint32_t permissions = 0777);
// Makes the directory and those above it that are missing. OK when it exists.
Task<absl::Status> MakeDirectories(std::string path, uint32_t permissions = 0777);
// Removes an empty directory.
Task<absl::Status> RemoveDirectory(std::string path);
// Removes a directory with all that is below it, or a file. Symbolic links are removed and never
// followed, also when somebody exchanges a directory for one meanwhile. OK when there is nothing
// by that name. A cancellation leaves the rest. COST: a descriptor for each level of depth, 32 KiB
// of memory for each as well.
Task<absl::Status> RemoveTree(std::string path);
// Waits until the names in the directory `path` are on the disk: after a file was made, renamed or
// removed there.
Task<absl::Status> SyncDirectory(std::string path);

// Follows symbolic links.
Task<absl::StatusOr<FileStatus>> Stat(std::string path);
// Tells of a symbolic link itself.
Task<absl::StatusOr<FileStatus>> StatLink(std::string path);
// Whether `path` leads to something. ERRORS: when that cannot be found out.
Task<absl::StatusOr<bool>> Exists(std::string path);

// Makes a directory for this user alone, whose name is `prefix` and eight random letters, and
// yields that path: `MakeTemporaryDirectory("/tmp/build-")`. RemoveTree() removes it.
Task<absl::StatusOr<std::string>> MakeTemporaryDirectory(std::string prefix);

}  // namespace pelton

#endif  // PELTON_IO_FILE_PATHS_H_
