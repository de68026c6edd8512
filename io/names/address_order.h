// In which order the addresses of a name are tried.
//
// Shard affinity: none. Source: RFC 6724 section 6 and its default policy table, with the scopes of
// IPv4 addresses of section 3.2. Rules 3, 4 and 7 (deprecated and home addresses, native transport)
// need what only the kernel knows of its addresses; rule 9 (longest common prefix) is applied to
// IPv6 alone, as libc and c-ares do.

#ifndef PELTON_IO_NAMES_ADDRESS_ORDER_H_
#define PELTON_IO_NAMES_ADDRESS_ORDER_H_

#include <optional>
#include <vector>

#include "io/socket_address.h"

namespace pelton::io {

// An address, and the own address that packets to it would come from; none when it cannot be
// reached.
struct Destination {
  SocketAddress address;
  std::optional<SocketAddress> source;
};

// The best first; equals stay in their order. Pure.
void OrderDestinations(std::vector<Destination>& destinations);

// The same, with the sources that the kernel's routes give. COST: when there is more than one
// address, a socket for each family and two system calls for each address, none of which waits.
void OrderAddresses(std::vector<SocketAddress>& addresses);

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_ADDRESS_ORDER_H_
