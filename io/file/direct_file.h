// DirectFile: reads and writes that pass by the page cache (O_DIRECT), for programs that cache by
// themselves: databases, logs, bulk copies.
//
//   PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(path, {.write = true}));
//   PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer page, DirectBufferPool::Current().Allocate(4096));
//   PELTON_CO_ASSIGN_OR_RETURN(size_t bytes, co_await file.Read(8192, page.span()));
//   PELTON_CO_RETURN_IF_ERROR(co_await file.Write(8192, page.span()));
//   PELTON_CO_RETURN_IF_ERROR(co_await file.Sync());
//   PELTON_CO_RETURN_IF_ERROR(co_await file.Close());
//
// The disk is read and written in whole blocks, so offset, length and memory must be aligned, as
// offset_alignment() and memory_alignment() say; a DirectBuffer always is. Transfers from memory of
// the shard's DirectBufferPool are the fastest, as the kernel knows it already. All go through the
// shard's IoScheduler, in the scheduling group of the task. Any number of tasks may read and write at
// once.
//
// A write is on the disk when Sync() has returned OK, and not before: disks have caches, too.
// Polled I/O (IOPOLL) is not used: it takes a ring of its own, which does nothing else, and disks
// with poll queues, which virtual ones do not have.
//
// Shard affinity: the shard that opened it.
// Ownership: move-only; closes itself when it dies, without blocking and without telling whether
// that failed. REQUIRES: no transfer is going on then (checked).
// Cost: no allocation for a transfer; on io_uring no system call of its own.

#ifndef PELTON_IO_FILE_DIRECT_FILE_H_
#define PELTON_IO_FILE_DIRECT_FILE_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file/direct_file_record.h"
#include "io/file/direct_transfer.h"
#include "sched/task.h"

namespace pelton {

class DirectFile {
 public:
  struct Options {
    bool write = false;      // to read and write; else to read
    bool create = false;     // when there is no such file
    bool exclusive = false;  // with create: an existing one is an error (ALREADY_EXISTS)
    bool truncate = false;   // an existing one to nothing
    mode_t mode = 0644;      // of a new file, less the process's umask
  };

  // Opens the file at `path`, as seen from the working directory, and asks for its alignment.
  // Suspends. ERRORS: openat2(2)'s; UNIMPLEMENTED when its file system has no direct I/O. All
  // errors of a DirectFile name the operation and the path.
  static Task<absl::StatusOr<DirectFile>> Open(std::string path, Options options);
  static Task<absl::StatusOr<DirectFile>> Open(std::string path);

  DirectFile(DirectFile&&) noexcept = default;
  DirectFile& operator=(DirectFile&&) noexcept = default;
  ~DirectFile() = default;

  // `co_await` yields an absl::StatusOr<size_t>: reads from `offset` on until `target` is full or
  // the file ends, and tells how many bytes that were. The last block of a file may be a part of
  // one. `target` lives until then. ERRORS: INVALID_ARGUMENT when something is not aligned, with
  // what is required, before anything is read; read(2)'s; the stop status of a task that is told to
  // stop. Suspends.
  [[nodiscard]] io::DirectReadAwaiter Read(uint64_t offset, std::span<char> target) {
    return {*record_, offset, target.data(), target.size()};
  }
  // `co_await` yields an absl::Status: writes all of `bytes`, which live until then, at `offset`. On
  // an error or a stop some of them may have been written; the message of an error tells how many.
  // ERRORS: as Read(); RESOURCE_EXHAUSTED when the disk is full. Suspends.
  [[nodiscard]] io::DirectWriteAwaiter Write(uint64_t offset, std::span<const char> bytes) {
    return {*record_, offset, bytes.data(), bytes.size()};
  }

  // Waits until the disk has what was written, and what is needed to find it again (fsync(2)). After
  // an error nobody knows what is on the disk. Suspends.
  Task<absl::Status> Sync();
  // The same without the times of the last change (fdatasync(2)).
  Task<absl::Status> SyncData();
  // Takes room for `bytes` bytes from `offset` on, so that writing there does not run out of it; the
  // file grows if it is shorter. ERRORS: fallocate(2)'s. Suspends.
  Task<absl::Status> Allocate(uint64_t offset, uint64_t bytes);
  // Makes the file `bytes` long, of any alignment. ERRORS: ftruncate(2)'s. Suspends.
  Task<absl::Status> Truncate(uint64_t bytes);
  // How long the file is, in bytes. Suspends.
  Task<absl::StatusOr<uint64_t>> Size();
  // Closes the file, and tells what close(2) says. Also done by a task that was told to stop.
  // Nothing but destruction and assignment may follow. Suspends.
  Task<absl::Status> Close();

  // What offsets and lengths are multiples of, in bytes: the disk's block, a power of two.
  uint32_t offset_alignment() const { return record_->alignment().offset; }
  // What addresses of memory are multiples of, in bytes.
  uint32_t memory_alignment() const { return record_->alignment().memory; }
  std::string_view path() const { return record_->path(); }

 private:
  struct Abandon {
    void operator()(io::DirectFileRecord* record) const { record->Abandon(); }
  };

  explicit DirectFile(io::DirectFileRecord* record) : record_(record) {}

  Task<absl::Status> FindAlignment();

  std::unique_ptr<io::DirectFileRecord, Abandon> record_;
};

}  // namespace pelton

#endif  // PELTON_IO_FILE_DIRECT_FILE_H_
