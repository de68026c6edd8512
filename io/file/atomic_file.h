// AtomicFile: replaces a file so that everybody, at every moment and after every crash, finds it
// whole: as it was, or as it is to be.
//
//   PELTON_CO_RETURN_IF_ERROR(co_await ReplaceFile("/var/lib/x/state", bytes));
//
//   PELTON_CO_ASSIGN_OR_RETURN(AtomicFile state, co_await AtomicFile::Create("/var/lib/x/state"));
//   PELTON_CO_RETURN_IF_ERROR(co_await state.file().WriteAll(header, 0));      // and so on
//   PELTON_CO_RETURN_IF_ERROR(co_await state.Commit());
//
// How: the bytes go to a temporary file in the same directory, `.NAME.XXXXXXXX.tmp`; Commit() syncs it,
// renames it to the name, and syncs the directory. The directory is held open, so that it may be
// renamed meanwhile.
//
// Shard affinity: the shard that made it.
// Ownership: movable. Destroying one that was not committed removes the temporary without waiting.
// One that is left by a process that was killed (never by an error or a cancellation) is removed by
// whoever knows that no writer lives.
// Invariants: 1. the name never leads to a part of the bytes, nor, once it has led to something, to
// nothing; 2. of two commits at once one wins wholly.
// The replaced file's permissions are kept; its owner and extended attributes are not, and other names
// (hard links) keep the old bytes. A name that is a symbolic link is replaced itself.
// Errors name the path. A task that is told to stop during Commit() may or may not have replaced it;
// either way invariant 1 holds.
// Cost: two syncs, which wait for the disk; without Options::durable none.

#ifndef PELTON_IO_FILE_ATOMIC_FILE_H_
#define PELTON_IO_FILE_ATOMIC_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file/file.h"
#include "io/file/temporary_name.h"
#include "sched/task.h"

namespace pelton {

struct AtomicFileOptions {
  // Whether a power cut may not undo what was committed, nor leave an empty file by that name.
  // Without it the file is whole after a crash of the process, and not after one of the machine.
  bool durable = true;
  // Of the file; by default those of the file that is replaced, else 0666 less the umask.
  std::optional<uint32_t> permissions;
};

class AtomicFile {
 public:
  // No file.
  AtomicFile() = default;
  AtomicFile(AtomicFile&& other) noexcept { Swap(other); }
  AtomicFile& operator=(AtomicFile&& other) noexcept {
    Swap(other);
    return *this;
  }
  // REQUIRES: no operation on file() is going on.
  ~AtomicFile() {
    if (temporary_ != nullptr) temporary_->Abandon();
  }

  // Makes the temporary file for `path`.
  static Task<absl::StatusOr<AtomicFile>> Create(std::string path, AtomicFileOptions options = {});

  // The temporary, open for reading and writing, empty at first. In messages it has its own name.
  File& file() { return file_; }
  // Makes the temporary the file of the given path, and closes it. On an error the temporary is
  // gone, and the file by that name is the old one, except when only the last step, syncing the
  // directory, has failed: then it is the new one, and a power cut may bring the old one back.
  Task<absl::Status> Commit();

  const std::string& path() const { return path_; }
  bool valid() const { return temporary_ != nullptr; }

 private:
  void Swap(AtomicFile& other) {
    std::swap(path_, other.path_);
    std::swap(name_, other.name_);
    std::swap(durable_, other.durable_);
    std::swap(permissions_, other.permissions_);
    std::swap(file_, other.file_);
    std::swap(temporary_, other.temporary_);
  }
  // Those that the new file is to get; none when it is made with the default ones.
  static Task<absl::StatusOr<std::optional<uint32_t>>> FindPermissions(
      const io::PathAt& target, std::optional<uint32_t> wanted);

  std::string path_;
  std::string name_;  // the last part of it
  bool durable_ = true;
  std::optional<uint32_t> permissions_;  // to be set at the end
  File file_;
  io::TemporaryName* temporary_ = nullptr;
};

// Replaces the file `path` by one that holds `bytes`, as AtomicFile does. `bytes` must live until
// the await returns.
Task<absl::Status> ReplaceFile(std::string path, std::string_view bytes,
                               AtomicFileOptions options = {});

}  // namespace pelton

#endif  // PELTON_IO_FILE_ATOMIC_FILE_H_
