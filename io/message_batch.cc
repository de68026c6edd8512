#include "io/message_batch.h"

#include <cerrno>
#include <cstdint>

#include "io/chunk.h"
#include "io/message_chunk.h"

namespace pelton::io {
namespace {

// Room in the first call of a turn, which often finds few.
constexpr size_t kFirstRoom = 16;

// Chunks with messages in them.
struct Batch {
  uint16_t chunks[kMostMessages];
  int covered[kMostMessages];  // bytes, as in Completion
  size_t room = 0;
};

// Receives up to `most` messages. Returns how many, or a negative errno.
int Receive(const Operation& operation, ChunkPool& chunks, size_t most, Batch& batch) {
  char* memory[kMostMessages];
  batch.room = 0;
  while (batch.room < most && chunks.TryTake(batch.chunks[batch.room])) {
    memory[batch.room] = chunks.data(batch.chunks[batch.room]);
    ++batch.room;
  }
  if (batch.room == 0) return -ENOBUFS;
  const int result = ReceiveMessagesIntoChunks(
      operation.descriptor, *static_cast<const msghdr*>(operation.address), {memory, batch.room},
      ChunkPool::kChunkBytes, batch.covered);
  // Last in, first out: those that were not needed stay hot.
  const size_t used = result > 0 ? static_cast<size_t>(result) : 0;
  for (size_t i = batch.room; i > used; --i) chunks.Release(batch.chunks[i - 1]);
  return result;
}

}  // namespace

int ReceiveMessageBatch(Reactor& reactor, Operation& operation, BatchEnd end) {
  Batch batch;
  size_t most = kFirstRoom;
  for (size_t messages = 0; messages < kMessagesPerTurn;) {
    const int result = Receive(operation, reactor.chunks(), most, batch);
    if (result == -EAGAIN) return 0;
    if (result < 0) return result;
    for (int i = 0; i < result; ++i) {
      reactor.Complete(operation,
                       {.result = batch.covered[i], .more = true, .chunk = batch.chunks[i]});
    }
    if (operation.cancel_requested) return 1;
    messages += static_cast<size_t>(result);
    const bool is_short = static_cast<size_t>(result) < batch.room;
    if (is_short && end == BatchEnd::kWhenShort) return 0;
    most = kMessagesPerTurn - messages;
  }
  return 1;
}

}  // namespace pelton::io
