// Turns operations on files, paths and streams into submission entries.
//
// Shard affinity: the ring's. COST: stores into the entry.

#ifndef PELTON_IO_URING_PREPARE_H_
#define PELTON_IO_URING_PREPARE_H_

#include "io/file_operation.h"
#include "io/uring/abi.h"

namespace pelton::io {

// Fills in a cleared entry, but for its user data. REQUIRES: `operation` is of a file kind other
// than kCall.
void PrepareFileOperation(const FileOperation& operation, io_uring_sqe* entry);

}  // namespace pelton::io

#endif  // PELTON_IO_URING_PREPARE_H_
