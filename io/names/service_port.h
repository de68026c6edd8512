// The ports of services that are given by name.
//
// Shard affinity: any shard. Source: services(5), getservbyname_r(3).

#ifndef PELTON_IO_NAMES_SERVICE_PORT_H_
#define PELTON_IO_NAMES_SERVICE_PORT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "sched/task.h"

namespace pelton::io {

// The port of a service over TCP: a decimal number from 0 to 65535, or a name that is looked up on
// a thread that may block. ERRORS: NOT_FOUND for a name that nobody knows; INVALID_ARGUMENT for what
// is neither.
Task<absl::StatusOr<uint16_t>> LookUpServicePort(std::string service);

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_SERVICE_PORT_H_
