// What the raw UDP echo servers share: their socket.

#ifndef PELTON_BENCH_IO_DATAGRAM_UDP_PEER_H_
#define PELTON_BENCH_IO_DATAGRAM_UDP_PEER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cerrno>

#include "bench/peers/peer.h"

namespace pelton::bench {

// A blocking UDP socket on 127.0.0.1:--port with large buffers.
inline int BindUdpOnLoopback(bool receive_offload) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) peers::Die("socket", errno);
  const int bytes = 4 << 20;  // the kernel takes what net.core.rmem_max allows
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
  if (receive_offload && ::setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)) != 0) {
    peers::Die("UDP_GRO", errno);
  }
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(peers::Port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    peers::Die("bind", errno);
  }
  return fd;
}

}  // namespace pelton::bench

#endif  // PELTON_BENCH_IO_DATAGRAM_UDP_PEER_H_
