#include "io/datagram/udp_socket.h"

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"
#include "io/listener_registry.h"
#include "io/reactor.h"
#include "io/unix_socket_file.h"

namespace pelton {
namespace {

// The largest datagram that the kernel delivers, joined or not.
constexpr size_t kLargest = 65535;
constexpr size_t kNameRoom = 32;  // a sockaddr_in6, in whole words
static_assert(sizeof(sockaddr_in6) <= kNameRoom);

using Options = UdpSocket::Options;

absl::Status SetOption(int descriptor, int level, int option, int value, std::string_view name,
                       const SocketAddress& address) {
  if (::setsockopt(descriptor, level, option, &value, sizeof(value)) == 0) return absl::OkStatus();
  return ErrnoToStatus(errno, std::string("set ") + std::string(name) + " of", address.ToString());
}

// Asks the kernel for what is to be told of each datagram. Returns the room that it takes.
absl::StatusOr<size_t> AskForControl(int descriptor, const SocketAddress& address,
                                     const Options& options) {
  struct Wish {
    bool wanted;
    int ipv4_option;
    int ipv6_option;
    size_t bytes;
    const char* name;
  };
  const Wish wishes[] = {
      {options.receive_local_address, IP_PKTINFO, IPV6_RECVPKTINFO,
       std::max(sizeof(in_pktinfo), sizeof(in6_pktinfo)), "IP_PKTINFO"},
      {options.receive_congestion, IP_RECVTOS, IPV6_RECVTCLASS, sizeof(int), "IP_RECVTOS"},
      {options.receive_hop_limit, IP_RECVTTL, IPV6_RECVHOPLIMIT, sizeof(int), "IP_RECVTTL"},
  };
  size_t room = 0;
  for (const Wish& wish : wishes) {
    if (!wish.wanted) continue;
    // An IPv6 socket may get datagrams over IPv4, too: those are told of by either.
    room += CMSG_SPACE(wish.bytes) * (address.IsIpv6() ? 2 : 1);
    if (address.IsIpv6()) {
      PELTON_RETURN_IF_ERROR(
          SetOption(descriptor, IPPROTO_IPV6, wish.ipv6_option, 1, wish.name, address));
    }
    const absl::Status status =
        SetOption(descriptor, IPPROTO_IP, wish.ipv4_option, 1, wish.name, address);
    if (!address.IsIpv6()) PELTON_RETURN_IF_ERROR(status);
  }
  if (options.receive_time) {
    room += CMSG_SPACE(sizeof(timespec));
    PELTON_RETURN_IF_ERROR(
        SetOption(descriptor, SOL_SOCKET, SO_TIMESTAMPNS, 1, "SO_TIMESTAMPNS", address));
  }
  if (options.join_received) {
    room += CMSG_SPACE(sizeof(int));
    PELTON_RETURN_IF_ERROR(SetOption(descriptor, SOL_UDP, UDP_GRO, 1, "UDP_GRO", address));
  }
  return room;
}

absl::Status CheckOptions(const Options& options) {
  if (options.largest_datagram > kLargest) {
    return absl::InvalidArgumentError(absl::StrCat("largest_datagram is ", options.largest_datagram,
                                                   ": expected at most ", kLargest, " bytes"));
  }
  if (options.unread_limit == 0) {
    return absl::InvalidArgumentError("unread_limit is 0: expected at least 1 datagram");
  }
  return absl::OkStatus();
}

// Makes the record of a bound socket; closes the descriptor when that fails.
absl::StatusOr<io::UdpCore> MakeCore(int descriptor, const SocketAddress& address,
                                     const Options& options) {
  const auto prepare = [&]() -> absl::StatusOr<size_t> {
    if (options.receive_buffer_bytes > 0) {
      PELTON_RETURN_IF_ERROR(SetOption(descriptor, SOL_SOCKET, SO_RCVBUF,
                                       options.receive_buffer_bytes, "SO_RCVBUF", address));
    }
    if (options.send_buffer_bytes > 0) {
      PELTON_RETURN_IF_ERROR(SetOption(descriptor, SOL_SOCKET, SO_SNDBUF, options.send_buffer_bytes,
                                       "SO_SNDBUF", address));
    }
    return AskForControl(descriptor, address, options);
  };
  const absl::StatusOr<size_t> control_room = prepare();
  if (!control_room.ok()) {
    ::close(descriptor);
    return control_room.status();
  }
  const io::MessageSocket::Settings settings = {
      .name_room = kNameRoom,
      .control_room = *control_room,
      .unread_limit = options.unread_limit,
      .largest = options.join_received ? kLargest : options.largest_datagram};
  return io::UdpCore(new io::MessageSocket(descriptor, settings, io::UnixSocketFile()), address,
                     options.join_sent);
}

absl::StatusOr<int> InterfaceIndex(std::string_view interface) {
  if (interface.empty()) return 0;
  const unsigned index = ::if_nametoindex(std::string(interface).c_str());
  if (index != 0) return static_cast<int>(index);
  return absl::NotFoundError(
      absl::StrCat("there is no network interface called \"", ToAbsl(interface), "\""));
}

bool IsGroup(const SocketAddress& address) {
  if (address.IsIpv6()) {
    return IN6_IS_ADDR_MULTICAST(&reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr);
  }
  return IN_MULTICAST(ntohl(reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr.s_addr));
}

}  // namespace

absl::StatusOr<UdpSocket> UdpSocket::Bind(std::string_view text, const Options& options) {
  PELTON_RETURN_IF_ERROR(CheckOptions(options));
  PELTON_ASSIGN_OR_RETURN(const SocketAddress address, SocketAddress::Parse(text));
  const io::Reactor::Options& shard = io::Reactor::Current()->options();
  absl::StatusOr<io::ListeningSocket> socket =
      options.every_shard && shard.listeners != nullptr
          ? shard.listeners->BindUdp(text, address, shard.shard)
          : io::BindUdp(address, /*reuse_port=*/false, /*check_free=*/false);
  PELTON_RETURN_IF_ERROR(socket.status());
  PELTON_ASSIGN_OR_RETURN(io::UdpCore core, MakeCore(socket->descriptor, socket->address, options));
  return UdpSocket(std::move(core));
}

absl::StatusOr<UdpSocket> UdpSocket::Connect(const SocketAddress& peer, const Options& options) {
  PELTON_RETURN_IF_ERROR(CheckOptions(options));
  const int descriptor =
      ::socket(peer.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
  if (descriptor < 0) return ErrnoToStatus(errno, "socket for", peer.ToString());
  PELTON_ASSIGN_OR_RETURN(io::UdpCore core, MakeCore(descriptor, SocketAddress(), options));
  UdpSocket result(std::move(core));
  PELTON_RETURN_IF_ERROR(result.ConnectTo(peer));
  return result;
}

absl::Status UdpSocket::ConnectTo(const SocketAddress& peer) {
  const int descriptor = core_.socket().descriptor();
  if (::connect(descriptor, peer.data(), peer.size()) != 0) {
    return ErrnoToStatus(errno, "connect to", peer.ToString());
  }
  core_.set_peer(peer);
  PELTON_ASSIGN_OR_RETURN(const SocketAddress address, LocalAddressOf(descriptor));
  core_.set_address(address);
  return absl::OkStatus();
}

absl::Status UdpSocket::Disconnect() {
  sockaddr none = {};
  none.sa_family = AF_UNSPEC;
  const int descriptor = core_.socket().descriptor();
  if (::connect(descriptor, &none, sizeof(none)) != 0) {
    return ErrnoToStatus(errno, "disconnect from", core_.peer().ToString());
  }
  core_.set_peer(SocketAddress());
  PELTON_ASSIGN_OR_RETURN(const SocketAddress address, LocalAddressOf(descriptor));
  core_.set_address(address);
  return absl::OkStatus();
}

absl::Status UdpSocket::SetMembership(int ipv4_option, int ipv6_option, const SocketAddress& group,
                                      std::string_view interface, std::string_view operation) {
  if (!IsGroup(group)) {
    return absl::InvalidArgumentError(
        absl::StrCat(group.ToString(),
                     " is no multicast group: expected an address in 224.0.0.0/4 "
                     "or ff00::/8"));
  }
  PELTON_ASSIGN_OR_RETURN(const int index, InterfaceIndex(interface));
  const int descriptor = core_.socket().descriptor();
  int result;
  if (group.IsIpv6()) {
    const ipv6_mreq request = {
        .ipv6mr_multiaddr = reinterpret_cast<const sockaddr_in6*>(group.data())->sin6_addr,
        .ipv6mr_interface = static_cast<unsigned>(index)};
    result = ::setsockopt(descriptor, IPPROTO_IPV6, ipv6_option, &request, sizeof(request));
  } else {
    const ip_mreqn request = {
        .imr_multiaddr = reinterpret_cast<const sockaddr_in*>(group.data())->sin_addr,
        .imr_address = {},
        .imr_ifindex = index};
    result = ::setsockopt(descriptor, IPPROTO_IP, ipv4_option, &request, sizeof(request));
  }
  if (result == 0) return absl::OkStatus();
  return ErrnoToStatus(errno, operation, group.ToString());
}

absl::Status UdpSocket::JoinGroup(const SocketAddress& group, std::string_view interface) {
  return SetMembership(IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP, group, interface, "join group");
}

absl::Status UdpSocket::LeaveGroup(const SocketAddress& group, std::string_view interface) {
  return SetMembership(IP_DROP_MEMBERSHIP, IPV6_DROP_MEMBERSHIP, group, interface, "leave group");
}

absl::Status UdpSocket::SetBoth(int ipv4_option, int ipv6_option, int value,
                                std::string_view name) {
  const bool ipv6 = address().IsIpv6();
  return SetOption(core_.socket().descriptor(), ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
                   ipv6 ? ipv6_option : ipv4_option, value, name, address());
}

absl::Status UdpSocket::SetMulticastInterface(std::string_view interface) {
  PELTON_ASSIGN_OR_RETURN(const int index, InterfaceIndex(interface));
  if (address().IsIpv6()) return SetBoth(0, IPV6_MULTICAST_IF, index, "IPV6_MULTICAST_IF");
  const ip_mreqn request = {.imr_multiaddr = {}, .imr_address = {}, .imr_ifindex = index};
  if (::setsockopt(core_.socket().descriptor(), IPPROTO_IP, IP_MULTICAST_IF, &request,
                   sizeof(request)) == 0) {
    return absl::OkStatus();
  }
  return ErrnoToStatus(errno, "set IP_MULTICAST_IF of", address().ToString());
}

absl::Status UdpSocket::SetMulticastHops(int hops) {
  return SetBoth(IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, hops, "IP_MULTICAST_TTL");
}

absl::Status UdpSocket::SetMulticastLoop(bool enabled) {
  return SetBoth(IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, enabled ? 1 : 0, "IP_MULTICAST_LOOP");
}

absl::Status UdpSocket::SetBroadcast(bool enabled) {
  return SetOption(core_.socket().descriptor(), SOL_SOCKET, SO_BROADCAST, enabled ? 1 : 0,
                   "SO_BROADCAST", address());
}

absl::Status UdpSocket::SetHopLimit(int hops) {
  return SetBoth(IP_TTL, IPV6_UNICAST_HOPS, hops, "IP_TTL");
}

absl::Status UdpSocket::SetCongestion(Datagram::Congestion congestion) {
  return SetBoth(IP_TOS, IPV6_TCLASS, static_cast<int>(congestion), "IP_TOS");
}

}  // namespace pelton
