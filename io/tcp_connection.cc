#include "io/tcp_connection.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "framework/base/check.h"
#include "framework/base/status.h"

namespace pelton::io {

TcpConnection::TcpConnection(int descriptor, const SocketAddress& peer)
    : Operation(OperationKind::kReceiveChunk), peer_(peer) {
  Operation::descriptor = descriptor;
  Operation::multishot = Reactor::Current()->options().multishot_receive;
  ++Reactor::Current()->statistics().connections_opened;
}

TcpConnection::~TcpConnection() { ++Reactor::Current()->statistics().connections_closed; }

void TcpConnection::Abandon() {
  PELTON_CHECK(!has_reader() && !writing_) << "a TcpStream was destroyed during a read or a write";
  abandoned_ = true;
  DropInput();
  if (Operation::idle()) {
    Close();
  } else {
    Reactor::Current()->Cancel(*this);
  }
}

void TcpConnection::Close() {
  Operation::kind = OperationKind::kClose;
  Reactor::Current()->Start(*this);
}

void TcpConnection::OnCompletion(const Completion& completion) {
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

void TcpConnection::StartReceiving() {
  if (Operation::idle()) Reactor::Current()->Start(*this);
}

void TcpConnection::AwaitInput(InputWaiter* waiter) {
  PELTON_DCHECK(!HasInput() && waiter_ == nullptr);
  waiter_ = waiter;
  StartReceiving();
}

void TcpConnection::PushChunk(uint16_t chunk, int bytes) {
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

void TcpConnection::PopChunk() {
  first_chunk_ = Reactor::Current()->chunks().slot(first_chunk_).next;
  --input_chunks_;
}

void TcpConnection::DropInput() {
  while (input_chunks_ > 0) {
    const uint16_t chunk = first_chunk_;
    PopChunk();
    Reactor::Current()->chunks().Release(chunk);
  }
}

absl::StatusOr<Chunk> TcpConnection::TakeChunk() {
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

absl::StatusOr<size_t> TcpConnection::TakeBytes(std::span<char> target) {
  if (input_chunks_ == 0) {
    if (error_ != 0) return Error(error_, "read from");
    return 0;
  }
  ChunkPool& chunks = Reactor::Current()->chunks();
  const uint16_t chunk = first_chunk_;
  ChunkPool::Slot& slot = chunks.slot(chunk);
  const size_t count = std::min<size_t>(target.size(), slot.end - slot.begin);
  std::memcpy(target.data(), chunks.data(chunk) + slot.begin, count);
  slot.begin = static_cast<uint16_t>(slot.begin + count);
  if (slot.begin == slot.end) {
    PopChunk();
    chunks.Release(chunk);
  }
  return count;
}

absl::Status TcpConnection::Error(int error_number, std::string_view operation) const {
  return ErrnoToStatus(error_number, operation, peer_.ToString());
}

}  // namespace pelton::io
