#include "io/file/atomic_file.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/file/path_calls.h"

namespace pelton {
namespace {

// A path, taken apart at its last slash.
struct SplitPath {
  std::string directory;
  std::string name;
};

SplitPath Split(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {.directory = ".", .name = path};
  return {.directory = slash == 0 ? "/" : path.substr(0, slash), .name = path.substr(slash + 1)};
}

// The name of a temporary file for `name`, within what file systems take.
std::string TemporaryFor(const std::string& name) {
  constexpr size_t kLongestPart = 200;  // of at most 255
  return absl::StrCat(".", name.substr(0, kLongestPart), ".", io::RandomLetters(), ".tmp");
}

}  // namespace

Task<absl::StatusOr<AtomicFile>> AtomicFile::Create(std::string path, AtomicFileOptions options) {
  PELTON_CO_RETURN_IF_ERROR(io::CheckPath(path));
  SplitPath parts = Split(path);
  if (parts.name.empty() || parts.name == "." || parts.name == "..") {
    co_return ErrnoToStatus(EISDIR, "replace", path);
  }
  AtomicFile made;
  made.path_ = std::move(path);
  made.name_ = std::move(parts.name);
  made.durable_ = options.durable;
  PELTON_CO_ASSIGN_OR_RETURN(
      File directory,
      co_await io::OpenDirectoryAt(io::FromCurrentDirectory(std::move(parts.directory)),
                                   /*follow_links=*/true));
  const io::PathAt target = {
      .directory = directory.descriptor(), .name = made.name_, .shown = made.path_};
  PELTON_CO_ASSIGN_OR_RETURN(made.permissions_,
                             co_await FindPermissions(target, options.permissions));
  // Until the end nobody else may look at what will perhaps be for few eyes.
  const uint32_t first_permissions = made.permissions_.has_value() ? 0600 : 0666;
  constexpr int kMostAttempts = 100;
  for (int attempt = 1;; ++attempt) {
    std::string name = TemporaryFor(made.name_);
    io::PathAt temporary = {.directory = directory.descriptor(),
                            .name = name,
                            .shown = absl::StrCat(directory.path(), "/", name)};
    absl::StatusOr<File> file =
        co_await io::OpenAt(std::move(temporary), {.access = FileAccess::kReadWrite,
                                                   .creation = FileCreation::kMustBeNew,
                                                   .permissions = first_permissions});
    if (file.ok()) {
      made.file_ = *std::move(file);
      made.temporary_ = new io::TemporaryName(std::move(directory), std::move(name));
      co_return std::move(made);
    }
    if (GetErrno(file.status()) != EEXIST || attempt == kMostAttempts) co_return file.status();
  }
}

Task<absl::StatusOr<std::optional<uint32_t>>> AtomicFile::FindPermissions(
    const io::PathAt& target, std::optional<uint32_t> wanted) {
  const absl::StatusOr<FileStatus> status = co_await io::StatAt(target, /*follow_links=*/false);
  const bool missing = GetErrno(status.status()) == ENOENT;
  if (!status.ok() && !missing) co_return status.status();
  if (status.ok() && status->is_directory()) {
    co_return ErrnoToStatus(EISDIR, "replace", target.shown);
  }
  if (wanted.has_value() || missing || !status->is_regular()) co_return wanted;
  co_return status->permissions;
}

Task<absl::Status> AtomicFile::Commit() {
  // Whatever ends this, the temporary does not stay.
  AtomicFile self = std::move(*this);
  path_ = self.path_;
  if (self.permissions_.has_value()) {
    PELTON_CO_RETURN_IF_ERROR(co_await self.file_.SetPermissions(*self.permissions_));
  }
  if (self.durable_) PELTON_CO_RETURN_IF_ERROR(co_await self.file_.Sync());
  PELTON_CO_RETURN_IF_ERROR(co_await self.file_.Close());
  const io::PathAt target = {.directory = self.temporary_->directory().descriptor(),
                             .name = self.name_,
                             .shown = self.path_};
  PELTON_CO_RETURN_IF_ERROR(
      co_await io::RenameAt(self.temporary_->path(), target, RenameMode::kReplace));
  File directory = std::exchange(self.temporary_, nullptr)->Keep();
  if (self.durable_) PELTON_CO_RETURN_IF_ERROR(co_await directory.Sync());
  co_return absl::OkStatus();
}

Task<absl::Status> ReplaceFile(std::string path, std::string_view bytes,
                               AtomicFileOptions options) {
  PELTON_CO_ASSIGN_OR_RETURN(AtomicFile file,
                             co_await AtomicFile::Create(std::move(path), options));
  PELTON_CO_RETURN_IF_ERROR(co_await file.file().WriteAll(bytes, 0));
  co_return co_await file.Commit();
}

}  // namespace pelton
