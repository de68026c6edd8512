// The record behind a TcpStream: descriptor, peer, and the input that has arrived and was not read
// yet.
//
// The record has a stable address while the stream moves about, because the kernel may hold its
// receive operation. Private to io.
//
// Shard affinity: the shard that accepted or made the connection.
// Ownership: the TcpStream's, until it is abandoned; then the record's own: it cancels its receive,
// closes the descriptor and frees itself when the kernel has let go.
// Invariants: 1. at most one reader and one writer; 2. at most kInputLimit chunks of input, so that
// a peer that floods a slow reader waits in its own socket buffer.

#ifndef PELTON_IO_TCP_CONNECTION_H_
#define PELTON_IO_TCP_CONNECTION_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "alloc/frame_pool.h"
#include "io/chunk.h"
#include "io/operation.h"
#include "io/reactor.h"
#include "io/socket_address.h"

namespace pelton::io {

// Whoever waits for a connection's input.
class InputWaiter {
 public:
  virtual void OnInput() = 0;

 protected:
  ~InputWaiter() = default;
};

class TcpConnection final : private Operation {
 public:
  // Chunks of unread input after which receiving pauses.
  static constexpr int kInputLimit = 4;

  // Takes the descriptor over.
  TcpConnection(int descriptor, const SocketAddress& peer);

  static void* operator new(std::size_t bytes) { return FramePool::Allocate(bytes); }
  static void operator delete(void* record, std::size_t bytes) { FramePool::Free(record, bytes); }

  // Closes the connection and frees this record, as soon as the kernel allows. REQUIRES: nobody
  // reads or writes.
  void Abandon();

  int descriptor() const { return Operation::descriptor; }
  const SocketAddress& peer() const { return peer_; }

  // Whether a read can be answered: bytes, the end, or an error have arrived.
  bool HasInput() const { return input_chunks_ > 0 || ended_; }
  // Takes the oldest chunk; an empty one at the end of the stream. REQUIRES: HasInput().
  absl::StatusOr<Chunk> TakeChunk();
  // Copies unread bytes to `target`; 0 at the end of the stream. REQUIRES: HasInput(), a target
  // that is not empty.
  absl::StatusOr<size_t> TakeBytes(std::span<char> target);
  // Calls waiter->OnInput() once HasInput(), and receives until then. REQUIRES: !HasInput().
  void AwaitInput(InputWaiter* waiter);
  void ForgetWaiter() { waiter_ = nullptr; }
  bool has_reader() const { return waiter_ != nullptr || direct_read_; }
  // Whether a chunk may still arrive by itself, so that nobody else may receive.
  bool ReceivesByItself() const {
    return !Operation::idle() || Reactor::Current()->options().multishot_receive;
  }
  // A reader receives into its own memory, or has finished.
  void set_direct_read(bool active) { direct_read_ = active; }
  // A writer begins, or has finished.
  bool writing() const { return writing_; }
  void set_writing(bool writing) { writing_ = writing; }

  // An error of `operation` on this connection, which names the peer.
  absl::Status Error(int error_number, std::string_view operation) const;

 private:
  ~TcpConnection();

  void OnCompletion(const Completion& completion) override;
  void StartReceiving();
  void PushChunk(uint16_t chunk, int bytes);
  void PopChunk();
  void DropInput();
  void Close();

  SocketAddress peer_;
  uint16_t first_chunk_ = 0;
  uint16_t last_chunk_ = 0;
  uint16_t input_chunks_ = 0;
  bool ended_ = false;  // end of stream, or error_
  bool abandoned_ = false;
  bool direct_read_ = false;
  bool writing_ = false;
  int error_ = 0;
  InputWaiter* waiter_ = nullptr;
};

static_assert(sizeof(TcpConnection) <= 128, "one per connection");

}  // namespace pelton::io

#endif  // PELTON_IO_TCP_CONNECTION_H_
