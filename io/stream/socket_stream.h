// SocketStream: what TcpStream and UnixStream have in common: reading and writing bytes in order.
//
//   PELTON_CO_ASSIGN_OR_RETURN(Chunk bytes, co_await stream.Read());
//   if (bytes.empty()) co_return absl::OkStatus();               // the peer closed
//   PELTON_CO_RETURN_IF_ERROR(co_await stream.Write(bytes.text()));
//
// Shard affinity: the shard that accepted or connected it.
// Ownership: movable; destroying it closes the connection (input that was not read makes that a
// reset of a TCP connection, as everywhere).
// Invariants: one read and one write at a time; both may go on at once.
// Errors name the operation and the peer and keep the errno: `read from 10.0.0.7:4321: Connection
// reset by peer (ECONNRESET)`. A task that is told to stop gets its stop status instead (CANCELLED,
// DEADLINE_EXCEEDED, UNAVAILABLE).
// Cost: a read or a write allocates nothing and costs a share of one system call per turn.

#ifndef PELTON_IO_STREAM_SOCKET_STREAM_H_
#define PELTON_IO_STREAM_SOCKET_STREAM_H_

#include <span>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "io/chunk.h"
#include "io/stream/socket_options.h"
#include "io/stream/stream_awaiters.h"
#include "io/stream/stream_connection.h"

namespace pelton {

class SocketStream {
 public:
  // Suspends until bytes arrive, and yields them in the buffer that they arrived in:
  // absl::StatusOr<Chunk>, empty at the end of the stream. A chunk that is kept keeps a 16 KiB
  // buffer of the shard busy.
  io::ReadAwaiter Read() { return {*connection_, StopPhase::kEverything}; }
  // The same, for waiting at a place where the peer owes nothing, as between two requests: a drain
  // interrupts it (UNAVAILABLE), while it leaves Read() alone until the grace period ends.
  io::ReadAwaiter ReadWhenIdle() { return {*connection_, StopPhase::kIdle}; }
  // Suspends until bytes arrive, and copies them to `target`: absl::StatusOr<size_t>, 0 at the end
  // of the stream. The memory is the kernel's until the await returns. REQUIRES: `target` is not
  // empty.
  io::ReadIntoAwaiter ReadInto(std::span<char> target) { return {*connection_, target}; }
  // Suspends until `target` is full: absl::Status. The memory is the kernel's until the await
  // returns; after an error it holds what had arrived. ERRORS: OUT_OF_RANGE at an earlier end of the
  // stream. COST: one operation for what has not arrived in chunks, whatever its size (MSG_WAITALL).
  io::ReadExactlyAwaiter ReadExactly(std::span<char> target) { return {*connection_, target}; }
  // Suspends until bytes arrive, and yields those that the next Read() would:
  // absl::StatusOr<std::string_view>, empty at the end of the stream, valid until the next read. Two
  // calls yield the same bytes; it does not wait for more of them.
  io::PeekAwaiter Peek() { return io::PeekAwaiter(*connection_); }

  // Suspends until all of `bytes` is in the kernel's hands: absl::Status. `bytes` must live until
  // the await returns. Writes of io::Reactor::Options::zero_copy_threshold bytes and more to TCP
  // peers are sent from there without a copy, where kernel and network device can, and return when
  // the peer has acknowledged them; a task that is cancelled in such a write resets the connection, as
  // the kernel would otherwise keep the memory until the peer has read.
  io::WriteAwaiter Write(std::string_view bytes) { return {*connection_, bytes}; }
  io::WriteAwaiter Write(const Chunk& bytes) { return {*connection_, bytes.text()}; }
  // Writes all pieces, in order, as one vectored send where they fit: absl::Status. The pieces and
  // the array must live until the await returns.
  io::WriteAllAwaiter WriteAll(std::span<const std::string_view> pieces) {
    return {*connection_, pieces};
  }

  // Says that nothing more will be written (FIN); reading goes on.
  absl::Status HalfClose();

  // Sets what `options` holds and leaves the rest alone. ERRORS: as ApplySocketOptions() says. COST:
  // a system call for each.
  absl::Status SetOptions(const SocketOptions& options);

  // Whether there is a connection.
  bool valid() const { return connection_ != nullptr; }
  // The socket, for calls that Pelton does not offer. It stays the stream's: not to be closed, nor
  // to be used by another shard.
  int descriptor() const { return connection_->descriptor(); }

  // For what works on streams of any kind.
  io::StreamConnection& connection() const { return *connection_; }

 protected:
  SocketStream() = default;
  explicit SocketStream(io::StreamConnection* connection) : connection_(connection) {}
  SocketStream(SocketStream&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)) {}
  SocketStream& operator=(SocketStream&& other) noexcept {
    std::swap(connection_, other.connection_);
    return *this;
  }
  // Closes the connection, without waiting. REQUIRES: no read or write is going on.
  ~SocketStream() {
    if (connection_ != nullptr) connection_->Abandon();
  }

 private:
  io::StreamConnection* connection_ = nullptr;
};

}  // namespace pelton

#endif  // PELTON_IO_STREAM_SOCKET_STREAM_H_
