#include "io/file/direct_transfer.h"

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "io/file/direct_io.h"
#include "io/reactor.h"

namespace pelton::io {

DirectTransfer::DirectTransfer(OperationKind kind, DirectFileRecord& record, uint64_t offset,
                               void* memory, size_t bytes)
    : FileOperation(kind), record_(record), bytes_(bytes) {
  FileOperation::descriptor = record.descriptor();
  FileOperation::address = memory;
  FileOperation::offset = offset;
}

void DirectTransfer::Next() {
  DirectIo& shard = DirectIo::Current();
  const IoDirection direction = reads() ? IoDirection::kRead : IoDirection::kWrite;
  const SchedulingGroup group = SchedulingGroup::FromIndex(context()->group());
  const uint64_t piece =
      std::min<uint64_t>(bytes_ - done_, shard.scheduler().PieceBytes(direction, group));
  length = static_cast<uint32_t>(piece);
  buffer = shard.buffers().IndexOf(address, piece);
  shard.scheduler().Submit(*this, group, direction, piece);
}

void DirectTransfer::OnAdmitted() { Reactor::Current()->Start(*this); }

void DirectTransfer::OnCompletion(const Completion& completion) {
  const int result = completion.result;
  // Before others are admitted: what follows may be behind them.
  DirectIo::Current().scheduler().Finish(charge());
  if (result < 0 && result != -EINTR) return Finish(-result);
  if (result > 0) {
    done_ += static_cast<size_t>(result);
    if (done_ == bytes_) return Finish(0);
    // A part of a block is the last one of the file.
    const bool whole_blocks =
        (static_cast<uint32_t>(result) & (record_.alignment().offset - 1)) == 0;
    if (reads() && !whole_blocks) return Finish(0);
    address = static_cast<char*>(address) + result;
    offset += static_cast<uint32_t>(result);
  } else if (result == 0) {
    return Finish(reads() ? 0 : EIO);
  }
  if (interrupted_) return Finish(ECANCELED);
  Next();
}

void DirectTransfer::Finish(int error) {
  error_ = error;
  record_.EndUse();
  Resume();
}

void DirectTransfer::Interrupt() {
  interrupted_ = true;
  if (!queued()) return Reactor::Current()->Cancel(*this);
  DirectIo::Current().scheduler().Withdraw(*this);
  Finish(ECANCELED);
}

absl::Status DirectTransfer::AlignmentError() const {
  const DirectAlignment& alignment = record_.alignment();
  return absl::InvalidArgumentError(absl::StrCat(
      reads() ? "read from " : "write to ", record_.path(), ": direct I/O of this file takes ",
      "offsets and lengths that are multiples of ", alignment.offset,
      " bytes, and memory at multiples of ", alignment.memory, "; given were offset ",
      FileOperation::offset, ", length ", bytes_, ", and memory ",
      reinterpret_cast<uintptr_t>(address) & (alignment.memory - 1), " bytes beyond such a one"));
}

absl::Status DirectTransfer::Outcome() const {
  if (error_ == 0) {
    if (done_ > 0 || bytes_ == 0 || Aligned()) [[likely]]
      return absl::OkStatus();
    return AlignmentError();
  }
  if (reads()) return record_.Error(error_, "read from");
  return DirectFileError(
      error_, "write to",
      absl::StrCat(record_.path(), " (", done_, " of ", bytes_, " bytes written)"));
}

void DirectTransfer::Describe(std::ostream& out) const {
  out << (reads() ? "direct read of " : "direct write of ") << bytes_ - done_ << " bytes at offset "
      << FileOperation::offset << " of " << record_.path();
  if (queued()) out << ", queued by the I/O scheduler";
}

}  // namespace pelton::io
