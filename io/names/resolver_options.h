// How a Resolver works, and what it has done. See resolver.h.

#ifndef PELTON_IO_NAMES_RESOLVER_OPTIONS_H_
#define PELTON_IO_NAMES_RESOLVER_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "io/socket_address.h"

namespace pelton {

// Which addresses of a name are wanted.
enum class AddressFamily : uint8_t { kAny, kIpv4, kIpv6 };

struct ResolverOptions {
  // The files that say whom to ask, and which names are known without asking. Empty: none; without
  // both, no file is ever read.
  std::string resolv_conf = "/etc/resolv.conf";
  std::string hosts = "/etc/hosts";
  // How long the files are believed before it is looked whether they have changed. The lookup that
  // comes first after that waits for it (on a thread of the blocking pool).
  absl::Duration reload_interval = absl::Seconds(5);

  // In the place of what resolv.conf says, where they are set.
  std::vector<SocketAddress> servers;
  std::optional<std::vector<std::string>> search;  // domains
  std::optional<int> ndots;
  std::optional<absl::Duration> timeout;  // of the first attempt; doubles with each round
  std::optional<int> attempts;            // rounds over all servers, at least 1

  // Answers that are kept, and bounds of how long, whatever the servers say.
  size_t most_cached = 4096;
  absl::Duration min_ttl = absl::ZeroDuration();
  absl::Duration max_ttl = absl::Hours(24);
  absl::Duration max_negative_ttl = absl::Minutes(5);  // of answers that say no

  // Questions that may be on their way at once; one more fails with RESOURCE_EXHAUSTED.
  size_t most_queries = 1024;
};

struct ResolverStatistics {
  uint64_t hits = 0;         // questions answered from the cache
  uint64_t misses = 0;       // and not
  uint64_t joined = 0;       // misses that waited for a question that was on its way already
  uint64_t queries = 0;      // questions that servers were asked
  uint64_t requests = 0;     // sent to servers for them: datagrams, and writes to TCP connections
  uint64_t retries = 0;      // requests beyond the first of a question
  uint64_t timeouts = 0;     // requests that were not answered in time
  uint64_t failures = 0;     // questions that no server answered with yes or no
  uint64_t evictions = 0;    // answers that were dropped because the cache was full
  uint64_t file_loads = 0;   // times that resolv.conf or hosts was read
  uint64_t file_errors = 0;  // times that one of them could not be read
  size_t cached = 0;         // answers that are kept now
  size_t in_flight = 0;      // questions that are on their way now
};

}  // namespace pelton

#endif  // PELTON_IO_NAMES_RESOLVER_OPTIONS_H_
