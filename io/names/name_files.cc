#include "io/names/name_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"

namespace pelton::io {
namespace {

constexpr off_t kMostBytes = off_t{4} << 20;

int64_t Nanoseconds(const timespec& time) {
  constexpr int64_t kSecond = 1'000'000'000;
  return time.tv_sec * kSecond + time.tv_nsec;
}

FileVersion VersionOf(const struct stat& status) {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .bytes = status.st_size,
          .modified_ns = Nanoseconds(status.st_mtim),
          .changed_ns = Nanoseconds(status.st_ctim)};
}

absl::StatusOr<std::string> ReadAll(int fd, const std::string& path) {
  std::string text;
  char buffer[16 * 1024];
  while (true) {
    const ssize_t count = ::read(fd, buffer, sizeof(buffer));
    if (count == 0) return text;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoToStatus(errno, "read", path);
    text.append(buffer, static_cast<size_t>(count));
    if (text.size() > static_cast<size_t>(kMostBytes)) {
      return absl::ResourceExhaustedError(
          absl::StrCat("read ", path, ": more than ", kMostBytes, " bytes"));
    }
  }
}

// The text of the file when it is another one than `version`; none when it is the same.
absl::StatusOr<std::optional<std::string>> ReadIfChanged(const std::string& path,
                                                         std::optional<FileVersion>& version) {
  if (path.empty()) {
    return std::exchange(version, FileVersion()).has_value() ? std::nullopt
                                                             : std::optional<std::string>("");
  }
  // Only a regular file is opened: a pipe would never end.
  struct stat status = {};
  const int found = ::stat(path.c_str(), &status);
  if (found != 0 && errno != ENOENT && errno != ENOTDIR) return ErrnoToStatus(errno, "stat", path);
  const FileVersion now = found == 0 ? VersionOf(status) : FileVersion();
  if (version == now) return std::nullopt;
  if (found != 0) {
    version = now;
    return std::optional<std::string>("");
  }
  if (!S_ISREG(status.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat("read ", path, ": not a regular file"));
  }
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return ErrnoToStatus(errno, "open", path);
  // Of the file that is read, should another one have taken its place.
  FileVersion read_version = now;
  if (::fstat(fd, &status) == 0) read_version = VersionOf(status);
  absl::StatusOr<std::string> text = ReadAll(fd, path);
  ::close(fd);
  if (!text.ok()) return text.status();
  version = read_version;
  return *std::move(text);
}

}  // namespace

void LoadNameFiles(NameFilesJob& job) {
  absl::StatusOr<std::optional<std::string>> conf =
      ReadIfChanged(job.resolv_conf_path, job.resolv_conf_version);
  if (conf.ok() && conf->has_value()) job.resolv_conf = ParseResolvConf(**conf);
  absl::StatusOr<std::optional<std::string>> hosts =
      ReadIfChanged(job.hosts_path, job.hosts_version);
  if (hosts.ok() && hosts->has_value()) job.hosts = HostsTable::Parse(**hosts);
  job.status = conf.ok() ? hosts.status() : conf.status();
}

}  // namespace pelton::io
