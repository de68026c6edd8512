// The record behind a stream: a descriptor and its name in messages. It has a stable address while
// the stream moves about, since closing is an operation, too.
//
// Shard affinity: the shard that made it.
// Ownership: that of whoever holds the DescriptorPointer; then its own: it closes the descriptor and
// frees itself.
// Invariant: at most one operation on the descriptor at a time, which is the holder's (checked).

#ifndef PELTON_IO_DESCRIPTOR_DESCRIPTOR_RECORD_H_
#define PELTON_IO_DESCRIPTOR_DESCRIPTOR_RECORD_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "alloc/frame_pool.h"
#include "framework/base/check.h"
#include "io/operation.h"

namespace pelton::io {

// The error of an operation that the running task awaited: its stop status when it was told to stop
// (ECANCELED), else what ErrnoToStatus() makes of it.
absl::Status OperationFailure(int error_number, std::string_view operation,
                              std::string_view subject);

class DescriptorRecord final : private Operation {
 public:
  // Takes `descriptor` over. REQUIRES: no operation was started on it.
  DescriptorRecord(int descriptor, std::string name)
      : Operation(OperationKind::kClose), name_(std::move(name)) {
    Operation::descriptor = descriptor;
  }

  static void* operator new(std::size_t bytes) { return FramePool::Allocate(bytes); }
  static void operator delete(void* record, std::size_t bytes) { FramePool::Free(record, bytes); }

  // Closes the descriptor and frees this record. REQUIRES: not in use.
  void Abandon();

  int descriptor() const { return Operation::descriptor; }
  const std::string& name() const { return name_; }

  // An operation begins, or has ended. REQUIRES: they take turns.
  void BeginUse() {
    PELTON_CHECK(!in_use_) << "two tasks use " << name_ << " at once";
    in_use_ = true;
  }
  void EndUse() { in_use_ = false; }

  // The failure of `operation`, which names this descriptor.
  absl::Status Failure(int error_number, std::string_view operation) const {
    return OperationFailure(error_number, operation, name_);
  }

 private:
  ~DescriptorRecord() = default;
  void OnCompletion(const Completion& completion) override;

  const std::string name_;
  bool in_use_ = false;
};

struct AbandonDescriptor {
  void operator()(DescriptorRecord* record) const { record->Abandon(); }
};
using DescriptorPointer = std::unique_ptr<DescriptorRecord, AbandonDescriptor>;

}  // namespace pelton::io

#endif  // PELTON_IO_DESCRIPTOR_DESCRIPTOR_RECORD_H_
