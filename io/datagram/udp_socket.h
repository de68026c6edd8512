// UdpSocket: datagrams over IPv4 or IPv6, connected to one peer or open to all.
//
//   PELTON_CO_ASSIGN_OR_RETURN(UdpSocket socket, UdpSocket::Bind("0.0.0.0:7000"));
//   for (;;) {
//     PELTON_CO_ASSIGN_OR_RETURN(Datagram query, co_await socket.ReceiveWhenIdle());
//     PELTON_CO_RETURN_IF_ERROR(co_await socket.SendTo("pong", query.sender()));
//   }
//
// A server under load takes and sends many at a time: ReceiveMany(), SendMany(), join_received and
// join_sent; framework/examples/udp_echo.cc.
//
// Shard affinity: the shard that made it. Each shard of a service has its own socket on the port,
// and the kernel spreads the senders over them (SO_REUSEPORT).
// Ownership: movable; destroying it closes the socket, without waiting. Datagrams outlive it.
// Invariants: 1. one receive at a time, and one SendMany(); any number of sends; 2. a datagram
// arrives whole, cut off at `largest_datagram` (Datagram::truncated()), or not at all; 3. up to
// `unread_limit` datagrams wait here, the rest in the kernel's buffer, which drops what does not
// fit; 4. an error that the network reports ends nothing.
// Errors name the operation and the peer, and keep the errno. A port that nobody listens on is told
// to a connected socket alone, as ECONNREFUSED of the next call, whichever that is (ICMP); the call
// after it goes on.
// Cost: a received datagram allocates nothing and costs a share of one system call a turn; so does
// one of a SendMany().
// Source: man udp(7), ip(7), ipv6(7), socket(7).

#ifndef PELTON_IO_DATAGRAM_UDP_SOCKET_H_
#define PELTON_IO_DATAGRAM_UDP_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/datagram/datagram.h"
#include "io/datagram/message_socket.h"
#include "io/datagram/udp_awaiters.h"
#include "io/socket_address.h"

namespace pelton {

class UdpSocket {
 public:
  struct Options {
    // Whether other shards of this process have a socket on the same port, too; the service's
    // `listening on` line is printed when all have. Without it nothing is printed.
    bool every_shard = true;
    // The longest datagram that arrives whole, in bytes. 0: what fits into a chunk, at least 16,000.
    // More, up to 65,535, costs sixteen buffers of that size, which are the most that are held at
    // once.
    size_t largest_datagram = 0;
    // Datagrams that wait here until somebody receives them.
    size_t unread_limit = 256;
    // Takes datagrams of one sender that arrive together as one (UDP_GRO): see
    // Datagram::segment_bytes(). Has large buffers.
    bool join_received = false;
    // SendMany() joins neighbours of one size to one destination (UDP_SEGMENT). Where the network
    // device cannot, they are sent one by one.
    bool join_sent = false;
    // What is told of each datagram: Datagram::local_address() and interface_index(), congestion(),
    // hop_limit(), received_at().
    bool receive_local_address = false;
    bool receive_congestion = false;
    bool receive_hop_limit = false;
    bool receive_time = false;
    // Bytes of the kernel's buffers (SO_RCVBUF, SO_SNDBUF), which it caps at net.core.rmem_max and
    // wmem_max; 0: its default.
    int receive_buffer_bytes = 0;
    int send_buffer_bytes = 0;
  };

  // No socket.
  UdpSocket() = default;
  UdpSocket(UdpSocket&& other) noexcept = default;
  UdpSocket& operator=(UdpSocket&& other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  // Closes the socket, without waiting. REQUIRES: no receive or send is going on.
  ~UdpSocket() { core_.Abandon(); }

  // Binds ADDRESS:PORT (see SocketAddress::Parse); port 0 lets the kernel choose, and all shards get
  // the same one. [::] takes IPv4 senders as well. ERRORS: InvalidArgument (not an address),
  // ALREADY_EXISTS (EADDRINUSE), PERMISSION_DENIED (a port below 1024), ...; the message names the
  // address. COST: some system calls.
  static absl::StatusOr<UdpSocket> Bind(std::string_view address) {
    return Bind(address, Options());
  }
  static absl::StatusOr<UdpSocket> Bind(std::string_view address, const Options& options);
  // A socket on a port of its own that exchanges datagrams with `peer` alone; nothing is sent.
  // `options.every_shard` is ignored. ERRORS: ENETUNREACH and the like.
  static absl::StatusOr<UdpSocket> Connect(const SocketAddress& peer) {
    return Connect(peer, Options());
  }
  static absl::StatusOr<UdpSocket> Connect(const SocketAddress& peer, const Options& options);

  // Lets this socket exchange datagrams with `peer` alone. What has arrived from others before still
  // comes. ERRORS: the kernel's.
  absl::Status ConnectTo(const SocketAddress& peer);
  // Opens it to all again.
  absl::Status Disconnect();

  // Suspends until a datagram arrives: absl::StatusOr<Datagram>. ERRORS: ECONNREFUSED and other
  // errors that the network reported on a connected socket; the stop status.
  io::ReceiveDatagramAwaiter Receive() { return {core_, StopPhase::kEverything}; }
  // The same, for waiting for something new, as servers do: a drain interrupts it (UNAVAILABLE).
  io::ReceiveDatagramAwaiter ReceiveWhenIdle() { return {core_, StopPhase::kIdle}; }
  // Suspends until a datagram arrives, and yields those that have arrived, up to `datagrams.size()`,
  // in the first places of `datagrams`: absl::StatusOr<size_t>, how many. The others are destroyed.
  // REQUIRES: `datagrams` is not empty, and lives until the await returns. ERRORS: as of Receive(),
  // once what arrived before the error has been yielded.
  io::ReceiveDatagramsAwaiter ReceiveMany(std::span<Datagram> datagrams) {
    return {core_, datagrams, StopPhase::kEverything};
  }
  io::ReceiveDatagramsAwaiter ReceiveManyWhenIdle(std::span<Datagram> datagrams) {
    return {core_, datagrams, StopPhase::kIdle};
  }

  // Suspends until the datagram is in the kernel's hands: absl::Status. What `payload` and the rest
  // refer to must live until the await returns. Whether it arrives, nobody says.
  // ERRORS: EMSGSIZE (the message tells the size and the limit), ENOBUFS (the device's queue is
  // full, and the datagram is lost: send less), EDESTADDRREQ (not connected), EPERM (a firewall),
  // ENETUNREACH, ...; the stop status.
  io::SendDatagramAwaiter Send(std::string_view payload) {
    return {core_, {.destination = SocketAddress(), .payload = payload}};
  }
  io::SendDatagramAwaiter SendTo(std::string_view payload, const SocketAddress& destination) {
    return {core_, {.destination = destination, .payload = payload}};
  }
  io::SendDatagramAwaiter Send(const OutgoingDatagram& datagram) { return {core_, datagram}; }
  // Suspends until the datagrams are in the kernel's hands, in order: absl::StatusOr<size_t>, how
  // many of them are. Fewer than all were given when one failed: to go on from that one tells its
  // error, and to go on behind it leaves it out. ERRORS: as of Send(), of the first datagram.
  // REQUIRES: one SendMany() of a socket at a time; `datagrams` and what it refers to lives until
  // the await returns.
  io::SendDatagramsAwaiter SendMany(std::span<const OutgoingDatagram> datagrams) {
    return {core_, datagrams};
  }

  // Multicast. `group` is an address in 224.0.0.0/4 or ff00::/8, whose port is ignored, and
  // `interface` the name of the network interface; empty: the kernel's choice.
  // ERRORS: InvalidArgument (not a group), NotFound (no such interface), the kernel's.
  absl::Status JoinGroup(const SocketAddress& group, std::string_view interface = {});
  absl::Status LeaveGroup(const SocketAddress& group, std::string_view interface = {});
  // The interface that datagrams to groups leave by. ERRORS: NotFound.
  absl::Status SetMulticastInterface(std::string_view interface);
  // How many routers such a datagram passes at most, 0 to 255; 1 at first: it stays in the network.
  absl::Status SetMulticastHops(int hops);
  // Whether members of the group on this host get what is sent from here; they do at first.
  absl::Status SetMulticastLoop(bool enabled);

  // Allows to send to broadcast addresses.
  absl::Status SetBroadcast(bool enabled);
  // How many routers a datagram to one host passes at most, 1 to 255.
  absl::Status SetHopLimit(int hops);
  // How datagrams that are sent are marked.
  absl::Status SetCongestion(Datagram::Congestion congestion);

  // The address bound, with the port that the kernel chose.
  const SocketAddress& address() const { return core_.address(); }
  // The peer of a connected socket; 0.0.0.0:0 of others.
  const SocketAddress& peer_address() const { return core_.peer(); }
  // Whether there is a socket.
  bool valid() const { return core_.valid(); }

 private:
  explicit UdpSocket(io::UdpCore core) : core_(std::move(core)) {}

  absl::Status SetBoth(int ipv4_option, int ipv6_option, int value, std::string_view name);
  absl::Status SetMembership(int ipv4_option, int ipv6_option, const SocketAddress& group,
                             std::string_view interface, std::string_view operation);

  io::UdpCore core_;
};

}  // namespace pelton

#endif  // PELTON_IO_DATAGRAM_UDP_SOCKET_H_
