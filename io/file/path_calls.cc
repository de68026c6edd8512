#include "io/file/path_calls.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"
#include "io/file/file.h"
#include "io/file/read_directory.h"
#include "sched/scheduler.h"

namespace pelton::io {
namespace {

absl::Status StatusOfResult(int result, std::string_view operation, std::string_view subject) {
  if (result >= 0) [[likely]]
    return absl::OkStatus();
  return FileError(result, operation, subject);
}

// The same for an operation on two paths.
absl::Status StatusOfPair(int result, std::string_view operation, const PathAt& from,
                          const PathAt& to) {
  if (result >= 0) [[likely]]
    return absl::OkStatus();
  return FileError(result, operation, absl::StrCat(from.shown, " to ", to.shown));
}

uint32_t FlagsOf(RenameMode mode) {
  switch (mode) {
    case RenameMode::kReplace:
      return 0;
    case RenameMode::kNoReplace:
      return RENAME_NOREPLACE;
    case RenameMode::kExchange:
      return RENAME_EXCHANGE;
  }
  PELTON_FATAL() << "unknown mode of renaming";
}

bool IsMissing(const absl::Status& status) { return GetErrno(status) == ENOENT; }

Task<absl::Status> EmptyDirectory(File& directory);

// Removes one entry of a directory, whatever it is.
Task<absl::Status> RemoveEntry(PathAt path, FileType type) {
  if (type != FileType::kDirectory) {
    const absl::Status unlinked = co_await UnlinkAt(path);
    // EISDIR: somebody exchanged it, or the listing did not know its type.
    if (unlinked.ok() || IsMissing(unlinked)) co_return absl::OkStatus();
    if (GetErrno(unlinked) != EISDIR) co_return unlinked;
  }
  absl::StatusOr<File> directory = co_await OpenDirectoryAt(path, /*follow_links=*/false);
  if (IsMissing(directory.status())) co_return absl::OkStatus();
  const int error = GetErrno(directory.status());
  if (error == ELOOP || error == ENOTDIR) co_return co_await UnlinkAt(std::move(path));
  PELTON_CO_RETURN_IF_ERROR(directory.status());
  PELTON_CO_RETURN_IF_ERROR(co_await EmptyDirectory(*directory));
  const absl::Status removed = co_await RemoveDirectoryAt(std::move(path));
  co_return IsMissing(removed) ? absl::OkStatus() : removed;
}

// Removes everything below an open directory. Listings may miss entries while others are removed,
// so it looks again until it finds none.
Task<absl::Status> EmptyDirectory(File& directory) {
  for (bool found = true; found;) {
    found = false;
    AsyncGenerator<absl::StatusOr<DirectoryEntry>> entries = ReadOpenDirectory(directory);
    while (const auto* entry = co_await entries.Next()) {
      PELTON_CO_RETURN_IF_ERROR(entry->status());
      found = true;
      PathAt path = {.directory = directory.descriptor(),
                     .name = std::string((*entry)->name),
                     .shown = absl::StrCat(directory.path(), "/", ToAbsl((*entry)->name))};
      PELTON_CO_RETURN_IF_ERROR(co_await RemoveEntry(std::move(path), (*entry)->type));
    }
  }
  co_return absl::OkStatus();
}

}  // namespace

Task<absl::Status> RenameAt(PathAt from, PathAt to, RenameMode mode) {
  PELTON_CO_RETURN_IF_ERROR(CheckPath(from.name));
  PELTON_CO_RETURN_IF_ERROR(CheckPath(to.name));
  const int result =
      co_await PathAwaiter(OperationKind::kRename, from, to).WithFlags(FlagsOf(mode));
  co_return StatusOfPair(result, "rename", from, to);
}

Task<absl::Status> LinkAt(PathAt existing, PathAt name) {
  PELTON_CO_RETURN_IF_ERROR(CheckPath(existing.name));
  PELTON_CO_RETURN_IF_ERROR(CheckPath(name.name));
  const int result = co_await PathAwaiter(OperationKind::kLink, existing, name);
  co_return StatusOfPair(result, "link", existing, name);
}

Task<absl::Status> SymbolicLinkAt(std::string target, PathAt name) {
  PELTON_CO_RETURN_IF_ERROR(CheckPath(target));
  PELTON_CO_RETURN_IF_ERROR(CheckPath(name.name));
  const PathAt text = FromCurrentDirectory(std::move(target));
  const int result = co_await PathAwaiter(OperationKind::kSymbolicLink, text, name);
  co_return StatusOfPair(result, "symbolic link from", name, text);
}

Task<absl::StatusOr<std::string>> ReadLinkAt(PathAt path) {
  PELTON_CO_RETURN_IF_ERROR(CheckPath(path.name));
  std::string target(PATH_MAX, '\0');
  const int result = co_await FileCallAwaiter([&path, &target] {
    const ssize_t count =
        ::readlinkat(path.directory, path.name.c_str(), target.data(), target.size());
    return count >= 0 ? static_cast<int>(count) : -errno;
  });
  if (result < 0) co_return FileError(result, "read link", path.shown);
  target.resize(static_cast<size_t>(result));
  target.shrink_to_fit();
  co_return target;
}

Task<absl::Status> UnlinkAt(PathAt path) {
  PELTON_CO_RETURN_IF_ERROR(CheckPath(path.name));
  co_return StatusOfResult(co_await PathAwaiter(OperationKind::kUnlink, path), "unlink",
                           path.shown);
}

Task<absl::Status> MakeDirectoryAt(PathAt path, uint32_t permissions) {
  PELTON_CO_RETURN_IF_ERROR(CheckPath(path.name));
  const int result =
      co_await PathAwaiter(OperationKind::kMakeDirectory, path).WithLength(permissions);
  co_return StatusOfResult(result, "make directory", path.shown);
}

Task<absl::Status> RemoveDirectoryAt(PathAt path) {
  PELTON_CO_RETURN_IF_ERROR(CheckPath(path.name));
  const int result = co_await PathAwaiter(OperationKind::kUnlink, path).WithFlags(AT_REMOVEDIR);
  co_return StatusOfResult(result, "remove directory", path.shown);
}

Task<absl::Status> RemoveTreeAt(PathAt path) {
  PELTON_CO_RETURN_IF_ERROR(CheckPath(path.name));
  co_return co_await RemoveEntry(std::move(path), FileType::kUnknown);
}

Task<absl::StatusOr<FileStatus>> StatAt(PathAt path, bool follow_links) {
  PELTON_CO_RETURN_IF_ERROR(CheckPath(path.name));
  struct statx status = {};
  const int result = co_await PathAwaiter(OperationKind::kStat, path)
                         .WithFlags(follow_links ? 0 : AT_SYMLINK_NOFOLLOW)
                         .WithLength(kStatusMask)
                         .WithSecondAddress(&status);
  if (result < 0) co_return FileError(result, "stat", path.shown);
  co_return MakeFileStatus(status);
}

std::string RandomLetters() {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string letters(8, '\0');
  for (char& letter : letters) {
    letter = kLetters[Scheduler::Current()->random().Below(kLetters.size())];
  }
  return letters;
}

}  // namespace pelton::io
