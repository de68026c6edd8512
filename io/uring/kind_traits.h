// What the io_uring driver needs to know of each kind of operation.
//
// Shard affinity: none.

#ifndef PELTON_IO_URING_KIND_TRAITS_H_
#define PELTON_IO_URING_KIND_TRAITS_H_

#include "io/operation.h"
#include "io/uring_capabilities.h"

namespace pelton::io {

// The operation code of a kind; -1 when io_uring has none.
int OpcodeOf(OperationKind kind);

// Whether operations of this kind go to the blocking pool.
bool IsBlocking(OperationKind kind, const UringCapabilities& capabilities);

// Whether an operation's descriptor is one that it works on, so that it gains by a direct one.
bool WorksOnDescriptor(OperationKind kind);

// Whether the kernel gives an operation of this kind to one of its own threads when it would block,
// or always. Of these, measured on Linux 6.18, a write that needs no new block and an open of what
// is cached are done at once as a rule; reads and everything on sockets wait without a thread.
bool MayUseKernelWorker(OperationKind kind);

}  // namespace pelton::io

#endif  // PELTON_IO_URING_KIND_TRAITS_H_
