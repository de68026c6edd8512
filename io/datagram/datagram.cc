#include "io/datagram/datagram.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <time.h>

#include "absl/status/statusor.h"

namespace pelton {
namespace {

// An IPv6 socket reports what came over IPv4 by addresses of the form ::ffff:a.b.c.d.
SocketAddress AddressOf(int family, const void* host, size_t bytes) {
  sockaddr_in6 ipv6 = {};
  sockaddr_in ipv4 = {};
  absl::StatusOr<SocketAddress> address;
  if (family == AF_INET6) {
    ipv6.sin6_family = AF_INET6;
    std::memcpy(&ipv6.sin6_addr, host, bytes);
    address = SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&ipv6), sizeof(ipv6));
  } else {
    ipv4.sin_family = AF_INET;
    std::memcpy(&ipv4.sin_addr, host, bytes);
    address = SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&ipv4), sizeof(ipv4));
  }
  return *address;
}

}  // namespace

SocketAddress Datagram::sender() const {
  const absl::StatusOr<SocketAddress> address =
      SocketAddress::FromSockaddr(buffer_.name(), buffer_.name_bytes());
  return address.ok() ? *address : SocketAddress();
}

std::optional<SocketAddress> Datagram::local_address() const {
  if (in6_pktinfo six; buffer_.FindControl(IPPROTO_IPV6, IPV6_PKTINFO, six)) {
    return AddressOf(AF_INET6, &six.ipi6_addr, sizeof(six.ipi6_addr));
  }
  if (in_pktinfo four; buffer_.FindControl(IPPROTO_IP, IP_PKTINFO, four)) {
    return AddressOf(AF_INET, &four.ipi_addr, sizeof(four.ipi_addr));
  }
  return std::nullopt;
}

uint32_t Datagram::interface_index() const {
  if (in6_pktinfo six; buffer_.FindControl(IPPROTO_IPV6, IPV6_PKTINFO, six)) {
    return six.ipi6_ifindex;
  }
  if (in_pktinfo four; buffer_.FindControl(IPPROTO_IP, IP_PKTINFO, four)) {
    return static_cast<uint32_t>(four.ipi_ifindex);
  }
  return 0;
}

std::optional<Datagram::Congestion> Datagram::congestion() const {
  constexpr int kMask = 3;
  if (int traffic_class; buffer_.FindControl(IPPROTO_IPV6, IPV6_TCLASS, traffic_class)) {
    return static_cast<Congestion>(traffic_class & kMask);
  }
  if (uint8_t type; buffer_.FindControl(IPPROTO_IP, IP_TOS, type)) {
    return static_cast<Congestion>(type & kMask);
  }
  return std::nullopt;
}

std::optional<int> Datagram::hop_limit() const {
  int hops;
  if (buffer_.FindControl(IPPROTO_IPV6, IPV6_HOPLIMIT, hops)) return hops;
  if (buffer_.FindControl(IPPROTO_IP, IP_TTL, hops)) return hops;
  return std::nullopt;
}

std::optional<absl::Time> Datagram::received_at() const {
  timespec time;
  if (!buffer_.FindControl(SOL_SOCKET, SCM_TIMESTAMPNS, time)) return std::nullopt;
  return absl::TimeFromTimespec(time);
}

size_t Datagram::segment_bytes() const {
  int bytes;
  return buffer_.FindControl(SOL_UDP, UDP_GRO, bytes) ? static_cast<size_t>(bytes) : 0;
}

}  // namespace pelton
