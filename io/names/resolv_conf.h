// Which name servers to ask, and how: what /etc/resolv.conf says.
//
// Shard affinity: none; pure. COST: linear in the text.
// Source: resolv.conf(5). Honoured: nameserver, domain, search, and the options ndots, timeout,
// attempts, rotate, edns0 and use-vc. Not: sortlist (addresses are sorted by RFC 6724), the other
// options, and the environment (LOCALDOMAIN, RES_OPTIONS).

#ifndef PELTON_IO_NAMES_RESOLV_CONF_H_
#define PELTON_IO_NAMES_RESOLV_CONF_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "io/socket_address.h"

namespace pelton::io {

struct ResolvConf {
  std::vector<SocketAddress> servers;  // in the order in which they are asked
  std::vector<std::string> domains;    // to search in, in lower case
  int ndots = 1;  // a name with as many dots is tried as it stands, before the domains
  absl::Duration timeout = absl::Seconds(5);  // of the first attempt; doubles with each round
  int attempts = 2;                           // rounds over all servers
  bool rotate = false;                        // questions take turns with the servers
  bool extended = false;                      // EDNS0: larger answers over UDP
  bool use_tcp = false;                       // always
};

// Reads the text of a resolv.conf. What it does not understand it passes over, as libc does: a wrong
// line does not take the others along. Without a server it is that of this host, 127.0.0.1.
ResolvConf ParseResolvConf(std::string_view text);

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_RESOLV_CONF_H_
