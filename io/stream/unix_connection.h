// The record behind a UnixStream. Private to io.
//
// Shard affinity, ownership and invariants: of StreamConnection. It receives nothing ahead, and bytes
// that descriptors came with are received by who asks for them, since a receive without room for
// descriptors closes them.

#ifndef PELTON_IO_STREAM_UNIX_CONNECTION_H_
#define PELTON_IO_STREAM_UNIX_CONNECTION_H_

#include <ostream>

#include "io/stream/stream_connection.h"
#include "io/unix_address.h"

namespace pelton::io {

class UnixConnection final : public StreamConnection {
 public:
  // Takes the descriptor over. `count` as in StreamConnection.
  UnixConnection(int descriptor, const UnixAddress& peer, ConnectionCount* count)
      : StreamConnection(descriptor, /*receives_ahead=*/false, /*may_skip_copy=*/false, count),
        peer_(peer) {}

  const UnixAddress& peer() const { return peer_; }
  void DescribePeer(std::ostream& out) const override { out << peer_; }

 private:
  const UnixAddress peer_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_STREAM_UNIX_CONNECTION_H_
