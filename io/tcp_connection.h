// The record behind a TcpStream. Private to io.
//
// Shard affinity, ownership and invariants: of StreamConnection.

#ifndef PELTON_IO_TCP_CONNECTION_H_
#define PELTON_IO_TCP_CONNECTION_H_

#include <ostream>

#include "io/socket_address.h"
#include "io/stream/stream_connection.h"

namespace pelton::io {

class TcpConnection final : public StreamConnection {
 public:
  // Takes the descriptor over. `count` as in StreamConnection.
  TcpConnection(int descriptor, const SocketAddress& peer, ConnectionCount* count)
      : StreamConnection(descriptor, /*receives_ahead=*/true, /*may_skip_copy=*/true, count),
        peer_(peer) {}

  const SocketAddress& peer() const { return peer_; }
  void DescribePeer(std::ostream& out) const override { out << peer_; }

 private:
  const SocketAddress peer_;
};

static_assert(sizeof(TcpConnection) <= 128, "one per connection");

}  // namespace pelton::io

#endif  // PELTON_IO_TCP_CONNECTION_H_
