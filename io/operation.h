// An I/O operation as data: what a driver needs to start it, and where its result goes.
//
// Whoever wants I/O fills in an Operation and hands it to the shard's Reactor; at the end of the
// turn the driver turns all that were handed in into system calls, and completes them in a later
// turn. An operation does not know which driver serves it.
//
// Shard affinity: the shard of the Reactor it was started on.
// Ownership: its owner keeps it alive, and keeps alive what it points to, from Start() to its final
// completion. It lies in the frame of the awaiting coroutine or in a connection's record; starting
// it allocates nothing.
// Invariants: 1. exactly one final completion per start, also when it is cancelled and at shutdown;
// a multishot operation has completions with `more` before it; 2. OnCompletion() resumes nothing:
// it makes tasks ready.

#ifndef PELTON_IO_OPERATION_H_
#define PELTON_IO_OPERATION_H_

#include <cstddef>
#include <cstdint>

namespace pelton::io {

// The table of operation kinds. Each driver implements all of them. `result` is what a completion
// carries when it is not a negative errno.
enum class OperationKind : uint8_t {
  kNop,  // completes with 0

  // Sockets. Their descriptors are the driver's to make non-blocking calls on; only kAccept and
  // kConnect need O_NONBLOCK.

  kAccept,  // accepts on `descriptor`, an O_NONBLOCK one; result: a new descriptor; multishot
  // Connects `descriptor`, an O_NONBLOCK one, to the sockaddr at `address`, `length` bytes long
  kConnect,
  // Receives up to `length` bytes into `address`, with `whole` all of them where the kernel can;
  // result: bytes, 0 at the end
  kReceive,
  // Receives into a chunk of the shard's pool; result: bytes, 0 at the end; multishot
  kReceiveChunk,
  // Receives into the msghdr at `address`, with MSG_* flags `length`; result: bytes
  kReceiveMessage,
  // Receives a message into a chunk: a MessageChunkHeader, then msg_namelen bytes of the sender's
  // address, msg_controllen of control data, and the payload, where both lengths are of the msghdr
  // at `address`, of which nothing else is read; result: bytes of all that; multishot
  kReceiveMessageChunk,
  // Receives up to `length` messages into the mmsghdr array at `address`; result: how many, at least 1
  kReceiveMessages,
  kSend,         // sends `length` bytes from `address`; result: bytes, at least 1
  kSendMessage,  // sends the msghdr at `address`; result: bytes
  // Sends the `length` messages of the mmsghdr array at `address`, on a datagram or seqpacket
  // socket; result: how many of them, at least 1; an error is the first one's
  kSendMessages,
  // As kSend, but where the kernel can it sends from the caller's memory, and completes when it has
  // let go of that. `length` is lost. Completion::copied: it had to copy after all
  kSendZeroCopy,
  // Closes `descriptor`; no operation on it may be in flight. One that was ever used here is closed
  // so
  kClose,

  // Whatever poll(2) takes.

  // Waits for the poll(2) events `length`; result: those that have come; multishot, which may tell
  // of events that are gone again. A descriptor that was only ever polled may be closed by anybody
  // in any way, as long as no poll of it is in flight
  kPoll,
  // Reads up to `length` bytes from a pipe, terminal, eventfd and the like into `address`; result:
  // bytes, 0 at the end
  kStreamRead,
  kStreamWrite,  // writes up to `length` bytes from `address`; result: bytes

  // Files, paths and calls: each is a FileOperation (file_operation.h).

  kRead,  // reads up to `length` bytes at `offset` into `address`; result: bytes, 0 at the end
  kWrite,
  kReadVector,  // the same with `length` iovecs at `address`
  kWriteVector,
  kSync,      // fsync(2); with `flags` kDataOnly fdatasync(2)
  kAllocate,  // fallocate(2) with mode `flags` from `offset` on, `second_offset` bytes
  kTruncate,  // ftruncate(2) to `offset` bytes
  kAdvise,    // posix_fadvise(2) with advice `flags`, from `offset` on, `length` bytes
  // openat2(2) of the path at `address` from directory `descriptor` with the open_how at
  // `second_address`; result: a descriptor
  kOpen,
  // statx(2) of the path at `address` from directory `descriptor` with `flags` and mask `length`
  // into the struct statx at `second_address`
  kStat,
  // renameat2(2) with `flags`: from `descriptor`, `address` to `second_descriptor`,
  // `second_address`
  kRename,
  kLink,           // linkat(2), the same
  kSymbolicLink,   // makes `second_address` in `second_descriptor` refer to the text at `address`
  kUnlink,         // unlinkat(2) of `address` in `descriptor` with `flags`
  kMakeDirectory,  // mkdirat(2) of `address` in `descriptor` with mode `length`
  // splice(2) of `length` bytes from `second_descriptor` at `second_offset` to `descriptor` at
  // `offset` with `flags`; offsets are kNoOffset for pipes; result: bytes
  kSplice,
  // Calls the function at `second_address`, an int (*)(void*), with `address`, on a thread that may
  // block; result: what it returns, which is a negative errno when it fails
  kCall,
};
inline constexpr int kOperationKinds = 33;
inline constexpr OperationKind kFirstFileKind = OperationKind::kRead;

// Whether an operation's bytes arrive in a chunk.
constexpr bool TakesChunks(OperationKind kind) {
  return kind == OperationKind::kReceiveChunk || kind == OperationKind::kReceiveMessageChunk;
}

// The name of a kind, for messages.
const char* OperationKindName(OperationKind kind);

// What came of an operation.
struct Completion {
  static constexpr uint16_t kNoChunk = 0xffff;

  int32_t result;             // what the table above says, or a negative errno
  bool more = false;          // the operation goes on and will complete again
  bool copied = false;        // see kSendZeroCopy
  uint16_t chunk = kNoChunk;  // the chunk that holds the bytes; the receiver owns it
};

class Operation {
 public:
  enum class State : uint8_t {
    kIdle,      // its owner's
    kPending,   // handed in, not started
    kInFlight,  // the driver's
    kStarved,   // waits for a free chunk
  };

  explicit Operation(OperationKind kind) : kind(kind) {}
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  // Called by the driver's reap, once for each completion. The final one (`more` is false) finds
  // the operation idle: it may be started again, or destroyed, from here.
  virtual void OnCompletion(const Completion& completion) = 0;

  bool idle() const { return state == State::kIdle; }

  // What to do; written by the owner while idle.
  OperationKind kind;
  bool multishot = false;  // may complete many times, where the kernel can
  // How far it is; written by the Reactor and the driver.
  State state = State::kIdle;
  bool cancel_requested = false;
  int descriptor = -1;
  void* address = nullptr;
  uint32_t length = 0;
  bool cancel_queued = false;  // stands in the Reactor's queue of cancellations
  bool direct = false;         // the driver's: started on a direct descriptor
  bool whole = false;          // see kReceive; written by the owner while idle
  Operation* next = nullptr;   // link in the one queue that holds it

 protected:
  ~Operation() = default;
};

static_assert(sizeof(Operation) == 40,
              "most live in coroutine frames: keep it within a cache line");

}  // namespace pelton::io

#endif  // PELTON_IO_OPERATION_H_
