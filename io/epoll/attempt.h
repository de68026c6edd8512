// One try at an operation: its system call, made so that it cannot block. Private to the epoll
// driver.
//
// Shard affinity: any thread. Cost: one system call, no allocation.

#ifndef PELTON_IO_EPOLL_ATTEMPT_H_
#define PELTON_IO_EPOLL_ATTEMPT_H_

#include <climits>
#include <cstddef>
#include <cstdint>

#include "io/chunk.h"
#include "io/operation.h"

namespace pelton::io {

// The result of an attempt whose descriptor is not ready. No errno, because connect(2) may fail
// with EAGAIN.
inline constexpr int kNotReady = INT_MIN;

// What came of an attempt.
struct AttemptOutcome {
  int result;  // as in Completion, or kNotReady
  uint16_t chunk = Completion::kNoChunk;
  bool is_short = false;  // moved fewer bytes than were asked for
};

// Tries `operation`, which must be of a kind that can have to wait. A kReceiveChunk takes its chunk
// from `chunks`, and fails with -ENOBUFS when there is none.
// kStreamRead and kStreamWrite of what epoll(7) cannot watch come out as kNotReady, too.
AttemptOutcome Attempt(const Operation& operation, ChunkPool& chunks);

// Accepts a connection on `descriptor`. REQUIRES: the descriptor does not block.
int AttemptAccept(int descriptor);

}  // namespace pelton::io

#endif  // PELTON_IO_EPOLL_ATTEMPT_H_
