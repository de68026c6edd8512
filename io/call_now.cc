#include "io/call_now.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "framework/base/check.h"
#include "io/kernel_memory.h"

namespace pelton::io {
namespace {

// Calls a function that returns -1 and sets errno, until no signal interrupts it.
template <typename F>
int Call(F&& call) {
  while (true) {
    const auto result = call();
    if (result >= 0) return static_cast<int>(result);
    if (errno != EINTR) return -errno;
  }
}

// The offset as the system call wants it: kNoOffset is -1, the descriptor's own position.
off_t OffsetOf(const FileOperation& operation) { return static_cast<off_t>(operation.offset); }

const char* PathOf(const FileOperation& operation) {
  return static_cast<const char*>(operation.address);
}

const char* SecondPathOf(const FileOperation& operation) {
  return static_cast<const char*>(operation.second_address);
}

int TransferOne(const FileOperation& operation) {
  const iovec vector = {operation.address, operation.length};
  const int flags = static_cast<int>(operation.flags);
  if (operation.kind == OperationKind::kRead) {
    return Call(
        [&] { return ::preadv2(operation.descriptor, &vector, 1, OffsetOf(operation), flags); });
  }
  return Call(
      [&] { return ::pwritev2(operation.descriptor, &vector, 1, OffsetOf(operation), flags); });
}

int TransferVector(const FileOperation& operation) {
  const auto* vectors = static_cast<const iovec*>(operation.address);
  const int count = static_cast<int>(operation.length);
  const int flags = static_cast<int>(operation.flags);
  if (operation.kind == OperationKind::kReadVector) {
    return Call([&] {
      return ::preadv2(operation.descriptor, vectors, count, OffsetOf(operation), flags);
    });
  }
  return Call(
      [&] { return ::pwritev2(operation.descriptor, vectors, count, OffsetOf(operation), flags); });
}

int Splice(const FileOperation& operation) {
  loff_t from = static_cast<loff_t>(operation.second_offset);
  loff_t to = static_cast<loff_t>(operation.offset);
  return Call([&] {
    return ::splice(operation.second_descriptor,
                    operation.second_offset == FileOperation::kNoOffset ? nullptr : &from,
                    operation.descriptor,
                    operation.offset == FileOperation::kNoOffset ? nullptr : &to, operation.length,
                    operation.flags);
  });
}

int CallOnFile(const FileOperation& operation) {
  const int fd = operation.descriptor;
  switch (operation.kind) {
    case OperationKind::kRead:
    case OperationKind::kWrite:
      return TransferOne(operation);
    case OperationKind::kReadVector:
    case OperationKind::kWriteVector:
      return TransferVector(operation);
    case OperationKind::kSync:
      return Call([&] {
        return operation.flags == FileOperation::kDataOnly ? ::fdatasync(fd) : ::fsync(fd);
      });
    case OperationKind::kAllocate:
      return Call([&] {
        return ::fallocate(fd, static_cast<int>(operation.flags), OffsetOf(operation),
                           static_cast<off_t>(operation.second_offset));
      });
    case OperationKind::kTruncate:
      return Call([&] { return ::ftruncate(fd, OffsetOf(operation)); });
    case OperationKind::kAdvise:
      return -::posix_fadvise(fd, OffsetOf(operation), operation.length,
                              static_cast<int>(operation.flags));
    case OperationKind::kSplice:
      return Splice(operation);
    default:
      PELTON_FATAL() << OperationKindName(operation.kind) << " is not done on a file";
  }
}

int CallOnPath(const FileOperation& operation) {
  const int fd = operation.descriptor;
  const int second = operation.second_descriptor;
  const int flags = static_cast<int>(operation.flags);
  switch (operation.kind) {
    case OperationKind::kOpen:
      return Call([&] {
        return ::syscall(__NR_openat2, fd, PathOf(operation), operation.second_address,
                         sizeof(open_how));
      });
    case OperationKind::kStat:
      return Call([&] {
        return ::statx(fd, PathOf(operation), flags, operation.length,
                       static_cast<struct statx*>(const_cast<void*>(operation.second_address)));
      });
    case OperationKind::kRename:
      return Call([&] {
        return ::renameat2(fd, PathOf(operation), second, SecondPathOf(operation), operation.flags);
      });
    case OperationKind::kLink:
      return Call(
          [&] { return ::linkat(fd, PathOf(operation), second, SecondPathOf(operation), flags); });
    case OperationKind::kSymbolicLink:
      return Call([&] { return ::symlinkat(PathOf(operation), second, SecondPathOf(operation)); });
    case OperationKind::kUnlink:
      return Call([&] { return ::unlinkat(fd, PathOf(operation), flags); });
    case OperationKind::kMakeDirectory:
      return Call([&] { return ::mkdirat(fd, PathOf(operation), operation.length); });
    default:
      PELTON_FATAL() << OperationKindName(operation.kind) << " is not done on a path";
  }
}

}  // namespace

int CallNow(const Operation& operation) {
  TakeFromKernel(operation);  // the calls below write it
  if (operation.kind == OperationKind::kStreamRead) {
    return Call([&] { return ::read(operation.descriptor, operation.address, operation.length); });
  }
  if (operation.kind == OperationKind::kStreamWrite) {
    return Call([&] { return ::write(operation.descriptor, operation.address, operation.length); });
  }
  const auto& file = static_cast<const FileOperation&>(operation);
  if (operation.kind == OperationKind::kCall) {
    return reinterpret_cast<int (*)(void*)>(const_cast<void*>(file.second_address))(file.address);
  }
  return IsPathKind(operation.kind) ? CallOnPath(file) : CallOnFile(file);
}

}  // namespace pelton::io
