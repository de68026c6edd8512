// Names of the Domain Name System as text: what a user may ask for, and how names are compared.
//
// Shard affinity: none; pure. COST: one string.
// Source: RFC 1035 section 2.3.4 (lengths), RFC 1123 section 2.1 (characters); underscores as in RFC
// 2782. Internationalised names are not translated (IDNA is out of scope): pass their `xn--` form.

#ifndef PELTON_IO_NAMES_DNS_NAME_H_
#define PELTON_IO_NAMES_DNS_NAME_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace pelton::io {

inline constexpr size_t kLongestDnsName = 253;
inline constexpr size_t kLongestDnsLabel = 63;

struct DnsName {
  std::string text;       // in lower case, without a dot at the end
  bool absolute = false;  // ended in a dot: not to be searched for in domains
  int dots = 0;           // within `text`
};

// Checks a name that a user gave. ERRORS: InvalidArgument names the part that is wrong and what was
// expected there.
absl::StatusOr<DnsName> ParseDnsName(std::string_view text);

// Whether a label that came from the network may stand in a host name: anything else could be
// mistaken for something else by whoever prints it or hands it to a shell.
bool IsHostLabel(std::string_view label);

// `text` in lower case; only ASCII changes.
std::string LowerCase(std::string_view text);

// `text` in quotes, fit for one line of an error message, whatever bytes it has.
std::string QuotedName(std::string_view text);

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_DNS_NAME_H_
