// Resolver: finds out what names stand for, by asking name servers.
//
//   Resolver resolver;
//   PELTON_CO_ASSIGN_OR_RETURN(ResolvedAddresses addresses, co_await resolver.Resolve("example.com", 80));
//   for (const SocketAddress& address : addresses) ...
//
// It goes by /etc/resolv.conf and /etc/hosts, which are read on a thread that may block, and again
// when they have changed; asks by means of c-ares without any thread; and keeps answers, also those
// that say no, for as long as the servers allow. To connect by name see connect_by_name.h.
//
// Shard affinity: the shard that makes it; each shard has one of its own, and nothing is shared.
// Ownership: the user's. Destroying it is allowed at any time and never blocks: who still waits is
// told CANCELLED, and its sockets close themselves when the kernel has let go of them.
// Invariants: 1. one question is on its way once, however many tasks wait for it; 2. a task that is
// told to stop gets its stop status at once, and the others that wait with it theirs when it comes;
// 3. what is not known within the servers' time-outs fails with DEADLINE_EXCEEDED; WithTimeout()
// (sched/deadline.h) bounds it more tightly.
// Errors: NOT_FOUND for a name, or a record, that does not exist; UNAVAILABLE when servers fail,
// refuse, cannot be reached or answer what cannot be read; DEADLINE_EXCEEDED when none answers;
// RESOURCE_EXHAUSTED when too many questions are on their way; INVALID_ARGUMENT for what is no name.
// Each names the name, and the servers that were asked.
// Out of scope: internationalised names (IDNA), DNSSEC, nsswitch.conf, mDNS.
// Cost: what is known already costs a hash and a copy of the result.

#ifndef PELTON_IO_NAMES_RESOLVER_H_
#define PELTON_IO_NAMES_RESOLVER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/names/dns_records.h"
#include "io/names/resolver_core.h"
#include "io/names/resolver_options.h"
#include "io/names/upstream.h"
#include "io/socket_address.h"
#include "sched/task.h"

namespace pelton {

// The best first (RFC 6724).
using ResolvedAddresses = std::vector<SocketAddress>;

class Resolver {
 public:
  using Options = ResolverOptions;
  using Statistics = ResolverStatistics;

  Resolver() : Resolver(Options()) {}
  explicit Resolver(const Options& options);
  // With something else that asks the servers, for tests.
  Resolver(const Options& options, const io::UpstreamFactory& factory);
  ~Resolver() { core_->Close(); }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // The addresses of `name`, with `port`: at least one. The name may be an address itself (1.2.3.4,
  // ::1, fe80::1%eth0), which asks nobody; a name that ends in a dot is not searched for in domains.
  // Names of hosts(5) and localhost ask nobody either.
  Task<absl::StatusOr<ResolvedAddresses>> Resolve(std::string_view name, uint16_t port,
                                                  AddressFamily family = AddressFamily::kAny);
  // The same with a service of services(5) over TCP, such as "https", or a number. ERRORS:
  // NOT_FOUND for a service that is not known. COST: the service is looked up on a thread that may
  // block.
  Task<absl::StatusOr<ResolvedAddresses>> Resolve(std::string_view name, std::string_view service,
                                                  AddressFamily family = AddressFamily::kAny);

  // The SRV records of `name`, such as _ldap._tcp.example.com, in the order in which to try them:
  // by priority, and at random by weight within one (RFC 2782). Neither this nor the following
  // search in domains.
  Task<absl::StatusOr<std::vector<SrvRecord>>> LookUpServices(std::string_view name);
  // The TXT records of `name`; the pieces of each are put together. Any bytes.
  Task<absl::StatusOr<std::vector<std::string>>> LookUpTexts(std::string_view name);
  // The MX records of `name`, the most preferred first.
  Task<absl::StatusOr<std::vector<MxRecord>>> LookUpMailExchanges(std::string_view name);
  // The names of an address, from hosts(5) or by its PTR records. Whoever owns the address says so:
  // it proves nothing.
  Task<absl::StatusOr<std::vector<std::string>>> LookUpNames(const SocketAddress& address);

  Statistics statistics() const { return core_->GetStatistics(); }
  // What went wrong when resolv.conf and hosts were read last; what had been read before holds on.
  const absl::Status& files_status() const { return core_->files_status(); }

  // For ConnectByName().
  const io::ResolverCore::Hold& core() const { return core_; }

 private:
  const io::ResolverCore::Hold core_;
};

}  // namespace pelton

#endif  // PELTON_IO_NAMES_RESOLVER_H_
