// Finds the addresses of a host, family by family, as they become known: what Resolver::Resolve()
// and ConnectByName() have in common.
//
// Shard affinity: the resolver's.

#ifndef PELTON_IO_NAMES_ADDRESS_LOOKUP_H_
#define PELTON_IO_NAMES_ADDRESS_LOOKUP_H_

#include <span>
#include <string>

#include "absl/status/status.h"
#include "io/names/resolver_core.h"
#include "io/names/resolver_options.h"
#include "io/socket_address.h"
#include "sched/task.h"

namespace pelton::io {

// Who is told of addresses.
class AddressSink {
 public:
  // Some of the host's addresses are known, of port 0; of one family, or of all that there are. With
  // none: nothing is known of this family under the name that was asked for last.
  virtual void OnAddresses(int family, std::span<const SocketAddress> addresses) = 0;

 protected:
  ~AddressSink() = default;
};

// Looks a host up: as an address, in hosts, as localhost, by its name in each domain. Tells `sink`,
// which must outlive the task. OK when at least one address is known. ERRORS: as
// Resolver::Resolve().
Task<absl::Status> LookUpAddresses(ResolverCore::Hold core, std::string host, AddressFamily family,
                                   AddressSink& sink);

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_ADDRESS_LOOKUP_H_
