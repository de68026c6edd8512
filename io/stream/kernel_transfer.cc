#include "io/stream/kernel_transfer.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "alloc/frame_pool.h"
#include "framework/base/status.h"
#include "io/reactor.h"

namespace pelton::io {
namespace {

// The most that one call on the blocking pool sends, so that others get their turn there.
constexpr uint64_t kMostBytes = uint64_t{1} << 20;

// Closes a descriptor that operations were started on, and frees itself.
class CloseOperation final : public Operation {
 public:
  static void Start(int fd) {
    auto* const close = new CloseOperation;
    close->descriptor = fd;
    Reactor::Current()->Start(*close);
  }

  static void* operator new(std::size_t bytes) { return FramePool::Allocate(bytes); }
  static void operator delete(void* memory, std::size_t bytes) { FramePool::Free(memory, bytes); }

 private:
  CloseOperation() : Operation(OperationKind::kClose) {}
  void OnCompletion(const Completion&) override { delete this; }
};

}  // namespace

absl::Status MakeNonBlocking(const StreamConnection& connection) {
  const int flags = ::fcntl(connection.descriptor(), F_GETFL);
  if (flags < 0) return connection.Error(errno, "fcntl of");
  if ((flags & O_NONBLOCK) != 0) return absl::OkStatus();
  if (::fcntl(connection.descriptor(), F_SETFL, flags | O_NONBLOCK) == 0) return absl::OkStatus();
  return connection.Error(errno, "set O_NONBLOCK of");
}

SendFileAwaiter::SendFileAwaiter(const StreamConnection& to, int file, uint64_t from, uint64_t most)
    : FileOperationAwaiter(OperationKind::kCall),
      to_(to),
      file_(file),
      from_(from),
      most_(std::min(most, kMostBytes)) {
  Operation::address = this;
  second_address = reinterpret_cast<const void*>(&SendFileAwaiter::Send);
}

int SendFileAwaiter::Send(void* self) {
  const auto& call = *static_cast<const SendFileAwaiter*>(self);
  off_t offset = static_cast<off_t>(call.from_);
  const ssize_t sent = ::sendfile(call.to_.descriptor(), call.file_, &offset, call.most_);
  return sent < 0 ? -errno : static_cast<int>(sent);
}

SpliceAwaiter::SpliceAwaiter(int from, int to, uint32_t bytes)
    : FileOperationAwaiter(OperationKind::kSplice) {
  second_descriptor = from;
  second_offset = kNoOffset;
  Operation::descriptor = to;
  offset = kNoOffset;
  Operation::length = bytes;
  flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
}

absl::StatusOr<SplicePipe> SplicePipe::Make() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return ErrnoToStatus(errno, "pipe for a splice");
  // A user may have too many pipes to make one larger: then less is moved at once.
  (void)::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(kBytes));
  return SplicePipe(ends[0], ends[1]);
}

SplicePipe::~SplicePipe() {
  if (read_end_ < 0) return;
  CloseOperation::Start(read_end_);
  CloseOperation::Start(write_end_);
}

}  // namespace pelton::io
