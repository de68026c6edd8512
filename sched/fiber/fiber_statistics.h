// What the fibers of this thread's shards take.

#ifndef PELTON_SCHED_FIBER_FIBER_STATISTICS_H_
#define PELTON_SCHED_FIBER_FIBER_STATISTICS_H_

#include <cstddef>
#include <cstdint>

namespace pelton {

// Of the calling thread: a stepped runtime runs several shards on one thread, and they share.
struct FiberStatistics {
  uint64_t started = 0;          // fibers that began to run, ever
  uint64_t live = 0;             // of these, those that have not ended
  uint64_t stacks = 0;           // mapped now, in use or kept for reuse
  uint64_t free_stacks = 0;      // of these, those kept for reuse
  uint64_t mapped_bytes = 0;     // addresses of all stacks, without guards
  uint64_t resident_bytes = 0;   // memory of all stacks
  uint64_t most_used_bytes = 0;  // of one stack, ever: the high-water mark, in whole pages
};

// COST: one system call (mincore) for each stack that is mapped: about 0.3 µs each.
FiberStatistics GetFiberStatistics();

}  // namespace pelton

#endif  // PELTON_SCHED_FIBER_FIBER_STATISTICS_H_
