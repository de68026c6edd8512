#include "io/file/directory.h"

#include <linux/openat2.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"

namespace pelton {
namespace {

constexpr uint64_t kBeneath = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;

}  // namespace

Task<absl::StatusOr<Directory>> Directory::Open(std::string path) {
  PELTON_CO_ASSIGN_OR_RETURN(File file,
                             co_await io::OpenDirectoryAt(io::FromCurrentDirectory(std::move(path)),
                                                          /*follow_links=*/true));
  co_return Directory(std::move(file));
}

io::PathAt Directory::At(std::string path) const {
  std::string shown = absl::StrCat(this->path(), "/", path);
  return {.directory = descriptor(), .name = std::move(path), .shown = std::move(shown)};
}

Task<absl::StatusOr<Directory::Place>> Directory::Find(std::string path) {
  // The kernel ignores slashes at the end of a directory's name.
  // pelton: bounded: by the length of a path
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const std::string above = slash == std::string::npos ? std::string() : path.substr(0, slash);
  // What stands before a leading slash is the root: not here. The directory itself has no name
  // here, and what is above it is not for this.
  if (slash == 0 || name == ".." || name == ".") {
    co_return ErrnoToStatus(EXDEV, "look up", At(path).shown);
  }
  Place place = {.parent = File(), .at = At(path)};
  place.at.name = std::move(name);
  if (!above.empty()) {
    PELTON_CO_ASSIGN_OR_RETURN(
        place.parent, co_await io::OpenDirectoryAt(At(above), /*follow_links=*/true, kBeneath));
    place.at.directory = place.parent.descriptor();
  }
  co_return std::move(place);
}

Task<absl::StatusOr<File>> Directory::OpenFile(std::string path, OpenOptions options) {
  return io::OpenAt(At(std::move(path)), options, kBeneath);
}

Task<absl::StatusOr<Directory>> Directory::OpenDirectory(std::string path) {
  PELTON_CO_ASSIGN_OR_RETURN(File file, co_await io::OpenDirectoryAt(
                                            At(std::move(path)), /*follow_links=*/true, kBeneath));
  co_return Directory(std::move(file));
}

Task<absl::Status> Directory::Rename(std::string from, std::string to, RenameMode mode) {
  PELTON_CO_ASSIGN_OR_RETURN(const Place source, co_await Find(std::move(from)));
  PELTON_CO_ASSIGN_OR_RETURN(const Place target, co_await Find(std::move(to)));
  co_return co_await io::RenameAt(source.at, target.at, mode);
}

Task<absl::Status> Directory::Unlink(std::string path) {
  PELTON_CO_ASSIGN_OR_RETURN(const Place place, co_await Find(std::move(path)));
  co_return co_await io::UnlinkAt(place.at);
}

Task<absl::Status> Directory::MakeDirectory(std::string path, uint32_t permissions) {
  PELTON_CO_ASSIGN_OR_RETURN(const Place place, co_await Find(std::move(path)));
  co_return co_await io::MakeDirectoryAt(place.at, permissions);
}

Task<absl::Status> Directory::RemoveDirectory(std::string path) {
  PELTON_CO_ASSIGN_OR_RETURN(const Place place, co_await Find(std::move(path)));
  co_return co_await io::RemoveDirectoryAt(place.at);
}

Task<absl::Status> Directory::RemoveTree(std::string path) {
  PELTON_CO_ASSIGN_OR_RETURN(const Place place, co_await Find(std::move(path)));
  co_return co_await io::RemoveTreeAt(place.at);
}

Task<absl::StatusOr<FileStatus>> Directory::Stat(std::string path) {
  PELTON_CO_ASSIGN_OR_RETURN(const Place place, co_await Find(std::move(path)));
  co_return co_await io::StatAt(place.at, /*follow_links=*/false);
}

}  // namespace pelton
