// UnixStream: a connection between two processes of one machine. Reading and writing: socket_stream.h.
//
//   PELTON_CO_ASSIGN_OR_RETURN(UnixStream stream, co_await UnixStream::Connect("/run/service.sock"));
//   PELTON_CO_RETURN_IF_ERROR(co_await stream.Write("hello"));
//   PELTON_CO_RETURN_IF_ERROR(co_await stream.WriteWithDescriptors("take this", {&file, 1}));
//
// Shard affinity, ownership, invariants, errors and cost: of SocketStream. Source: man unix(7).

#ifndef PELTON_IO_STREAM_UNIX_STREAM_H_
#define PELTON_IO_STREAM_UNIX_STREAM_H_

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "io/descriptor_passing.h"
#include "io/stream/socket_options.h"
#include "io/stream/socket_stream.h"
#include "io/stream/unix_connection.h"
#include "io/unix_address.h"
#include "sched/task.h"

namespace pelton {

// Bytes that were read, and the descriptors that came with them.
struct BytesWithDescriptors {
  size_t bytes = 0;  // 0: the end of the stream
  std::vector<OwnedDescriptor> descriptors;
};

class UnixStream final : public SocketStream {
 public:
  // No connection.
  UnixStream() = default;

  // Connects to a path, or to an abstract name: "@NAME". ERRORS: InvalidArgument (not an address),
  // NOT_FOUND (no such file), UNAVAILABLE (ECONNREFUSED: nobody listens), RESOURCE_EXHAUSTED or
  // UNAVAILABLE (EAGAIN: the listener's backlog is full, which a local socket does not wait for),
  // ..., or the stop status.
  static Task<absl::StatusOr<UnixStream>> Connect(std::string_view address);
  static Task<absl::StatusOr<UnixStream>> Connect(UnixAddress address, SocketOptions options);
  // Two streams that are connected to each other. ERRORS: EMFILE, ENFILE, ...
  static absl::StatusOr<std::pair<UnixStream, UnixStream>> Pair();

  // Suspends until all of `bytes` is in the kernel's hands, and `descriptors` travel with the first
  // of them. Both must live until the await returns, and the descriptors stay the caller's. ERRORS:
  // InvalidArgument without bytes, or for what is no descriptor; RESOURCE_EXHAUSTED beyond 253
  // descriptors (ETOOMANYREFS: beyond the limit of open files in flight). COST: allocates.
  Task<absl::Status> WriteWithDescriptors(std::string_view bytes,
                                          std::span<const OwnedDescriptor> descriptors);
  // Suspends until bytes arrive, copies them to `target`, and takes up to `most_descriptors` that
  // come with them; the kernel ends a read behind bytes that bring some. What comes beyond that is
  // closed, and so is what comes with bytes that any other read takes: where descriptors may come,
  // read with this alone. REQUIRES: a target that is not empty, at most 253 descriptors. ERRORS:
  // RESOURCE_EXHAUSTED when more descriptors came, or more than this process may open; those that
  // arrived are closed. COST: allocates when descriptors arrive.
  Task<absl::StatusOr<BytesWithDescriptors>> ReadWithDescriptors(std::span<char> target,
                                                                 size_t most_descriptors);

  // Who connected, or listens, at the other end. ERRORS: the errno of getsockopt.
  absl::StatusOr<PeerCredentials> peer_credentials() const;

  // The address of the listener, on the side that connected; unnamed on the other one, as a rule.
  const UnixAddress& peer_address() const {
    return static_cast<const io::UnixConnection&>(connection()).peer();
  }

  // Takes the descriptor of a connection over; `count` as in io::StreamConnection.
  static UnixStream Adopt(int descriptor, const UnixAddress& peer,
                          io::ConnectionCount* count = nullptr) {
    return UnixStream(new io::UnixConnection(descriptor, peer, count));
  }

 private:
  explicit UnixStream(io::UnixConnection* connection) : SocketStream(connection) {}
};

}  // namespace pelton

#endif  // PELTON_IO_STREAM_UNIX_STREAM_H_
