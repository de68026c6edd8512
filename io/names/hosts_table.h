// Names that this machine knows by itself: what /etc/hosts says.
//
// Shard affinity: none; one thread at a time. COST: two maps.
// Source: hosts(5).

#ifndef PELTON_IO_NAMES_HOSTS_TABLE_H_
#define PELTON_IO_NAMES_HOSTS_TABLE_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "io/socket_address.h"

namespace pelton::io {

class HostsTable {
 public:
  // Reads the text of a hosts file. What it does not understand it passes over: a wrong line or
  // name does not take the others along.
  static HostsTable Parse(std::string_view text);

  // The addresses of `name`, which is in lower case without a dot at the end, in the file's order
  // and of port 0; none when the file does not have it.
  std::span<const SocketAddress> AddressesOf(const std::string& name) const;
  // The names of an address of port 0, the canonical one first.
  std::span<const std::string> NamesOf(const SocketAddress& address) const;

  // How many names there are.
  size_t size() const { return addresses_.size(); }

 private:
  absl::flat_hash_map<std::string, std::vector<SocketAddress>> addresses_;
  absl::flat_hash_map<SocketAddress, std::vector<std::string>> names_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_HOSTS_TABLE_H_
