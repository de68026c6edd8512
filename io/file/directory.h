// Directory: an open directory, from which paths are looked up and out of which none leads.
//
//   PELTON_CO_ASSIGN_OR_RETURN(Directory uploads, co_await Directory::Open("/srv/uploads"));
//   PELTON_CO_ASSIGN_OR_RETURN(File file, co_await uploads.OpenFile(name_from_the_client));
//
// A path that leaves the directory, by "..", by a leading slash or by a symbolic link on its way, is
// refused with EXDEV: openat2(2) with RESOLVE_BENEATH. The
// directory stays the same when it is renamed, and paths in it need no locks against exchanges of
// what is above.
//
// Shard affinity: the shard that opened it.
// Ownership: movable. Destroying it closes it without waiting. REQUIRES: no operation is going on.
// Errors name the operation and the whole path.
// Cost: as the functions of paths.h. A path with several parts costs another open, of the directory
// that holds its last part.

#ifndef PELTON_IO_FILE_DIRECTORY_H_
#define PELTON_IO_FILE_DIRECTORY_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file/file.h"
#include "io/file/file_status.h"
#include "io/file/open_options.h"
#include "io/file/path_calls.h"
#include "io/file/paths.h"
#include "io/file/read_directory.h"
#include "sched/async_generator.h"
#include "sched/task.h"

namespace pelton {

class Directory {
 public:
  // No directory.
  Directory() = default;

  // Opens `path`, from the current directory when it is relative.
  static Task<absl::StatusOr<Directory>> Open(std::string path);

  // Opens a file below. Symbolic links that stay below are followed, if the options say so.
  Task<absl::StatusOr<File>> OpenFile(std::string path, OpenOptions options = {});
  // Opens a directory below; no path leads out of that, either.
  Task<absl::StatusOr<Directory>> OpenDirectory(std::string path);

  // As the functions of these names in paths.h. The last part of a path is never followed when it
  // is a symbolic link.
  Task<absl::Status> Rename(std::string from, std::string to,
                            RenameMode mode = RenameMode::kReplace);
  Task<absl::Status> Unlink(std::string path);
  Task<absl::Status> MakeDirectory(std::string path, uint32_t permissions = 0777);
  Task<absl::Status> RemoveDirectory(std::string path);
  Task<absl::Status> RemoveTree(std::string path);
  Task<absl::StatusOr<FileStatus>> Stat(std::string path);

  // The entries, from the first one on; see read_directory.h. One listing at a time. REQUIRES: this
  // object stays where it is until the listing has ended.
  AsyncGenerator<absl::StatusOr<DirectoryEntry>> Read() { return io::ReadOpenDirectory(file_); }

  // Waits until the names in it are on the disk: after files were made, renamed or removed.
  io::FileControlAwaiter Sync() { return file_.Sync(); }

  bool valid() const { return file_.valid(); }
  // As it was opened.
  const std::string& path() const { return file_.path(); }
  int descriptor() const { return file_.descriptor(); }

 private:
  // Where the last part of a path is, and the directory that it is in, when that had to be opened.
  struct Place {
    File parent;
    io::PathAt at;
  };

  explicit Directory(File file) : file_(std::move(file)) {}
  io::PathAt At(std::string path) const;
  Task<absl::StatusOr<Place>> Find(std::string path);

  File file_;
};

}  // namespace pelton

#endif  // PELTON_IO_FILE_DIRECTORY_H_
