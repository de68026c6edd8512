#include "io/names/numeric_host.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "framework/base/strings.h"
#include "io/names/dns_name.h"

namespace pelton::io {

bool LooksNumeric(std::string_view host) {
  if (host.find_first_of(":%[]") != host.npos) return true;
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  const size_t dot = host.rfind('.');
  const std::string_view last = dot == host.npos ? host : host.substr(dot + 1);
  return !last.empty() && std::all_of(last.begin(), last.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
}

absl::StatusOr<SocketAddress> ParseNumericHost(std::string_view host, uint16_t port) {
  if (host.empty() || host == "*") {
    return absl::InvalidArgumentError(
        absl::StrCat("host ", QuotedName(host), ": expected an address or a name"));
  }
  const bool needs_brackets = host.front() != '[' && host.find(':') != host.npos;
  return SocketAddress::Parse(std::string(needs_brackets
                                              ? absl::StrCat("[", ToAbsl(host), "]:", port)
                                              : absl::StrCat(ToAbsl(host), ":", port)));
}

}  // namespace pelton::io
