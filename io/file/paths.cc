#include "io/file/paths.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/file/directory.h"
#include "io/file/path_calls.h"

namespace pelton {

using io::FromCurrentDirectory;

Task<absl::Status> Rename(std::string from, std::string to, RenameMode mode) {
  return io::RenameAt(FromCurrentDirectory(std::move(from)), FromCurrentDirectory(std::move(to)),
                      mode);
}

Task<absl::Status> Link(std::string existing, std::string name) {
  return io::LinkAt(FromCurrentDirectory(std::move(existing)),
                    FromCurrentDirectory(std::move(name)));
}

Task<absl::Status> SymbolicLink(std::string target, std::string name) {
  return io::SymbolicLinkAt(std::move(target), FromCurrentDirectory(std::move(name)));
}

Task<absl::StatusOr<std::string>> ReadLink(std::string path) {
  return io::ReadLinkAt(FromCurrentDirectory(std::move(path)));
}

Task<absl::Status> Unlink(std::string path) {
  return io::UnlinkAt(FromCurrentDirectory(std::move(path)));
}

Task<absl::Status> MakeDirectory(std::string path, uint32_t permissions) {
  return io::MakeDirectoryAt(FromCurrentDirectory(std::move(path)), permissions);
}

Task<absl::Status> MakeDirectories(std::string path, uint32_t permissions) {
  absl::Status made = co_await MakeDirectory(path, permissions);
  // From the top, when some are missing.
  for (size_t slash = path.find('/', 1); GetErrno(made) == ENOENT && slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const absl::Status above = co_await MakeDirectory(path.substr(0, slash), permissions);
    if (!above.ok() && GetErrno(above) != EEXIST) co_return above;
    if (path.find('/', slash + 1) == std::string::npos) {
      made = co_await MakeDirectory(path, permissions);
    }
  }
  if (GetErrno(made) != EEXIST) co_return made;
  PELTON_CO_ASSIGN_OR_RETURN(const FileStatus status, co_await Stat(path));
  co_return status.is_directory() ? absl::OkStatus() : made;
}

Task<absl::Status> RemoveDirectory(std::string path) {
  return io::RemoveDirectoryAt(FromCurrentDirectory(std::move(path)));
}

Task<absl::Status> RemoveTree(std::string path) {
  return io::RemoveTreeAt(FromCurrentDirectory(std::move(path)));
}

Task<absl::Status> SyncDirectory(std::string path) {
  PELTON_CO_ASSIGN_OR_RETURN(Directory directory, co_await Directory::Open(std::move(path)));
  co_return co_await directory.Sync();
}

Task<absl::StatusOr<FileStatus>> Stat(std::string path) {
  return io::StatAt(FromCurrentDirectory(std::move(path)), /*follow_links=*/true);
}

Task<absl::StatusOr<FileStatus>> StatLink(std::string path) {
  return io::StatAt(FromCurrentDirectory(std::move(path)), /*follow_links=*/false);
}

Task<absl::StatusOr<bool>> Exists(std::string path) {
  const absl::StatusOr<FileStatus> status = co_await Stat(std::move(path));
  if (status.ok()) co_return true;
  const int error = GetErrno(status.status());
  if (error == ENOENT || error == ENOTDIR) co_return false;
  co_return status.status();
}

Task<absl::StatusOr<std::string>> MakeTemporaryDirectory(std::string prefix) {
  constexpr int kMostAttempts = 100;
  absl::Status made;
  for (int i = 0; i < kMostAttempts; ++i) {
    std::string path = absl::StrCat(prefix, io::RandomLetters());
    made = co_await MakeDirectory(path, 0700);
    if (made.ok()) co_return path;
    if (GetErrno(made) != EEXIST) break;
  }
  co_return made;
}

}  // namespace pelton
