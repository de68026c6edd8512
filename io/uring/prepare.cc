#include "io/uring/prepare.h"

#include <linux/openat2.h>

#include "framework/base/check.h"

namespace pelton::io {
namespace {

const char* PathOf(const FileOperation& operation) {
  return static_cast<const char*>(operation.address);
}

const char* SecondPathOf(const FileOperation& operation) {
  return static_cast<const char*>(operation.second_address);
}

void PrepareTransfer(const FileOperation& operation, io_uring_sqe* entry) {
  const int fd = operation.descriptor;
  const bool reads = operation.kind == OperationKind::kRead;
  if (operation.buffer == FileOperation::kNoBuffer) {
    if (reads) {
      ::io_uring_prep_read(entry, fd, operation.address, operation.length, operation.offset);
    } else {
      ::io_uring_prep_write(entry, fd, operation.address, operation.length, operation.offset);
    }
  } else if (reads) {
    ::io_uring_prep_read_fixed(entry, fd, operation.address, operation.length, operation.offset,
                               operation.buffer);
  } else {
    ::io_uring_prep_write_fixed(entry, fd, operation.address, operation.length, operation.offset,
                                operation.buffer);
  }
  entry->rw_flags = static_cast<int>(operation.flags);
}

void PreparePath(const FileOperation& operation, io_uring_sqe* entry) {
  const int fd = operation.descriptor;
  const int second = operation.second_descriptor;
  void* const target = const_cast<void*>(operation.second_address);
  switch (operation.kind) {
    case OperationKind::kOpen:
      return ::io_uring_prep_openat2(entry, fd, PathOf(operation), static_cast<open_how*>(target));
    case OperationKind::kStat:
      return ::io_uring_prep_statx(entry, fd, PathOf(operation), static_cast<int>(operation.flags),
                                   operation.length, static_cast<struct statx*>(target));
    case OperationKind::kRename:
      return ::io_uring_prep_renameat(entry, fd, PathOf(operation), second, SecondPathOf(operation),
                                      operation.flags);
    case OperationKind::kLink:
      return ::io_uring_prep_linkat(entry, fd, PathOf(operation), second, SecondPathOf(operation),
                                    static_cast<int>(operation.flags));
    case OperationKind::kSymbolicLink:
      return ::io_uring_prep_symlinkat(entry, PathOf(operation), second, SecondPathOf(operation));
    case OperationKind::kUnlink:
      return ::io_uring_prep_unlinkat(entry, fd, PathOf(operation),
                                      static_cast<int>(operation.flags));
    case OperationKind::kMakeDirectory:
      return ::io_uring_prep_mkdirat(entry, fd, PathOf(operation), operation.length);
    default:
      PELTON_FATAL() << OperationKindName(operation.kind) << " is not done on a path";
  }
}

}  // namespace

void PrepareFileOperation(const FileOperation& operation, io_uring_sqe* entry) {
  const int fd = operation.descriptor;
  switch (operation.kind) {
    case OperationKind::kRead:
    case OperationKind::kWrite:
      return PrepareTransfer(operation, entry);
    case OperationKind::kReadVector:
      ::io_uring_prep_readv2(entry, fd, static_cast<iovec*>(operation.address), operation.length,
                             operation.offset, static_cast<int>(operation.flags));
      return;
    case OperationKind::kWriteVector:
      ::io_uring_prep_writev2(entry, fd, static_cast<iovec*>(operation.address), operation.length,
                              operation.offset, static_cast<int>(operation.flags));
      return;
    case OperationKind::kSync:
      ::io_uring_prep_fsync(
          entry, fd, operation.flags == FileOperation::kDataOnly ? IORING_FSYNC_DATASYNC : 0);
      return;
    case OperationKind::kAllocate:
      // Written out: liburing 2.3 takes the offset as a signed number.
      entry->opcode = IORING_OP_FALLOCATE;
      entry->fd = fd;
      entry->off = operation.offset;
      entry->addr = operation.second_offset;
      entry->len = operation.flags;
      return;
    case OperationKind::kTruncate:
      entry->opcode = ::IORING_OP_FTRUNCATE;
      entry->fd = fd;
      entry->off = operation.offset;
      return;
    case OperationKind::kAdvise:
      ::io_uring_prep_fadvise(entry, fd, operation.offset, operation.length,
                              static_cast<int>(operation.flags));
      return;
    case OperationKind::kSplice:
      ::io_uring_prep_splice(
          entry, operation.second_descriptor, static_cast<int64_t>(operation.second_offset), fd,
          static_cast<int64_t>(operation.offset), operation.length, operation.flags);
      return;
    default:
      return PreparePath(operation, entry);
  }
}

}  // namespace pelton::io
