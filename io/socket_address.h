// The address of an IPv4 or IPv6 endpoint: a host and a port, as the kernel's calls take it.
//
// A plain value of 28 bytes, trivially copyable, without shard affinity. It never resolves names: a
// resolver does that.
//
// Invariants
//  1. The family is AF_INET or AF_INET6.
//  2. What has no meaning is zero (padding, flow information, the scope of an address that has
//     none), so equal addresses have equal bytes.
//  3. Parse(address.ToString()) gives the address back, unless a network interface is renamed in
//     between.
//
// Cost: no allocation but for ToString and errors; no system call but where a scope or a descriptor
// is looked up.
//
//   PELTON_ASSIGN_OR_RETURN(SocketAddress address, SocketAddress::Parse("[::1]:7000"));
//   bind(fd, address.data(), address.size());

#ifndef PELTON_IO_SOCKET_ADDRESS_H_
#define PELTON_IO_SOCKET_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"

namespace pelton {

// The address of one TCP or UDP endpoint over IPv4 or IPv6.
class SocketAddress {
 public:
  // 0.0.0.0:0, any IPv4 address and any port.
  SocketAddress();

  // Reads HOST:PORT. HOST is one of
  //   1.2.3.4            IPv4, four decimal numbers
  //   [::1]              IPv6, in brackets
  //   [fe80::1%eth0]     IPv6 link-local, with the interface's name or its index
  //   * or nothing       any IPv4 address (0.0.0.0): "*:80" and ":80"
  // and PORT is a decimal number from 0 (the kernel chooses) to 65535. "[::]:80" is any IPv6
  // address; whether a listener on it takes IPv4 peers as well (dual-stack) is a property of the
  // listening socket (IPV6_V6ONLY), not of the address.
  // ERRORS: InvalidArgument names the part that is wrong and what was expected there; NotFound for
  // a scope that names no network interface.
  static absl::StatusOr<SocketAddress> Parse(std::string_view text);

  // The address that a kernel call has written to `address`, `size` bytes long (0: none).
  // ERRORS: InvalidArgument when the family is another one, or when `size` is too small for it.
  static absl::StatusOr<SocketAddress> FromSockaddr(const sockaddr* address, socklen_t size);

  // 127.0.0.1 with `port`.
  static SocketAddress Loopback(uint16_t port);

  // What bind, connect and sendto take. The pointer lives as long as this object.
  const sockaddr* data() const { return &storage_.any; }
  socklen_t size() const { return IsIpv6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in); }

  // AF_INET or AF_INET6.
  int family() const { return storage_.any.sa_family; }
  bool IsIpv6() const { return family() == AF_INET6; }

  // In host byte order.
  uint16_t port() const;
  // The same host with another port.
  SocketAddress WithPort(uint16_t port) const;

  // As Parse reads it, such as "127.0.0.1:80" or "[fe80::1%eth0]:80" (the index stands for an
  // interface that is gone). COST: allocates; for an address with a scope, system calls.
  std::string ToString() const;

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) {
    return a.family() == b.family() && std::memcmp(&a.storage_, &b.storage_, a.size()) == 0;
  }
  template <typename H>
  friend H AbslHashValue(H state, const SocketAddress& address) {
    return H::combine_contiguous(std::move(state),
                                 reinterpret_cast<const unsigned char*>(&address.storage_),
                                 address.size());
  }
  friend std::ostream& operator<<(std::ostream& out, const SocketAddress& address) {
    return out << address.ToString();
  }

 private:
  static SocketAddress OfIpv4(in_addr host, uint16_t port);
  static SocketAddress OfIpv6(const in6_addr& host, uint32_t scope, uint16_t port);
  static absl::StatusOr<SocketAddress> ParseIpv4(std::string_view text, std::string_view host,
                                                 uint16_t port);
  static absl::StatusOr<SocketAddress> ParseIpv6(std::string_view text, std::string_view host,
                                                 uint16_t port);

  union Storage {
    sockaddr any;
    sockaddr_in ipv4;
    sockaddr_in6 ipv6;
  };
  Storage storage_;
};

static_assert(sizeof(SocketAddress) == 28);
static_assert(std::is_trivially_copyable_v<SocketAddress>);

// The address that the socket `fd` is bound to, with the port that the kernel chose.
// ERRORS: the errno of getsockname; InvalidArgument for a socket that is neither IPv4 nor IPv6.
// COST: a system call.
absl::StatusOr<SocketAddress> LocalAddressOf(int fd);

// The address that the socket `fd` is connected to.
// ERRORS: the errno of getpeername, ENOTCONN among them; InvalidArgument for a socket that is
// neither IPv4 nor IPv6.
// COST: a system call.
absl::StatusOr<SocketAddress> PeerAddressOf(int fd);

}  // namespace pelton

#endif  // PELTON_IO_SOCKET_ADDRESS_H_
