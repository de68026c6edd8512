#include "io/fault/shadow_operation.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

#include <algorithm>

#include "framework/base/check.h"

namespace pelton::io {
namespace {

// Whether fewer bytes than asked for do no harm: `fd` is a stream socket. Turns its delays off:
// many small segments would wait for acknowledgements that are late on purpose (RFC 1122, 4.2.3.2),
// and tests for seconds.
bool IsStreamSocket(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) return false;
  const int on = 1;
  // An AF_UNIX one refuses, and needs it not.
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return true;
}

// Whether fewer bytes than asked for are still a whole number of what `fd` is made of; not so of an
// eventfd and the like.
bool IsMadeOfBytes(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return false;
  if (S_ISSOCK(status.st_mode)) return IsStreamSocket(fd);
  return S_ISFIFO(status.st_mode) || S_ISREG(status.st_mode) || S_ISBLK(status.st_mode);
}

// Of which a transfer's length has to be a multiple.
uint64_t GranuleOf(int fd) {
  constexpr uint64_t kDirectBytes = 4096;
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_DIRECT) != 0 ? kDirectBytes : 1;
}

uint64_t TotalBytes(const iovec* vectors, size_t count) {
  uint64_t total = 0;
  for (size_t i = 0; i < count; ++i) total += vectors[i].iov_len;
  return total;
}

int64_t StreamOf(const Operation& operation) {
  const int64_t reads = int64_t{operation.descriptor} * 2;
  switch (operation.kind) {
    case OperationKind::kAccept:
    case OperationKind::kReceive:
    case OperationKind::kReceiveChunk:
    case OperationKind::kReceiveMessage:
    case OperationKind::kReceiveMessageChunk:
    case OperationKind::kReceiveMessages:
    case OperationKind::kStreamRead:
      return reads;
    case OperationKind::kConnect:
    case OperationKind::kSend:
    case OperationKind::kSendMessage:
    case OperationKind::kSendMessages:
    case OperationKind::kSendZeroCopy:
    case OperationKind::kStreamWrite:
      return reads + 1;
    case OperationKind::kRead:
    case OperationKind::kReadVector:
    case OperationKind::kWrite:
    case OperationKind::kWriteVector:
    case OperationKind::kSplice: {
      // At the descriptor's own position the order counts.
      const bool has_offset =
          static_cast<const FileOperation&>(operation).offset != FileOperation::kNoOffset;
      return has_offset ? -1 : reads + 1;
    }
    default:
      return -1;
  }
}

}  // namespace

void ShadowOperation::Imitate(Operation& original, const FaultDecision& decision) {
  kind = original.kind;
  multishot = original.multishot;
  descriptor = original.descriptor;
  address = original.address;
  length = original.length;
  if (IsFileKind(kind)) {
    const auto& file = static_cast<const FileOperation&>(original);
    offset = file.offset;
    second_offset = file.second_offset;
    second_address = file.second_address;
    second_descriptor = file.second_descriptor;
    flags = file.flags;
    buffer = file.buffer;
  }
  original_ = &original;
  decision_ = decision;
  stream_ = StreamOf(original);
  due_turn = cancel_turn = 0;
  completions = 0;
  ending = ended = own_message_ = false;
  own_chunk_ = Completion::kNoChunk;
  tail.clear();
}

bool ShadowOperation::Shorten(ChunkPool& chunks) {
  switch (kind) {
    case OperationKind::kReceiveChunk:
      // Not the last chunks: a receive that waits would keep them from others.
      if (!IsStreamSocket(descriptor) || chunks.free() <= chunks.size() / 2 ||
          !chunks.TryTake(own_chunk_)) {
        return false;
      }
      kind = OperationKind::kReceive;
      multishot = false;
      address = chunks.data(own_chunk_);
      length = ChunkPool::kChunkBytes;
      return ShortenBytes(1);
    case OperationKind::kReceive:
    case OperationKind::kSend:
    case OperationKind::kSendZeroCopy:
      return IsStreamSocket(descriptor) && ShortenBytes(1);
    case OperationKind::kReceiveMessage:
    case OperationKind::kSendMessage:
      return IsStreamSocket(descriptor) && ShortenMessage();
    case OperationKind::kStreamRead:
    case OperationKind::kStreamWrite:
    case OperationKind::kRead:
    case OperationKind::kWrite:
      return IsMadeOfBytes(descriptor) && ShortenBytes(GranuleOf(descriptor));
    case OperationKind::kSplice:
    case OperationKind::kReceiveMessages:  // `length` is how many
    case OperationKind::kSendMessages:
      return ShortenBytes(1);
    case OperationKind::kReadVector:
    case OperationKind::kWriteVector:
      if (!IsMadeOfBytes(descriptor) ||
          !ShortenVectors(static_cast<const iovec*>(address), length, GranuleOf(descriptor))) {
        return false;
      }
      address = vectors_.data();
      length = static_cast<uint32_t>(vectors_.size());
      return true;
    default:
      return false;
  }
}

bool ShadowOperation::ShortenBytes(uint64_t granule) {
  const uint64_t granules = length / granule;
  if (granules < 2) return false;
  length = static_cast<uint32_t>(ShortLength(granules, decision_.fraction) * granule);
  return true;
}

// Fills vectors_ with the beginning of `vectors`.
bool ShadowOperation::ShortenVectors(const iovec* vectors, size_t count, uint64_t granule) {
  const uint64_t granules = TotalBytes(vectors, count) / granule;
  if (granules < 2) return false;
  uint64_t left = ShortLength(granules, decision_.fraction) * granule;
  vectors_.clear();
  for (size_t i = 0; left > 0; ++i) {
    const uint64_t bytes = std::min<uint64_t>(left, vectors[i].iov_len);
    vectors_.push_back({.iov_base = vectors[i].iov_base, .iov_len = bytes});
    left -= bytes;
  }
  return true;
}

bool ShadowOperation::ShortenMessage() {
  message_ = *static_cast<const msghdr*>(address);
  if (!ShortenVectors(message_.msg_iov, message_.msg_iovlen, 1)) return false;
  message_.msg_iov = vectors_.data();
  message_.msg_iovlen = vectors_.size();
  address = &message_;
  own_message_ = true;
  return true;
}

Completion ShadowOperation::Translate(Completion completion, ChunkPool& chunks) {
  if (own_chunk_ != Completion::kNoChunk) {
    if (completion.result > 0) {
      completion.chunk = own_chunk_;
    } else {
      chunks.Release(own_chunk_);
    }
    own_chunk_ = Completion::kNoChunk;
  }
  if (own_message_ && kind == OperationKind::kReceiveMessage) {
    auto& original = *static_cast<msghdr*>(original_->address);
    original.msg_namelen = message_.msg_namelen;
    original.msg_controllen = message_.msg_controllen;
    original.msg_flags = message_.msg_flags;
  }
  return completion;
}

}  // namespace pelton::io
