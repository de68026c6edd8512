// Receives the messages that have arrived on a socket into the shard's chunks, many by one system
// call: what the drivers do for a multishot kReceiveMessageChunk.
//
// Shard affinity: the reactor's. Cost: a system call for up to 64 messages; no allocation.

#ifndef PELTON_IO_MESSAGE_BATCH_H_
#define PELTON_IO_MESSAGE_BATCH_H_

#include <cstddef>

#include "io/operation.h"
#include "io/reactor.h"

namespace pelton::io {

// Messages that one multishot receive delivers in a turn, about: a flooded socket leaves the others
// their part.
inline constexpr size_t kMessagesPerTurn = 64;

// Whether few messages end a batch, or only finding none does: an error may have cut a batch short,
// which a poll still tells of, and an edge-triggered epoll(7) does not.
enum class BatchEnd { kWhenShort, kWhenEmpty };

// Delivers the messages of `operation`, a multishot kReceiveMessageChunk in flight, as completions
// that others follow. Returns 0 when there are no more, 1 when there may be (the turn's part is
// full, or the operation was cancelled meanwhile), or the negative errno that ends it: -ENOBUFS
// when there is no free chunk.
int ReceiveMessageBatch(Reactor& reactor, Operation& operation, BatchEnd end);

}  // namespace pelton::io

#endif  // PELTON_IO_MESSAGE_BATCH_H_
