#include "io/stream/socket_stream.h"

#include <sys/socket.h>

#include <cerrno>
#include <sstream>

namespace pelton {

absl::Status SocketStream::HalfClose() {
  if (::shutdown(connection_->descriptor(), SHUT_WR) == 0) return absl::OkStatus();
  return connection_->Error(errno, "half close of");
}

absl::Status SocketStream::SetOptions(const SocketOptions& options) {
  std::ostringstream peer;
  connection_->DescribePeer(peer);
  return ApplySocketOptions(connection_->descriptor(), options, peer.str());
}

}  // namespace pelton
