// Busy polling socket by socket, for drivers that cannot ask for it once: each socket gets
// SO_BUSY_POLL at its first operation, and a receive that finds nothing then looks into the queue of
// the network's device before it gives up.
//
// The kernel lets only CAP_NET_ADMIN ask for more than sysctl net.core.busy_read; who may not is
// told so in one line, and goes on without.
//
// Shard affinity: the driver's. COST: a system call for each socket; a look-up for each operation.
// Source: man socket(7), SO_BUSY_POLL.

#ifndef PELTON_IO_SOCKET_BUSY_POLL_H_
#define PELTON_IO_SOCKET_BUSY_POLL_H_

#include <cstdint>
#include <vector>

#include "io/operation.h"

namespace pelton::io {

class SocketBusyPoll {
 public:
  explicit SocketBusyPoll(uint32_t microseconds) : microseconds_(microseconds) {}

  bool on() const { return microseconds_ != 0; }
  // Before each operation. REQUIRES: on().
  void OnStart(const Operation& operation);
  // How many sockets it was set on.
  uint64_t sockets() const { return sockets_; }

 private:
  uint32_t microseconds_;
  uint64_t sockets_ = 0;
  std::vector<bool> seen_;  // descriptors, by number
};

}  // namespace pelton::io

#endif  // PELTON_IO_SOCKET_BUSY_POLL_H_
