// Does a file operation at once, by its system call, which may block.
//
// For threads of the blocking pool; on a shard only where nothing else is to be had (a simulation
// without a pool).
//
// Shard affinity: any thread. COST: the system call; no allocation.

#ifndef PELTON_IO_CALL_NOW_H_
#define PELTON_IO_CALL_NOW_H_

#include "io/file_operation.h"

namespace pelton::io {

// Returns the result as in Completion, a negative errno when the call failed. Goes on after EINTR.
// REQUIRES: `operation` is of a file kind, or kStreamRead or kStreamWrite, for which there is no
// FileOperation.
int CallNow(const Operation& operation);

}  // namespace pelton::io

#endif  // PELTON_IO_CALL_NOW_H_
