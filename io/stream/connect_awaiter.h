// Awaits that a stream socket is connected.
//
// Shard affinity and ownership: of any awaiter.

#ifndef PELTON_IO_STREAM_CONNECT_AWAITER_H_
#define PELTON_IO_STREAM_CONNECT_AWAITER_H_

#include <sys/socket.h>

#include <ostream>

#include "io/await_operation.h"
#include "io/stream/stream_connection.h"

namespace pelton::io {

// Connects a connection's socket, an O_NONBLOCK one, to `address` (a SocketAddress or UnixAddress):
// 0 or a negative errno.
template <typename Address>
class [[nodiscard("co_await it")]] ConnectAwaiter final : public OperationAwaiter {
 public:
  ConnectAwaiter(const StreamConnection& connection, const Address& address)
      : OperationAwaiter(OperationKind::kConnect), address_(address) {
    Operation::descriptor = connection.descriptor();
    Operation::address = const_cast<sockaddr*>(address_.data());
    Operation::length = address_.size();
  }
  int await_resume() const { return result(); }

 private:
  void Describe(std::ostream& out) const override { out << "a connection to " << address_; }

  const Address address_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_STREAM_CONNECT_AWAITER_H_
