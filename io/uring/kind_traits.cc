#include "io/uring/kind_traits.h"

#include "io/file_operation.h"
#include "io/uring/abi.h"

namespace pelton::io {

bool IsBlocking(OperationKind kind, const UringCapabilities& capabilities) {
  if (!IsFileKind(kind)) return false;
  if (kind == OperationKind::kCall) return true;
  if (kind == OperationKind::kTruncate) return !capabilities.truncate;
  if (kind == OperationKind::kSplice) return !capabilities.splice;
  return IsPathKind(kind) ? !capabilities.path_operations : !capabilities.file_operations;
}

// What is polled may be a library's, which closes it by itself: the table would keep its file open.
bool WorksOnDescriptor(OperationKind kind) {
  return kind != OperationKind::kNop && kind != OperationKind::kPoll && !IsPathKind(kind);
}

bool MayUseKernelWorker(OperationKind kind) {
  return IsFileKind(kind) && kind != OperationKind::kRead && kind != OperationKind::kReadVector &&
         kind != OperationKind::kCall;
}

int OpcodeOf(OperationKind kind) {
  switch (kind) {
    case OperationKind::kNop:
      return IORING_OP_NOP;
    case OperationKind::kAccept:
      return IORING_OP_ACCEPT;
    case OperationKind::kConnect:
      return IORING_OP_CONNECT;
    case OperationKind::kReceive:
    case OperationKind::kReceiveChunk:
      return IORING_OP_RECV;
    case OperationKind::kReceiveMessage:
    case OperationKind::kReceiveMessageChunk:
      return IORING_OP_RECVMSG;
    case OperationKind::kSend:
      return IORING_OP_SEND;
    case OperationKind::kSendMessage:
      return IORING_OP_SENDMSG;
    case OperationKind::kSendZeroCopy:
      return IORING_OP_SEND_ZC;
    case OperationKind::kClose:
      return IORING_OP_CLOSE;
    case OperationKind::kPoll:
    case OperationKind::kReceiveMessages:  // a system call; when it has to wait, a poll
    case OperationKind::kSendMessages:
      return IORING_OP_POLL_ADD;
    case OperationKind::kStreamRead:
    case OperationKind::kRead:
      return IORING_OP_READ;
    case OperationKind::kStreamWrite:
    case OperationKind::kWrite:
      return IORING_OP_WRITE;
    case OperationKind::kReadVector:
      return IORING_OP_READV;
    case OperationKind::kWriteVector:
      return IORING_OP_WRITEV;
    case OperationKind::kSync:
      return IORING_OP_FSYNC;
    case OperationKind::kAllocate:
      return IORING_OP_FALLOCATE;
    case OperationKind::kTruncate:
      return ::IORING_OP_FTRUNCATE;
    case OperationKind::kAdvise:
      return IORING_OP_FADVISE;
    case OperationKind::kOpen:
      return IORING_OP_OPENAT2;
    case OperationKind::kStat:
      return IORING_OP_STATX;
    case OperationKind::kRename:
      return IORING_OP_RENAMEAT;
    case OperationKind::kLink:
      return IORING_OP_LINKAT;
    case OperationKind::kSymbolicLink:
      return IORING_OP_SYMLINKAT;
    case OperationKind::kUnlink:
      return IORING_OP_UNLINKAT;
    case OperationKind::kMakeDirectory:
      return IORING_OP_MKDIRAT;
    case OperationKind::kSplice:
      return IORING_OP_SPLICE;
    case OperationKind::kCall:
      return -1;
  }
  return -1;
}

}  // namespace pelton::io
