// What io_uring can on the running kernel. Each capability is found by trying it, can be turned off,
// and has a substitute that passes the same tests.
//
// Shard affinity: a value.

#ifndef PELTON_IO_URING_CAPABILITIES_H_
#define PELTON_IO_URING_CAPABILITIES_H_

#include <span>
#include <string_view>

#include "absl/status/status.h"

namespace pelton::io {

// Which are wanted, or which are there. What is not there is substituted as the table of
// AllCapabilities() says.
struct UringCapabilities {
  bool deferred_work = true;
  bool registered_ring = true;
  bool no_iowait = true;
  bool multishot_accept = true;
  bool multishot_receive = true;
  bool multishot_receive_message = true;
  bool multishot_poll = true;
  bool buffer_ring = true;
  bool message_ring = true;
  bool direct_descriptors = true;
  bool send_zero_copy = true;
  bool file_operations = true;
  bool path_operations = true;
  bool truncate = true;
  bool splice = true;
  bool worker_limits = true;
  bool busy_poll = true;
  bool registered_buffers = true;
};

// A capability as people see it.
struct CapabilityDescription {
  const char* name;  // in --without= and in reports
  bool UringCapabilities::* member;
  const char* instead;  // what is used without it
  const char* cost;     // what that costs
};
std::span<const CapabilityDescription> AllCapabilities();

// Turns off the capabilities that `names` lists, separated by commas. ERRORS: InvalidArgument names
// the one that is not known, and those that are.
absl::Status TurnOffCapabilities(std::string_view names, UringCapabilities& capabilities);

}  // namespace pelton::io

#endif  // PELTON_IO_URING_CAPABILITIES_H_
