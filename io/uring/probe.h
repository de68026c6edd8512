// Finds out what io_uring can on the running kernel, by trying it: versions lie, because vendors
// port features back.

#ifndef PELTON_IO_URING_PROBE_H_
#define PELTON_IO_URING_PROBE_H_

#include "io/uring/ring.h"
#include "io/uring/uring_driver.h"

namespace pelton::io {

// Tries each capability on `ring`, which must be unused, with sockets that nobody else sees. COST:
// about 100 µs.
UringCapabilities ProbeCapabilities(Ring& ring);

}  // namespace pelton::io

#endif  // PELTON_IO_URING_PROBE_H_
