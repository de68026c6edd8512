// Hosts that are given by their address, so that nobody has to be asked.
//
// Shard affinity: none. COST: no allocation but for errors; a scope is looked up by system calls.

#ifndef PELTON_IO_NAMES_NUMERIC_HOST_H_
#define PELTON_IO_NAMES_NUMERIC_HOST_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "io/socket_address.h"

namespace pelton::io {

// Whether `host` can only be meant as an address: it has a colon, a percent sign or a bracket, or
// its last label is a number, which no name has (RFC 3696 section 2).
bool LooksNumeric(std::string_view host);

// Reads 1.2.3.4, ::1, [::1], fe80::1%eth0. ERRORS: as SocketAddress::Parse.
absl::StatusOr<SocketAddress> ParseNumericHost(std::string_view host, uint16_t port);

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_NUMERIC_HOST_H_
