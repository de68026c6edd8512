#include "io/file/copy_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/file/atomic_file.h"
#include "io/file/file.h"

namespace pelton {
namespace {

// Copies the bytes of one file to another, a step at a time, on a thread that may block. Returns
// bytes or negative errno.
class FileCopier {
 public:
  FileCopier(int from, int to, uint64_t bytes)
      : from_(from),
        to_(to),
        // Files that do not tell their size, as in /proc, are only to be read to their end.
        knows_size_(bytes > 0),
        bytes_(bytes),
        in_kernel_(knows_size_) {}

  // Returns 1 when there may be more, 0 at the end, or a negative errno.
  int Step();

  // Up to where the file is copied; holes at the end included.
  uint64_t position() const { return position_; }

 private:
  static constexpr size_t kStepBytes = size_t{8} << 20;
  static constexpr size_t kBufferBytes = 256 * 1024;

  // The bytes from position_ on that are no hole and that one step copies; skips the hole before
  // them.
  int64_t NextData();
  int64_t CopyInKernel(size_t bytes);
  int64_t CopyThroughBuffer(size_t bytes);

  const int from_;
  const int to_;
  const bool knows_size_;
  const uint64_t bytes_;
  bool in_kernel_;
  uint64_t position_ = 0;
  std::unique_ptr<char[]> buffer_;
};

int64_t FileCopier::NextData() {
  if (!knows_size_) return kStepBytes;
  if (position_ >= bytes_) return 0;
  const off_t data = ::lseek(from_, static_cast<off_t>(position_), SEEK_DATA);
  if (data < 0 && errno == ENXIO) {
    position_ = bytes_;  // a hole to the end
    return 0;
  }
  uint64_t end = bytes_;
  // File systems that do not tell have none.
  if (data >= 0) {
    position_ = std::min(static_cast<uint64_t>(data), bytes_);
    const off_t hole = ::lseek(from_, data, SEEK_HOLE);
    if (hole >= 0) end = std::min(end, static_cast<uint64_t>(hole));
  }
  return static_cast<int64_t>(std::min<uint64_t>(end - std::min(end, position_), kStepBytes));
}

int64_t FileCopier::CopyInKernel(size_t bytes) {
  loff_t from = static_cast<loff_t>(position_);
  loff_t to = from;
  const ssize_t count = ::copy_file_range(from_, &from, to_, &to, bytes, 0);
  return count >= 0 ? count : -errno;
}

int64_t FileCopier::CopyThroughBuffer(size_t bytes) {
  if (buffer_ == nullptr) buffer_ = std::make_unique_for_overwrite<char[]>(kBufferBytes);
  size_t copied = 0;
  while (copied < bytes) {
    const ssize_t count = ::pread(from_, buffer_.get(), std::min(bytes - copied, kBufferBytes),
                                  static_cast<off_t>(position_ + copied));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    if (count == 0) break;
    size_t written = 0;
    while (written < static_cast<size_t>(count)) {
      const ssize_t now =
          ::pwrite(to_, buffer_.get() + written, static_cast<size_t>(count) - written,
                   static_cast<off_t>(position_ + copied + written));
      if (now < 0 && errno == EINTR) continue;
      if (now <= 0) return now < 0 ? -errno : -EIO;
      written += static_cast<size_t>(now);
    }
    copied += static_cast<size_t>(count);
  }
  return static_cast<int64_t>(copied);
}

int FileCopier::Step() {
  const int64_t bytes = NextData();
  if (bytes <= 0) return static_cast<int>(bytes);
  int64_t count = -EINTR;
  while (in_kernel_ && count == -EINTR) count = CopyInKernel(static_cast<size_t>(bytes));
  if (in_kernel_ && (count == -EXDEV || count == -EINVAL || count == -EOPNOTSUPP ||
                     count == -ENOSYS || count == -EPERM)) {
    in_kernel_ = false;
  }
  if (!in_kernel_) count = CopyThroughBuffer(static_cast<size_t>(bytes));
  if (count <= 0) return static_cast<int>(count);
  position_ += static_cast<uint64_t>(count);
  return 1;
}

}  // namespace

Task<absl::Status> CopyFile(std::string from, std::string to, CopyFileOptions options) {
  PELTON_CO_ASSIGN_OR_RETURN(File source, co_await File::Open(std::move(from)));
  PELTON_CO_ASSIGN_OR_RETURN(const FileStatus status, co_await source.Stat());
  if (!status.is_regular()) {
    co_return absl::InvalidArgumentError(
        absl::StrCat("copy ", source.path(), ": it is no regular file"));
  }
  PELTON_CO_ASSIGN_OR_RETURN(
      AtomicFile target,
      co_await AtomicFile::Create(std::move(to),
                                  {.durable = options.durable, .permissions = status.permissions}));
  FileCopier copier(source.descriptor(), target.file().descriptor(), status.size_bytes);
  for (int result = 1; result > 0;) {
    result = co_await io::FileCallAwaiter([&copier] { return copier.Step(); });
    if (result < 0) {
      co_return io::FileError(result, "copy", absl::StrCat(source.path(), " to ", target.path()));
    }
    if (options.progress != nullptr) {
      options.progress(options.progress_argument, copier.position(), status.size_bytes);
    }
  }
  // A hole at the end was not written.
  PELTON_CO_RETURN_IF_ERROR(co_await target.file().Truncate(copier.position()));
  co_return co_await target.Commit();
}

}  // namespace pelton
