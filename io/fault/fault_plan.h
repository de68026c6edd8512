// From a seed to decisions: what befalls the n-th operation.
//
// A decision depends on the options, the operation's number and its kind, and on nothing else: what
// the kernel does meanwhile does not shift the decisions for what follows.
//
// Shard affinity: a value. Cost: O(1), no allocation.

#ifndef PELTON_IO_FAULT_FAULT_PLAN_H_
#define PELTON_IO_FAULT_FAULT_PLAN_H_

#include <cstdint>
#include <span>

#include "io/fault/fault_options.h"
#include "io/operation.h"

namespace pelton::io {

// What befalls one operation. Zeros: nothing.
struct FaultDecision {
  uint32_t submit_after = 0;    // turns
  uint32_t complete_after = 0;  // turns, of each of its completions
  uint32_t cancel_after = 0;    // turns
  uint32_t end_after = 0;       // completions after which a multishot operation ends early
  int error = 0;  // an errno that it fails with; with end_after at that end, else at once
  bool is_short = false;
  bool withdraws = false;  // a cancellation that comes after a result that may be dropped drops it
  uint64_t fraction = 0;   // random; for how short
};

class FaultPlan {
 public:
  explicit FaultPlan(const FaultOptions& options) : options_(options) {}

  // The decision for the next operation.
  FaultDecision Next(OperationKind kind, bool multishot);
  // Whether the next wait ends for no reason.
  bool NextWaitIsSpurious();

 private:
  const FaultOptions options_;
  uint64_t operations_ = 0;
  uint64_t waits_ = 0;
};

// The errnos, visible to the owner, that a kind may fail with on a working machine.
std::span<const int> VisibleErrors(OperationKind kind);
// The same of those that a correct owner answers by trying again.
std::span<const int> Interruptions(OperationKind kind);
// Whether an error says that a connection is no more.
bool EndsConnection(int error);
// Whether a kind transfers a number of bytes that may be less than was asked for.
bool MayBeShort(OperationKind kind);
// Whether what a completed operation of this kind did may be forgotten: it has changed nothing.
bool MayBeWithdrawn(OperationKind kind);

// How many of `bytes` a short transfer moves: from 1 to bytes - 1, often very few.
// REQUIRES: bytes > 1.
uint64_t ShortLength(uint64_t bytes, uint64_t fraction);

}  // namespace pelton::io

#endif  // PELTON_IO_FAULT_FAULT_PLAN_H_
