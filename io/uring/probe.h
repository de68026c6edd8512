// Finds out what io_uring can on the running kernel, by trying it: versions lie, because vendors
// port features back.

#ifndef PELTON_IO_URING_PROBE_H_
#define PELTON_IO_URING_PROBE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "io/uring/ring.h"
#include "io/uring_capabilities.h"

namespace pelton::io {

struct UringProbe {
  UringCapabilities found;
  // Why each that was not found is not there, in the order of AllCapabilities(); empty where it is.
  std::vector<std::string> why_not;

  void NoteMissing(bool UringCapabilities::* member, const std::string& reason);
};

// Tries each capability on `ring`, which must be unused, with sockets that nobody else sees. COST:
// about 100 µs.
UringProbe ProbeCapabilities(Ring& ring);

// Lets the ring's waits look into the queues of network devices for so long. Returns 0 or a negative
// errno.
int RegisterBusyPoll(Ring& ring, uint32_t microseconds);
void UnregisterBusyPoll(Ring& ring);

}  // namespace pelton::io

#endif  // PELTON_IO_URING_PROBE_H_
