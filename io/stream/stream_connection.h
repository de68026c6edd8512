// The record behind a stream socket: descriptor, and the input that has arrived and was not read
// yet. What kind of socket it is, and its peer, is its derived class's.
//
// The record has a stable address while the stream moves about, because the kernel may hold its
// receive operation. Private to io.
//
// Shard affinity: the shard that accepted or made the connection.
// Ownership: the stream's, until it is abandoned; then the record's own: it cancels its receive,
// closes the descriptor and frees itself when the kernel has let go.
// Invariants: 1. at most one reader and one writer; 2. receiving pauses at kInputLimit chunks of
// input, so that a peer that floods a slow reader waits in its own socket buffer.

#ifndef PELTON_IO_STREAM_STREAM_CONNECTION_H_
#define PELTON_IO_STREAM_STREAM_CONNECTION_H_

#include <atomic>
#include <cstdint>
#include <ostream>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "alloc/frame_pool.h"
#include "framework/base/check.h"
#include "io/chunk.h"
#include "io/operation.h"
#include "io/reactor.h"

namespace pelton::io {

// Whoever waits for a connection's input.
class InputWaiter {
 public:
  virtual void OnInput() = 0;

 protected:
  ~InputWaiter() = default;
};

// How many connections a shard has, where shards compare that; the balance of a listener. Counted
// up before a connection is made of an accepted descriptor.
using ConnectionCount = std::atomic<uint32_t>;

class StreamConnection : private Operation {
 public:
  // Chunks of unread input after which receiving pauses.
  static constexpr int kInputLimit = 4;

  StreamConnection(const StreamConnection&) = delete;
  StreamConnection& operator=(const StreamConnection&) = delete;

  static void* operator new(std::size_t bytes) { return FramePool::Allocate(bytes); }
  static void operator delete(void* record, std::size_t bytes) { FramePool::Free(record, bytes); }

  // Closes the connection and frees this record, as soon as the kernel allows. REQUIRES: nobody
  // reads or writes.
  void Abandon();

  int descriptor() const { return Operation::descriptor; }
  // Writes the peer's address, for messages.
  virtual void DescribePeer(std::ostream& out) const = 0;

  // Whether a read can be answered: bytes, the end, or an error have arrived.
  bool HasInput() const { return input_chunks_ > 0 || ended_; }
  // Takes the oldest chunk; an empty one at the end of the stream. REQUIRES: HasInput().
  absl::StatusOr<Chunk> TakeChunk();
  // Copies unread bytes to `target`; 0 at the end of the stream. REQUIRES: HasInput(), a target
  // that is not empty.
  absl::StatusOr<size_t> TakeBytes(std::span<char> target);
  // The unread bytes of the oldest chunk, which stay unread; empty at the end of the stream.
  // REQUIRES: HasInput().
  absl::StatusOr<std::string_view> PeekBytes() const;
  // Drops so many of them. REQUIRES: there are that many.
  void DropBytes(size_t count);
  // Calls waiter->OnInput() once HasInput(), and receives until then. REQUIRES: !HasInput().
  void AwaitInput(InputWaiter* waiter);
  void ForgetWaiter() { waiter_ = nullptr; }
  bool has_reader() const { return waiter_ != nullptr || direct_read_; }
  // Whether a chunk may still arrive by itself, so that nobody else may receive.
  bool ReceivesByItself() const { return !Operation::idle() || Operation::multishot; }
  // A reader receives into its own memory, or has finished.
  void set_direct_read(bool active) { direct_read_ = active; }
  // A writer begins, or has finished.
  bool writing() const { return writing_; }
  void set_writing(bool writing) { writing_ = writing; }

  // Whether a send of `bytes` bytes should be one without copying.
  bool SendsWithoutCopy(size_t bytes) const {
    return bytes >= Reactor::Current()->options().zero_copy_threshold && may_skip_copy_ &&
           MaySkipCopyHere();
  }
  // What came of such a send: after one that the kernel copied nevertheless, this connection does not
  // ask again.
  void OnZeroCopySent(bool copied);

  // Resets a TCP connection, so that the kernel lets go of everything that is unsent. Only closing is
  // left to do.
  void Disconnect();

  // An error of `operation` on this connection, which names the peer.
  absl::Status Error(int error_number, std::string_view operation) const;
  // The error of an operation that the current task awaited: its stop status when it was told to
  // stop.
  absl::Status OperationError(int error_number, std::string_view operation) const;

 protected:
  // Takes the descriptor over. `receives_ahead`: input may be received before anybody asks for it,
  // where the shard does so. `may_skip_copy`: sends of this kind of socket need not copy.
  // `count`, unless it is null, is counted down when the connection ends.
  StreamConnection(int descriptor, bool receives_ahead, bool may_skip_copy, ConnectionCount* count);
  virtual ~StreamConnection();

 private:
  void OnCompletion(const Completion& completion) final;
  void StartReceiving();
  void PushChunk(uint16_t chunk, int bytes);
  void PopChunk();
  void DropInput();
  void Close();
  static bool MaySkipCopyHere();

  uint16_t first_chunk_ = 0;
  uint16_t last_chunk_ = 0;
  uint16_t input_chunks_ = 0;
  bool ended_ = false;  // end of stream, or error_
  bool abandoned_ = false;
  bool direct_read_ = false;
  bool writing_ = false;
  bool may_skip_copy_;
  int error_ = 0;
  InputWaiter* waiter_ = nullptr;
  ConnectionCount* const count_;
};

// Mark a connection as being written to, or as being read from, while they live.
class WritingMark {
 public:
  explicit WritingMark(StreamConnection& connection) : connection_(connection) {
    PELTON_CHECK(!connection.writing()) << "two tasks write to one stream";
    connection_.set_writing(true);
  }
  ~WritingMark() { connection_.set_writing(false); }

 private:
  StreamConnection& connection_;
};

class ReadingMark {
 public:
  explicit ReadingMark(StreamConnection& connection) : connection_(connection) {
    PELTON_CHECK(!connection.has_reader()) << "two tasks read from one stream";
    connection_.set_direct_read(true);
  }
  ~ReadingMark() { connection_.set_direct_read(false); }

 private:
  StreamConnection& connection_;
};

// The peer, in messages.
inline std::ostream& operator<<(std::ostream& out, const StreamConnection& connection) {
  connection.DescribePeer(out);
  return out;
}

}  // namespace pelton::io

#endif  // PELTON_IO_STREAM_STREAM_CONNECTION_H_
