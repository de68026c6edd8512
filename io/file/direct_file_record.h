// The record behind a DirectFile: descriptor, path and alignment. It has a stable address, so that
// it can close itself when it is abandoned. Private to io.
//
// Shard affinity: the shard that opened the file.
// Ownership: the DirectFile's, until it is abandoned; then its own, until the descriptor is closed.
// Invariants: 1. nobody uses the file when it is abandoned (checked).

#ifndef PELTON_IO_FILE_DIRECT_FILE_RECORD_H_
#define PELTON_IO_FILE_DIRECT_FILE_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "alloc/frame_pool.h"
#include "io/operation.h"

namespace pelton::io {

// What direct I/O on a file must be aligned to, in bytes; powers of two.
struct DirectAlignment {
  uint32_t memory = 4096;
  uint32_t offset = 4096;  // and length
};

class DirectFileRecord final : private Operation {
 public:
  // Counts as a use of the file while it lives.
  class Use {
   public:
    explicit Use(DirectFileRecord& record) : record_(record) { ++record_.uses_; }
    ~Use() { --record_.uses_; }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    DirectFileRecord& record_;
  };

  // Takes the descriptor over.
  DirectFileRecord(int descriptor, std::string path)
      : Operation(OperationKind::kClose), path_(std::move(path)) {
    Operation::descriptor = descriptor;
  }

  static void* operator new(std::size_t bytes) { return FramePool::Allocate(bytes); }
  static void operator delete(void* record, std::size_t bytes) { FramePool::Free(record, bytes); }

  // Closes the descriptor and frees this record. REQUIRES: nobody uses it.
  void Abandon();
  // Frees this record and returns the descriptor, which the caller closes. REQUIRES: the same.
  int Detach();

  void BeginUse() { ++uses_; }
  void EndUse() { --uses_; }

  int descriptor() const { return Operation::descriptor; }
  const std::string& path() const { return path_; }
  const DirectAlignment& alignment() const { return alignment_; }
  void set_alignment(const DirectAlignment& alignment) { alignment_ = alignment; }

  // An error of `operation` on this file, or why the running task was told to stop.
  absl::Status Error(int error_number, std::string_view operation) const;

 private:
  ~DirectFileRecord() = default;

  void OnCompletion(const Completion& completion) override;

  const std::string path_;
  DirectAlignment alignment_;
  uint32_t uses_ = 0;
};

// The error of an operation on `path` that a task awaited; the stop status where a stop ended it.
absl::Status DirectFileError(int error_number, std::string_view operation, std::string_view path);

}  // namespace pelton::io

#endif  // PELTON_IO_FILE_DIRECT_FILE_RECORD_H_
