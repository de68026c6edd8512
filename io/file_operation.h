// An operation with more arguments than fit into an Operation: on files and paths, and calls that
// block. What each kind does with which of them is in the table of OperationKind.
//
// A driver that cannot do one without blocking calls it on a thread of the blocking pool, with
// CallNow() (call_now.h).
//
// Shard affinity and ownership: as of any Operation.

#ifndef PELTON_IO_FILE_OPERATION_H_
#define PELTON_IO_FILE_OPERATION_H_

#include <cstdint>

#include "io/operation.h"

namespace pelton::io {

class FileOperation : public Operation {
 public:
  // The descriptor's own position, or none, in the place of an offset.
  static constexpr uint64_t kNoOffset = ~uint64_t{0};
  // `flags` of kSync.
  static constexpr uint32_t kDataOnly = 1;
  // `buffer` of memory that is not registered.
  static constexpr int16_t kNoBuffer = -1;

  explicit FileOperation(OperationKind kind) : Operation(kind) {}

  uint64_t offset = 0;  // bytes from the beginning of the file
  uint64_t second_offset = 0;
  const void* second_address = nullptr;
  int second_descriptor = -1;
  uint32_t flags = 0;  // of kRead, kWrite and their vectors: RWF_* of preadv2(2)
  // Of kRead and kWrite: which buffer of those that were registered with the driver holds
  // `address`.
  int16_t buffer = kNoBuffer;

 protected:
  ~FileOperation() = default;
};

static_assert(sizeof(FileOperation) == 80, "lives in coroutine frames");

inline bool IsFileKind(OperationKind kind) { return kind >= kFirstFileKind; }
// Whether `descriptor` is a directory from which a path is looked up, or AT_FDCWD.
inline bool IsPathKind(OperationKind kind) {
  return kind >= OperationKind::kOpen && kind <= OperationKind::kMakeDirectory;
}

}  // namespace pelton::io

#endif  // PELTON_IO_FILE_OPERATION_H_
