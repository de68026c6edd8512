// File: an open file, for positioned and sequential reads and writes through the page cache.
//
//   PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open("/var/lib/x/log", {.access = FileAccess::kReadWrite}));
//   PELTON_CO_RETURN_IF_ERROR(co_await file.WriteAll(record, offset));
//   PELTON_CO_RETURN_IF_ERROR(co_await file.SyncData());           // survives a power cut from here on
//   PELTON_CO_RETURN_IF_ERROR(co_await file.Close());
//
// For regular files, block devices and the like, which poll(2) takes for ever ready. Opening a FIFO
// waits for its other end, on a thread when there is no ring.
//
// Shard affinity: the shard that opened it.
// Ownership: movable. Destroying it closes the file without waiting; an error of that close is only
// logged, so files that were written to are better closed by Close(), or synced before.
// Invariants: 1. any number of positioned reads and writes may go on at once; 2. none goes on when
// the file is closed or destroyed (checked).
// Errors name the operation and the path and keep the errno: `write to /tmp/x: No space left on device
// (ENOSPC)`. A task that is told to stop gets its stop status; what ended before that keeps its
// result, so that a cancelled write may have written. EINTR is never seen.
// Cost: a read of cached bytes is one preadv2(RWF_NOWAIT), which neither waits nor goes through the
// ring (0.7 µs instead of 1.1 for 4 KiB); others are operations of the turn's one system call. The
// kernel hands these to a worker thread of its own (4 to 10 µs each): syncs, Allocate(), Truncate(),
// Stat(), opening with creation, and nearly all buffered writes on ext4 and tmpfs. On the epoll
// driver everything but cached reads goes to the blocking pool.

#ifndef PELTON_IO_FILE_FILE_H_
#define PELTON_IO_FILE_FILE_H_

#include <sys/uio.h>

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file/file_record.h"
#include "io/file/file_status.h"
#include "io/file/open_options.h"
#include "sched/task.h"

namespace pelton {

namespace io {
class FileReadAwaiter;
class FileWriteAwaiter;
class FileVectorAwaiter;
class FileControlAwaiter;
}  // namespace io

// What is going to be read, for the kernel's read-ahead and page cache (posix_fadvise(2)).
enum class FileAdvice : uint8_t { kNormal, kSequential, kRandom, kWillNeed, kDontNeed };

enum class LockMode : uint8_t { kShared, kExclusive };

// A part of a file, in bytes. A length of 0 reaches to the end, wherever that will be.
struct FileRange {
  uint64_t offset = 0;
  uint64_t length = 0;
};

class File {
 public:
  // The most pieces that one vectored read or write takes.
  static constexpr size_t kMostPieces = 16;

  // No file.
  File() = default;
  File(File&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  File& operator=(File&& other) noexcept {
    std::swap(record_, other.record_);
    return *this;
  }
  ~File() {
    if (record_ != nullptr) record_->Abandon();
  }

  // Opens `path`, from the current directory when it is relative. An open that ends in spite of a
  // cancellation yields its file. ERRORS: the kernel's, with the path (NOT_FOUND for ENOENT,
  // RESOURCE_EXHAUSTED for EMFILE, ...); InvalidArgument for options that contradict each other.
  static Task<absl::StatusOr<File>> Open(std::string path, OpenOptions options = {});
  // Takes a descriptor over, which is called `path` in messages.
  static File Adopt(int descriptor, std::string path) {
    return File(new io::FileRecord(descriptor, std::move(path)));
  }

  // Reading and writing. Memory is the kernel's until the await returns. Counts of bytes may be
  // smaller than asked for; a read of 0 is the end of the file.

  // Each suspends unless all it needs is cached, and yields absl::StatusOr<size_t>.
  io::FileReadAwaiter ReadAt(std::span<char> target, uint64_t offset);
  io::FileWriteAwaiter WriteAt(std::string_view bytes, uint64_t offset);
  // From and to the file's own position, which they move. One at a time.
  io::FileReadAwaiter Read(std::span<char> target);
  io::FileWriteAwaiter Write(std::string_view bytes);
  // In several pieces. The pieces must live until the await returns; the array need not. REQUIRES:
  // at most kMostPieces.
  io::FileVectorAwaiter ReadVectorAt(std::span<const std::span<char>> targets, uint64_t offset);
  io::FileVectorAwaiter WriteVectorAt(std::span<const std::string_view> pieces, uint64_t offset);

  // Fills all of `target`. ERRORS: OUT_OF_RANGE when the file ends before that.
  Task<absl::Status> ReadExactly(std::span<char> target, uint64_t offset);
  // Writes all of `bytes`, a MiB at a time, between which a cancellation ends it.
  Task<absl::Status> WriteAll(std::string_view bytes, uint64_t offset);
  // The same to the file's own position, or to the end if it was opened so.
  Task<absl::Status> WriteAll(std::string_view bytes);

  // The rest. Each suspends and yields an absl::Status, if nothing else is said.

  // Waits until the file's bytes and status, or its bytes and its size, are on the disk. After an
  // error the kernel may have dropped what was not written: a later OK says nothing of it.
  io::FileControlAwaiter Sync();
  io::FileControlAwaiter SyncData();
  // Provides disk space, so that writing there does not fail for want of it; makes the file longer
  // if the range ends behind it. REQUIRES: length > 0.
  io::FileControlAwaiter Allocate(FileRange range);
  // The same, but leaves the size.
  io::FileControlAwaiter Reserve(FileRange range);
  // Gives the disk space of the range back; it reads as zeros. The size stays. REQUIRES: length > 0.
  io::FileControlAwaiter PunchHole(FileRange range);
  // Cuts the file off at `size_bytes`, or extends it by a hole.
  io::FileControlAwaiter Truncate(uint64_t size_bytes);
  // A length beyond 4 GiB counts as 0.
  io::FileControlAwaiter Advise(FileRange range, FileAdvice advice);
  Task<absl::StatusOr<FileStatus>> Stat();
  // Sets the twelve bits of chmod(2).
  Task<absl::Status> SetPermissions(uint32_t permissions);

  // Locks hold among all opened files of all processes that ask for them; they bind nobody else.
  // They belong to this opened file and end with it. Whoever waits asks again and again, at
  // intervals of 1 ms growing to 50 ms, so that waiting takes no thread and can be cancelled; it is
  // in no line, and there is no detection of deadlocks: use deadlines.

  // The lock of the whole file (flock(2)). Asking for another mode first gives up the one it has.
  Task<absl::Status> Lock(LockMode mode);
  // Yields whether it got it.
  Task<absl::StatusOr<bool>> TryLock(LockMode mode);
  Task<absl::Status> Unlock();
  // Locks of a part of it (F_OFD_SETLK of fcntl(2)), which are independent of that; an exclusive one
  // takes write access, a shared one read access.
  Task<absl::Status> LockRange(FileRange range, LockMode mode);
  Task<absl::StatusOr<bool>> TryLockRange(FileRange range, LockMode mode);
  Task<absl::Status> UnlockRange(FileRange range);

  // Closes the file, also when the task is told to stop, and yields what the kernel says against
  // it: on network file systems that a write failed. The file is gone in any case. REQUIRES: no
  // operation is going on.
  Task<absl::Status> Close();

  bool valid() const { return record_ != nullptr; }
  // As it was opened.
  const std::string& path() const { return record_->path(); }
  // For system calls that do not block. Closing it is the File's.
  int descriptor() const { return record_->descriptor(); }

  // For the rest of io/file. The record is this file's.
  io::FileRecord& record() const { return *record_; }
  explicit File(io::FileRecord* record) : record_(record) {}

 private:
  io::FileRecord* record_ = nullptr;
};

namespace io {

// Opens the file that `path` says, with the RESOLVE_* flags of openat2(2).
Task<absl::StatusOr<File>> OpenAt(PathAt path, OpenOptions options, uint64_t resolve_flags = 0);
// Opens a directory, to list it and to look paths up from it.
Task<absl::StatusOr<File>> OpenDirectoryAt(PathAt path, bool follow_links,
                                           uint64_t resolve_flags = 0);

// Reads what is cached at once, else waits for an operation.
class [[nodiscard("co_await it")]] FileReadAwaiter final : private RecordAwaiter {
 public:
  FileReadAwaiter(FileRecord& record, std::span<char> target, uint64_t offset);

  bool await_ready() {
    if (Scheduler::Current()->Due() || StoppedBeforeWaiting()) return false;
    return TryCache();
  }
  using FileAwaiter::await_suspend;
  absl::StatusOr<size_t> await_resume() const;

 private:
  bool TryCache();
};

class [[nodiscard("co_await it")]] FileWriteAwaiter final : private RecordAwaiter {
 public:
  FileWriteAwaiter(FileRecord& record, std::string_view bytes, uint64_t offset);

  using FileAwaiter::await_ready;
  using FileAwaiter::await_suspend;
  absl::StatusOr<size_t> await_resume() const;
};

class [[nodiscard("co_await it")]] FileVectorAwaiter final : private RecordAwaiter {
 public:
  FileVectorAwaiter(FileRecord& record, std::span<const std::span<char>> targets, uint64_t offset);
  FileVectorAwaiter(FileRecord& record, std::span<const std::string_view> pieces, uint64_t offset);

  using FileAwaiter::await_ready;
  using FileAwaiter::await_suspend;
  absl::StatusOr<size_t> await_resume() const;

 private:
  FileVectorAwaiter(OperationKind kind, FileRecord& record, size_t pieces, uint64_t offset);

  std::array<iovec, File::kMostPieces> vectors_;
};

// An operation on an open file that moves no bytes to or from memory.
class [[nodiscard("co_await it")]] FileControlAwaiter final : private RecordAwaiter {
 public:
  struct Arguments {
    uint64_t offset = 0;
    uint64_t second_offset = 0;
    uint32_t length = 0;
    uint32_t flags = 0;
  };
  // `name` stands in messages before the path.
  FileControlAwaiter(OperationKind kind, FileRecord& record, const char* name,
                     const Arguments& arguments);

  using FileAwaiter::await_ready;
  using FileAwaiter::await_suspend;
  absl::Status await_resume() const {
    if (result() >= 0) [[likely]]
      return absl::OkStatus();
    return record().Error(result(), name_);
  }

 private:
  const char* name_;
};

}  // namespace io

inline io::FileReadAwaiter File::ReadAt(std::span<char> target, uint64_t offset) {
  return {*record_, target, offset};
}
inline io::FileWriteAwaiter File::WriteAt(std::string_view bytes, uint64_t offset) {
  return {*record_, bytes, offset};
}
inline io::FileReadAwaiter File::Read(std::span<char> target) {
  return {*record_, target, io::FileOperation::kNoOffset};
}
inline io::FileWriteAwaiter File::Write(std::string_view bytes) {
  return {*record_, bytes, io::FileOperation::kNoOffset};
}

}  // namespace pelton

#endif  // PELTON_IO_FILE_FILE_H_
