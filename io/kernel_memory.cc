#include "io/kernel_memory.h"

#ifdef PELTON_ASAN

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <cstddef>

#include "io/file_operation.h"

namespace pelton::io {
namespace {

using Visit = void (*)(const void* begin, size_t bytes);

void VisitVectors(const iovec* vectors, size_t count, Visit visit) {
  for (size_t i = 0; i < count; ++i) visit(vectors[i].iov_base, vectors[i].iov_len);
}

// Calls `visit` with each piece of memory that the operation receives into.
void VisitTargets(const Operation& operation, Visit visit) {
  switch (operation.kind) {
    case OperationKind::kReceive:
    case OperationKind::kStreamRead:
    case OperationKind::kRead:
      return visit(operation.address, operation.length);
    case OperationKind::kReadVector:
      return VisitVectors(static_cast<const iovec*>(operation.address), operation.length, visit);
    case OperationKind::kReceiveMessage: {
      const auto& message = *static_cast<const msghdr*>(operation.address);
      return VisitVectors(message.msg_iov, message.msg_iovlen, visit);
    }
    case OperationKind::kStat:
      return visit(static_cast<const FileOperation&>(operation).second_address,
                   sizeof(struct statx));
    default:
      return;
  }
}

}  // namespace

void LendToKernel(const Operation& operation) { VisitTargets(operation, &PoisonMemory); }
void TakeFromKernel(const Operation& operation) { VisitTargets(operation, &UnpoisonMemory); }

}  // namespace pelton::io

#endif  // PELTON_ASAN
