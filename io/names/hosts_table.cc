#include "io/names/hosts_table.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "io/names/dns_name.h"
#include "io/names/numeric_host.h"
#include "io/names/text_words.h"

namespace pelton::io {

HostsTable HostsTable::Parse(std::string_view text) {
  HostsTable table;
  while (!text.empty()) {
    std::string_view line = TakeLine(text);
    line = line.substr(0, line.find('#'));
    const absl::StatusOr<SocketAddress> address = ParseNumericHost(TakeWord(line), /*port=*/0);
    if (!address.ok()) continue;
    for (std::string_view word = TakeWord(line); !word.empty(); word = TakeWord(line)) {
      const absl::StatusOr<DnsName> name = ParseDnsName(word);
      if (!name.ok()) continue;
      std::vector<SocketAddress>& addresses = table.addresses_[name->text];
      if (std::find(addresses.begin(), addresses.end(), *address) == addresses.end()) {
        addresses.push_back(*address);
      }
      table.names_[*address].push_back(name->text);
    }
  }
  return table;
}

std::span<const SocketAddress> HostsTable::AddressesOf(const std::string& name) const {
  const auto found = addresses_.find(name);
  if (found == addresses_.end()) return {};
  return found->second;
}

std::span<const std::string> HostsTable::NamesOf(const SocketAddress& address) const {
  const auto found = names_.find(address);
  if (found == names_.end()) return {};
  return found->second;
}

}  // namespace pelton::io
