// What the Domain Name System holds beside addresses, as Resolver hands it out.
//
// Plain values without shard affinity. Names in them are checked: letters, digits, '-', '_' and '.'
// alone, in lower case, without a dot at the end.

#ifndef PELTON_IO_NAMES_DNS_RECORDS_H_
#define PELTON_IO_NAMES_DNS_RECORDS_H_

#include <cstdint>
#include <string>

namespace pelton {

// A host that offers a service (RFC 2782).
struct SrvRecord {
  uint16_t priority = 0;  // the least is tried first
  uint16_t weight = 0;    // shares among those of one priority
  uint16_t port = 0;
  std::string target;  // a host's name; empty: the service is not offered

  friend bool operator==(const SrvRecord&, const SrvRecord&) = default;
};

// A host that takes a domain's mail (RFC 5321 section 5).
struct MxRecord {
  uint16_t preference = 0;  // the least is tried first
  std::string exchange;     // a host's name; empty: the domain takes no mail (RFC 7505)

  friend bool operator==(const MxRecord&, const MxRecord&) = default;
};

}  // namespace pelton

#endif  // PELTON_IO_NAMES_DNS_RECORDS_H_
