#include "io/stream/stream_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

#include "framework/base/check.h"
#include "framework/base/status.h"
#include "sched/scheduler.h"

namespace pelton::io {

namespace {

// Sends that the kernel copied after all, one after the other, after which the shard expects it of
// the routes that it has, and asks only for one of kAskAgain sends.
constexpr uint64_t kCopiedLimit = 16;
constexpr uint64_t kAskAgain = 256;

}  // namespace

StreamConnection::StreamConnection(int descriptor, bool receives_ahead, bool may_skip_copy,
                                   ConnectionCount* count)
    : Operation(OperationKind::kReceiveChunk), may_skip_copy_(may_skip_copy), count_(count) {
  Operation::descriptor = descriptor;
  Operation::multishot = receives_ahead && Reactor::Current()->options().multishot_receive;
  ++Reactor::Current()->statistics().connections_opened;
}

StreamConnection::~StreamConnection() {
  ++Reactor::Current()->statistics().connections_closed;
  if (count_ != nullptr) count_->fetch_sub(1, std::memory_order_relaxed);
}

void StreamConnection::Abandon() {
  PELTON_CHECK(!has_reader() && !writing_) << "a stream was destroyed during a read or a write";
  abandoned_ = true;
  DropInput();
  if (Operation::idle()) {
    Close();
  } else {
    Reactor::Current()->Cancel(*this);
  }
}

void StreamConnection::Close() {
  Operation::kind = OperationKind::kClose;
  Reactor::Current()->Start(*this);
}

void StreamConnection::OnCompletion(const Completion& completion) {
  if (Operation::kind == OperationKind::kClose) {
    delete this;  // whatever close(2) said, the descriptor is gone
    return;
  }
  if (abandoned_) {
    if (completion.chunk != Completion::kNoChunk) {
      Reactor::Current()->chunks().Release(completion.chunk);
    }
    if (!completion.more) Close();
    return;
  }
  if (completion.result > 0) {
    PushChunk(completion.chunk, completion.result);
    // Stop receiving; reading on starts it again.
    if (completion.more && input_chunks_ >= kInputLimit) Reactor::Current()->Cancel(*this);
  } else if (completion.result == 0) {
    ended_ = true;
  } else if (completion.result != -ECANCELED && completion.result != -EINTR) {
    ended_ = true;
    error_ = -completion.result;
  }
  if (waiter_ == nullptr) return;
  if (HasInput()) {
    std::exchange(waiter_, nullptr)->OnInput();
  } else if (!completion.more) {
    StartReceiving();  // it had paused
  }
}

void StreamConnection::StartReceiving() {
  if (Operation::idle()) Reactor::Current()->Start(*this);
}

void StreamConnection::AwaitInput(InputWaiter* waiter) {
  PELTON_DCHECK(!HasInput() && waiter_ == nullptr);
  waiter_ = waiter;
  StartReceiving();
}

void StreamConnection::PushChunk(uint16_t chunk, int bytes) {
  ChunkPool& chunks = Reactor::Current()->chunks();
  chunks.slot(chunk) = {.next = 0, .begin = 0, .end = static_cast<uint16_t>(bytes)};
  if (input_chunks_ == 0) {
    first_chunk_ = chunk;
  } else {
    chunks.slot(last_chunk_).next = chunk;
  }
  last_chunk_ = chunk;
  ++input_chunks_;
}

void StreamConnection::PopChunk() {
  first_chunk_ = Reactor::Current()->chunks().slot(first_chunk_).next;
  --input_chunks_;
}

void StreamConnection::DropInput() {
  while (input_chunks_ > 0) {
    const uint16_t chunk = first_chunk_;
    PopChunk();
    Reactor::Current()->chunks().Release(chunk);
  }
}

absl::StatusOr<Chunk> StreamConnection::TakeChunk() {
  if (input_chunks_ == 0) {
    if (error_ != 0) return Error(error_, "read from");
    return Chunk();
  }
  ChunkPool& chunks = Reactor::Current()->chunks();
  const uint16_t chunk = first_chunk_;
  const ChunkPool::Slot slot = chunks.slot(chunk);
  PopChunk();
  return Chunk(chunks, chunk,
               {chunks.data(chunk) + slot.begin, static_cast<size_t>(slot.end - slot.begin)});
}

absl::StatusOr<size_t> StreamConnection::TakeBytes(std::span<char> target) {
  if (input_chunks_ == 0) {
    if (error_ != 0) return Error(error_, "read from");
    return 0;
  }
  ChunkPool& chunks = Reactor::Current()->chunks();
  const uint16_t chunk = first_chunk_;
  const ChunkPool::Slot& slot = chunks.slot(chunk);
  const size_t count = std::min<size_t>(target.size(), slot.end - slot.begin);
  std::memcpy(target.data(), chunks.data(chunk) + slot.begin, count);
  DropBytes(count);
  return count;
}

void StreamConnection::DropBytes(size_t count) {
  ChunkPool& chunks = Reactor::Current()->chunks();
  const uint16_t chunk = first_chunk_;
  ChunkPool::Slot& slot = chunks.slot(chunk);
  PELTON_DCHECK(input_chunks_ > 0 && count <= static_cast<size_t>(slot.end - slot.begin));
  slot.begin = static_cast<uint16_t>(slot.begin + count);
  if (slot.begin < slot.end) return;
  PopChunk();
  chunks.Release(chunk);
}

absl::StatusOr<std::string_view> StreamConnection::PeekBytes() const {
  if (input_chunks_ == 0) {
    if (error_ != 0) return Error(error_, "read from");
    return std::string_view();
  }
  ChunkPool& chunks = Reactor::Current()->chunks();
  const ChunkPool::Slot& slot = chunks.slot(first_chunk_);
  return std::string_view(chunks.data(first_chunk_) + slot.begin,
                          static_cast<size_t>(slot.end - slot.begin));
}

bool StreamConnection::MaySkipCopyHere() {
  Reactor::Statistics& statistics = Reactor::Current()->statistics();
  if (statistics.zero_copy_copied_in_a_row < kCopiedLimit) return true;
  return ++statistics.zero_copy_declined % kAskAgain == 0;
}

void StreamConnection::OnZeroCopySent(bool copied) {
  Reactor::Statistics& statistics = Reactor::Current()->statistics();
  ++statistics.zero_copy_sends;
  if (!copied) {
    statistics.zero_copy_copied_in_a_row = 0;
    return;
  }
  may_skip_copy_ = false;
  ++statistics.zero_copy_copied;
  ++statistics.zero_copy_copied_in_a_row;
}

void StreamConnection::Disconnect() {
  sockaddr nowhere = {};
  nowhere.sa_family = AF_UNSPEC;
  // When it fails there is no connection any more.
  [[maybe_unused]] const int result = ::connect(descriptor(), &nowhere, sizeof(nowhere));
}

absl::Status StreamConnection::Error(int error_number, std::string_view operation) const {
  std::ostringstream peer;
  DescribePeer(peer);
  return ErrnoToStatus(error_number, operation, peer.str());
}

absl::Status StreamConnection::OperationError(int error_number, std::string_view operation) const {
  const TaskContext& flow = Scheduler::Current()->current_context();
  if (error_number == ECANCELED && flow.StoppedFrom(StopPhase::kAccepting)) {
    return flow.StopStatus();
  }
  return Error(error_number, operation);
}

}  // namespace pelton::io
