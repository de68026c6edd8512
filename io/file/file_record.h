// The record behind a File or a Directory: its descriptor, and its path for messages. It has a
// stable address and closes itself, so that destructors never block. Private to io/file.
//
// Shard affinity: the shard that opened it.
// Ownership: the File's, until it is abandoned or closed; then the record's own: it closes the
// descriptor and frees itself.
// Invariant: a descriptor is closed when no operation on it is in flight (checked).

#ifndef PELTON_IO_FILE_FILE_RECORD_H_
#define PELTON_IO_FILE_FILE_RECORD_H_

#include <coroutine>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "alloc/frame_pool.h"
#include "io/file/file_awaiter.h"
#include "io/operation.h"

namespace pelton::io {

class FileRecord final : private Operation {
 public:
  // Takes the descriptor over.
  FileRecord(int descriptor, std::string path, bool appends = false);

  static void* operator new(std::size_t bytes) { return FramePool::Allocate(bytes); }
  static void operator delete(void* record, std::size_t bytes) { FramePool::Free(record, bytes); }

  // Closes the descriptor without waiting, and frees this record then. What close(2) says against
  // it is logged. REQUIRES: users() is 0.
  void Abandon();

  int descriptor() const { return Operation::descriptor; }
  const std::string& path() const { return path_; }
  // Whether writes go to the end, wherever they are told to go.
  bool appends() const { return appends_; }

  // Awaiters, and buffers in flight, that refer to the descriptor.
  int users() const { return users_; }
  void AddUser() { ++users_; }
  void RemoveUser() { --users_; }

  // Whether reads that must not wait for the disk (RWF_NOWAIT) are worth a try.
  bool tries_cache() const { return tries_cache_; }
  void StopTryingCache() { tries_cache_ = false; }

  // As io::FileError().
  absl::Status Error(int result, std::string_view operation) const {
    return FileError(result, operation, path_);
  }

 private:
  friend class CloseAwaiter;
  ~FileRecord() = default;

  void OnCompletion(const Completion& completion) override;

  const std::string path_;
  int users_ = 0;
  const bool appends_;
  bool tries_cache_ = true;
};

static_assert(sizeof(FileRecord) <= 96, "one per open file");

// Says that a task uses a record's descriptor, as long as it lives.
class RecordUse {
 public:
  explicit RecordUse(FileRecord& record) : record_(record) { record.AddUser(); }
  ~RecordUse() { record_.RemoveUser(); }
  RecordUse(const RecordUse&) = delete;
  RecordUse& operator=(const RecordUse&) = delete;

 private:
  FileRecord& record_;
};

// Base of awaiters that work on an open file, which must not be closed meanwhile.
class RecordAwaiter : public FileAwaiter {
 protected:
  RecordAwaiter(OperationKind kind, FileRecord& record) : FileAwaiter(kind), record_(record) {
    Operation::descriptor = record.descriptor();
    record.AddUser();
  }
  ~RecordAwaiter() { record_.RemoveUser(); }

  FileRecord& record() const { return record_; }

 private:
  FileRecord& record_;
};

// Closes a record's descriptor, frees the record, and yields what close(2) returned. It goes on
// when its task is told to stop: the descriptor is closed in any case.
class [[nodiscard("co_await it")]] CloseAwaiter final : private Operation, private Suspension {
 public:
  // REQUIRES: record.users() is 0.
  explicit CloseAwaiter(FileRecord& record);

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    Suspend(task.promise());
    Reactor::Current()->Start(*this);
  }
  int await_resume() const { return result_; }

 private:
  void OnCompletion(const Completion& completion) override;
  void Interrupt() override {}  // resumed by the operation, which is not cancelled
  void Describe(std::ostream& out) const override { out << "close of descriptor " << descriptor; }

  int result_ = 0;
};

}  // namespace pelton::io

#endif  // PELTON_IO_FILE_FILE_RECORD_H_
