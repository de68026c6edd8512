#include "io/file/file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/status.h"

namespace pelton {
namespace io {
namespace {

// The most bytes of one operation, so that counts fit in an int.
constexpr size_t kMostBytes = size_t{1} << 30;

uint32_t LengthOf(size_t bytes) { return static_cast<uint32_t>(std::min(bytes, kMostBytes)); }

Task<absl::StatusOr<File>> OpenWith(PathAt path, open_how how) {
  PELTON_CO_RETURN_IF_ERROR(CheckPath(path.name));
  // The kernel gives a lookup that must not leave a directory up when something is renamed
  // meanwhile.
  const int most_attempts = how.resolve != 0 ? 32 : 1;
  int result = -EAGAIN;
  for (int i = 0; i < most_attempts && result == -EAGAIN; ++i) {
    result = co_await PathAwaiter(OperationKind::kOpen, path).WithSecondAddress(&how);
  }
  if (result < 0) co_return FileError(result, "open", path.shown);
  // Whatever the task was told meanwhile: the record keeps the descriptor from being lost.
  co_return File(new FileRecord(result, std::move(path.shown), (how.flags & O_APPEND) != 0));
}

}  // namespace

Task<absl::StatusOr<File>> OpenAt(PathAt path, OpenOptions options, uint64_t resolve_flags) {
  PELTON_CO_ASSIGN_OR_RETURN(const uint64_t flags, OpenFlags(options));
  open_how how = {};
  how.flags = flags;
  how.mode = (flags & O_CREAT) != 0 ? options.permissions : 0;
  how.resolve = resolve_flags;
  co_return co_await OpenWith(std::move(path), how);
}

Task<absl::StatusOr<File>> OpenDirectoryAt(PathAt path, bool follow_links, uint64_t resolve_flags) {
  open_how how = {};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow_links ? 0u : O_NOFOLLOW);
  how.resolve = resolve_flags;
  return OpenWith(std::move(path), how);
}

FileReadAwaiter::FileReadAwaiter(FileRecord& record, std::span<char> target, uint64_t offset)
    : RecordAwaiter(OperationKind::kRead, record) {
  Operation::address = target.data();
  Operation::length = LengthOf(target.size());
  FileOperation::offset = offset;
}

bool FileReadAwaiter::TryCache() {
  if (!record().tries_cache()) return false;
  const iovec vector = {Operation::address, Operation::length};
  const ssize_t count = ::preadv2(Operation::descriptor, &vector, 1,
                                  static_cast<off_t>(FileOperation::offset), RWF_NOWAIT);
  // 0 may come too early: Linux 5.9 and 5.10 say so of bytes that are on their way to the cache.
  if (count > 0 || (count == 0 && Operation::length == 0)) {
    set_result(static_cast<int>(count));
    return true;
  }
  if (count < 0 && errno != EAGAIN && errno != EINTR) record().StopTryingCache();
  return false;
}

absl::StatusOr<size_t> FileReadAwaiter::await_resume() const {
  if (result() >= 0) [[likely]]
    return static_cast<size_t>(result());
  return record().Error(result(), "read from");
}

FileWriteAwaiter::FileWriteAwaiter(FileRecord& record, std::string_view bytes, uint64_t offset)
    : RecordAwaiter(OperationKind::kWrite, record) {
  Operation::address = const_cast<char*>(bytes.data());
  Operation::length = LengthOf(bytes.size());
  FileOperation::offset = offset;
}

absl::StatusOr<size_t> FileWriteAwaiter::await_resume() const {
  if (result() >= 0) [[likely]]
    return static_cast<size_t>(result());
  return record().Error(result(), "write to");
}

FileVectorAwaiter::FileVectorAwaiter(OperationKind kind, FileRecord& record, size_t pieces,
                                     uint64_t offset)
    : RecordAwaiter(kind, record) {
  PELTON_CHECK(pieces <= vectors_.size()) << pieces << " pieces; at most " << vectors_.size();
  Operation::address = vectors_.data();
  Operation::length = static_cast<uint32_t>(pieces);
  FileOperation::offset = offset;
}

FileVectorAwaiter::FileVectorAwaiter(FileRecord& record, std::span<const std::span<char>> targets,
                                     uint64_t offset)
    : FileVectorAwaiter(OperationKind::kReadVector, record, targets.size(), offset) {
  for (size_t i = 0; i < targets.size(); ++i) {
    vectors_[i] = {.iov_base = targets[i].data(), .iov_len = LengthOf(targets[i].size())};
  }
}

FileVectorAwaiter::FileVectorAwaiter(FileRecord& record, std::span<const std::string_view> pieces,
                                     uint64_t offset)
    : FileVectorAwaiter(OperationKind::kWriteVector, record, pieces.size(), offset) {
  for (size_t i = 0; i < pieces.size(); ++i) {
    vectors_[i] = {.iov_base = const_cast<char*>(pieces[i].data()),
                   .iov_len = LengthOf(pieces[i].size())};
  }
}

absl::StatusOr<size_t> FileVectorAwaiter::await_resume() const {
  if (result() >= 0) [[likely]]
    return static_cast<size_t>(result());
  return record().Error(result(), kind == OperationKind::kReadVector ? "read from" : "write to");
}

FileControlAwaiter::FileControlAwaiter(OperationKind kind, FileRecord& record, const char* name,
                                       const Arguments& arguments)
    : RecordAwaiter(kind, record), name_(name) {
  FileOperation::offset = arguments.offset;
  FileOperation::second_offset = arguments.second_offset;
  Operation::length = arguments.length;
  FileOperation::flags = arguments.flags;
}

}  // namespace io

namespace {

// How much ReadExactly() and WriteAll() move at a time: so that other tasks, and a cancellation, get
// their turn.
constexpr size_t kStepBytes = size_t{1} << 20;

using io::FileControlAwaiter;
using io::FileOperation;
using io::OperationKind;

int AdviceOf(FileAdvice advice) {
  switch (advice) {
    case FileAdvice::kNormal:
      return POSIX_FADV_NORMAL;
    case FileAdvice::kSequential:
      return POSIX_FADV_SEQUENTIAL;
    case FileAdvice::kRandom:
      return POSIX_FADV_RANDOM;
    case FileAdvice::kWillNeed:
      return POSIX_FADV_WILLNEED;
    case FileAdvice::kDontNeed:
      return POSIX_FADV_DONTNEED;
  }
  PELTON_FATAL() << "unknown advice";
}

FileControlAwaiter AllocateWith(io::FileRecord& record, const char* name, FileRange range,
                                uint32_t mode) {
  return {OperationKind::kAllocate,
          record,
          name,
          {.offset = range.offset, .second_offset = range.length, .flags = mode}};
}

Task<absl::Status> WriteSteps(io::FileRecord& record, std::string_view bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const std::string_view step = bytes.substr(0, kStepBytes);
    PELTON_CO_ASSIGN_OR_RETURN(const size_t count,
                               co_await io::FileWriteAwaiter(record, step, offset));
    // Never for a file; not an endless loop for whatever else it is.
    if (count == 0) co_return ErrnoToStatus(EIO, "write to", record.path());
    bytes.remove_prefix(count);
    if (offset != FileOperation::kNoOffset) offset += count;
  }
  co_return absl::OkStatus();
}

}  // namespace

Task<absl::StatusOr<File>> File::Open(std::string path, OpenOptions options) {
  return io::OpenAt(io::FromCurrentDirectory(std::move(path)), options, 0);
}

io::FileVectorAwaiter File::ReadVectorAt(std::span<const std::span<char>> targets,
                                         uint64_t offset) {
  return {*record_, targets, offset};
}

io::FileVectorAwaiter File::WriteVectorAt(std::span<const std::string_view> pieces,
                                          uint64_t offset) {
  return {*record_, pieces, offset};
}

Task<absl::Status> File::ReadExactly(std::span<char> target, uint64_t offset) {
  size_t filled = 0;
  while (filled < target.size()) {
    const size_t step = std::min(target.size() - filled, kStepBytes);
    PELTON_CO_ASSIGN_OR_RETURN(const size_t count,
                               co_await ReadAt(target.subspan(filled, step), offset + filled));
    if (count == 0) {
      co_return absl::OutOfRangeError(absl::StrCat("read from ", path(), ": the file ends at byte ",
                                                   offset + filled, ", ", target.size() - filled,
                                                   " bytes early"));
    }
    filled += count;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> File::WriteAll(std::string_view bytes, uint64_t offset) {
  return WriteSteps(*record_, bytes, offset);
}

Task<absl::Status> File::WriteAll(std::string_view bytes) {
  return WriteSteps(*record_, bytes, FileOperation::kNoOffset);
}

FileControlAwaiter File::Sync() { return {OperationKind::kSync, *record_, "sync", {}}; }

FileControlAwaiter File::SyncData() {
  return {OperationKind::kSync, *record_, "sync data of", {.flags = FileOperation::kDataOnly}};
}

FileControlAwaiter File::Allocate(FileRange range) {
  return AllocateWith(*record_, "allocate space of", range, 0);
}

FileControlAwaiter File::Reserve(FileRange range) {
  return AllocateWith(*record_, "reserve space of", range, FALLOC_FL_KEEP_SIZE);
}

FileControlAwaiter File::PunchHole(FileRange range) {
  return AllocateWith(*record_, "punch a hole into", range,
                      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

FileControlAwaiter File::Truncate(uint64_t size_bytes) {
  return {OperationKind::kTruncate, *record_, "truncate", {.offset = size_bytes}};
}

FileControlAwaiter File::Advise(FileRange range, FileAdvice advice) {
  const bool fits = range.length <= std::numeric_limits<uint32_t>::max();
  return {OperationKind::kAdvise,
          *record_,
          "advise on",
          {.offset = range.offset,
           .length = fits ? static_cast<uint32_t>(range.length) : 0,
           .flags = static_cast<uint32_t>(AdviceOf(advice))}};
}

Task<absl::StatusOr<FileStatus>> File::Stat() {
  struct statx status = {};
  const io::PathAt self = {.directory = descriptor(), .name = "", .shown = ""};
  const io::RecordUse use(*record_);
  const int result = co_await io::PathAwaiter(OperationKind::kStat, self)
                         .WithFlags(AT_EMPTY_PATH)
                         .WithLength(io::kStatusMask)
                         .WithSecondAddress(&status);
  if (result < 0) co_return record_->Error(result, "stat");
  co_return io::MakeFileStatus(status);
}

Task<absl::Status> File::SetPermissions(uint32_t permissions) {
  const io::RecordUse use(*record_);
  const int fd = descriptor();
  const int result = co_await io::FileCallAwaiter(
      [fd, permissions] { return ::fchmod(fd, permissions) == 0 ? 0 : -errno; });
  if (result < 0) co_return record_->Error(result, "set permissions of");
  co_return absl::OkStatus();
}

Task<absl::Status> File::Close() {
  const std::string path = record_->path();
  const int result = co_await io::CloseAwaiter(*std::exchange(record_, nullptr));
  if (result < 0) co_return ErrnoToStatus(-result, "close", path);
  co_return absl::OkStatus();
}

}  // namespace pelton
