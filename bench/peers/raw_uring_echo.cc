// The limit: the best io_uring loop that we can write by hand for echoing. One thread, one enter a turn, no layers; direct
// descriptors, a registered ring, task work deferred to the enter that waits.
//
// --receive=own        each connection receives into its own buffer, one single-shot receive at a time. Submitted only when
//                      the send has completed, so that under load the data is already there and nothing is armed.
// --receive=multishot  one multishot receive for each connection, with a ring of buffers that all share.
// --spin_us=N          looks at the ring in plain memory for so long before it sleeps; 0 sleeps at once.
//
// user_data is the connection's address with the kind of operation in its low bits. It takes Linux 6.1.

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "bench/peers/peer.h"

ABSL_FLAG(std::string, receive, "own", "how connections receive: own or multishot");
ABSL_FLAG(int, spin_us, 0, "microseconds to spin on the ring before sleeping");
ABSL_FLAG(int, buffers, 1024, "buffers that multishot receives share; a power of two");

namespace pelton::peers {
namespace {

constexpr unsigned kSubmissions = 1024;
constexpr unsigned kCompletions = 16384;
constexpr unsigned kMostDescriptors = 16384;
constexpr uint16_t kBufferGroup = 0;
constexpr int kNoChunk = -1;
constexpr size_t kCacheLine = 64;

enum class Kind : uint64_t { kAccept, kStop, kReceive, kSend, kForget };
constexpr uint64_t kKindMask = 7;

// With --receive=own the buffer follows in the same allocation. At the default size that makes an odd number of cache lines,
// which spreads the connections over the cache's sets.
struct alignas(kCacheLine) Connection {
  explicit Connection(int descriptor_in) : descriptor(descriptor_in) {}

  int descriptor;       // an index into the ring's table
  uint32_t length = 0;  // of the message that is being sent back
  uint32_t sent = 0;    // of it
  // Multishot only: the received chunks in order, the first of which is being sent back.
  int first_chunk = kNoChunk;
  int last_chunk = kNoChunk;
  bool ended = false;   // nothing more will be received
  bool broken = false;  // nothing more can be sent

  char* own_buffer() { return reinterpret_cast<char*>(this + 1); }
};

class UringEcho {
 public:
  UringEcho(int listener, int stop_signals, bool multishot)
      : listener_(listener),
        stop_signals_(stop_signals),
        multishot_(multishot),
        buffer_size_((BufferSize() + kCacheLine - 1) / kCacheLine * kCacheLine),
        spin_ns_(int64_t{1000} * absl::GetFlag(FLAGS_spin_us)) {
    SetUpRing();
    if (multishot_) SetUpBuffers();
  }

  void Run() {
    io_uring_prep_poll_add(NextSqe(nullptr, Kind::kStop), stop_signals_, POLLIN);
    Accept();
    while (!stopped_) {
      Wait();
      unsigned head;
      unsigned count = 0;
      io_uring_cqe* cqe;
      io_uring_for_each_cqe(&ring_, head, cqe) {
        ++count;
        Handle(*cqe);
      }
      io_uring_cq_advance(&ring_, count);
    }
    io_uring_queue_exit(&ring_);
  }

 private:
  struct Chunk {
    uint32_t length;
    int next;
  };

  static void CheckUring(const char* what, int result) {
    if (result < 0) Die(what, -result);
  }

  void SetUpRing() {
    io_uring_params params = {};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
                   IORING_SETUP_CLAMP;
    params.cq_entries = kCompletions;
    CheckUring("io_uring_setup", io_uring_queue_init_params(kSubmissions, &ring_, &params));
    CheckUring("registering the ring", io_uring_register_ring_fd(&ring_));
    rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) Die("getrlimit", errno);
    const auto table = static_cast<unsigned>(std::min<rlim_t>(limit.rlim_cur, kMostDescriptors));
    CheckUring("registering descriptors", io_uring_register_files_sparse(&ring_, table));
  }

  void SetUpBuffers() {
    const auto count = static_cast<uint32_t>(absl::GetFlag(FLAGS_buffers));
    const size_t bytes = count * (sizeof(io_uring_buf) + buffer_size_);
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) Die("mmap", errno);
    buffer_ring_ = static_cast<io_uring_buf_ring*>(memory);
    buffers_ = static_cast<char*>(memory) + count * sizeof(io_uring_buf);
    buffer_mask_ = io_uring_buf_ring_mask(count);
    io_uring_buf_reg registration = {};
    registration.ring_addr = reinterpret_cast<uint64_t>(memory);
    registration.ring_entries = count;
    registration.bgid = kBufferGroup;
    CheckUring("registering buffers", io_uring_register_buf_ring(&ring_, &registration, 0));
    chunks_.resize(count);
    for (uint32_t i = 0; i < count; ++i) GiveBack(static_cast<int>(i));
  }

  // Submits what was queued, and sleeps unless something has completed.
  void Wait() {
    PublishBuffers();
    if (spin_ns_ > 0 && SpinUntilReady()) return;
    CheckEnter(io_uring_submit_and_wait(&ring_, 1));
  }

  // True when a completion is there before the time is up.
  bool SpinUntilReady() {
    if (io_uring_sq_ready(&ring_) > 0) CheckEnter(io_uring_submit_and_get_events(&ring_));
    const int64_t deadline = Now() + spin_ns_;
    for (unsigned looks = 1;; ++looks) {
      if (io_uring_cq_ready(&ring_) > 0) return true;
      if ((__atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_TASKRUN) != 0) {
        CheckEnter(io_uring_get_events(&ring_));
      } else if (looks % 16 == 0 && Now() >= deadline) {
        return false;
      }
    }
  }

  // An interrupted enter, or one that found the completion queue full, is followed by another after reaping.
  static void CheckEnter(int result) {
    if (result != -EINTR && result != -EAGAIN && result != -EBUSY) {
      CheckUring("io_uring_enter", result);
    }
  }

  void Handle(const io_uring_cqe& cqe) {
    auto* connection = reinterpret_cast<Connection*>(cqe.user_data & ~kKindMask);
    switch (static_cast<Kind>(cqe.user_data & kKindMask)) {
      case Kind::kReceive:
        return multishot_ ? OnChunk(*connection, cqe.res, cqe.flags)
                          : OnReceived(*connection, cqe.res);
      case Kind::kSend:
        return OnSent(*connection, cqe.res);
      case Kind::kAccept:
        return OnAccepted(cqe.res, cqe.flags);
      case Kind::kStop:
        stopped_ = true;
        return;
      case Kind::kForget:
        return;
    }
  }

  void Accept() {
    io_uring_prep_multishot_accept_direct(NextSqe(nullptr, Kind::kAccept), listener_, nullptr,
                                          nullptr, 0);
    accepting_ = true;
  }

  void OnAccepted(int result, unsigned flags) {
    if (result >= 0) {
      const size_t bytes = sizeof(Connection) + (multishot_ ? 0 : buffer_size_);
      void* memory = std::aligned_alloc(alignof(Connection), bytes);
      if (memory == nullptr) Die("aligned_alloc", ENOMEM);
      Receive(*new (memory) Connection(result));
    }
    if ((flags & IORING_CQE_F_MORE) != 0) return;
    // Out of descriptors it would end again at once, for ever: Close() starts it then.
    accepting_ = false;
    if (result != -EMFILE && result != -ENFILE) Accept();
  }

  void Receive(Connection& connection) {
    io_uring_sqe* sqe = NextSqe(&connection, Kind::kReceive);
    if (multishot_) {
      io_uring_prep_recv_multishot(sqe, connection.descriptor, nullptr, 0, 0);
      sqe->flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
      sqe->buf_group = kBufferGroup;
    } else {
      io_uring_prep_recv(sqe, connection.descriptor, connection.own_buffer(), buffer_size_, 0);
      sqe->flags = IOSQE_FIXED_FILE;
    }
  }

  void OnReceived(Connection& connection, int result) {
    if (result <= 0) return Close(connection);
    connection.length = static_cast<uint32_t>(result);
    connection.sent = 0;
    Send(connection, connection.own_buffer());
  }

  // Sends what is left of the message at `data`.
  void Send(Connection& connection, const char* data) {
    io_uring_sqe* sqe = NextSqe(&connection, Kind::kSend);
    io_uring_prep_send(sqe, connection.descriptor, data + connection.sent,
                       connection.length - connection.sent, MSG_NOSIGNAL);
    sqe->flags = IOSQE_FIXED_FILE;
  }

  void OnSent(Connection& connection, int result) {
    if (result < 0) return OnSendFailed(connection);
    connection.sent += static_cast<uint32_t>(result);
    if (multishot_) return OnChunkSent(connection);
    if (connection.sent < connection.length) return Send(connection, connection.own_buffer());
    Receive(connection);
  }

  void OnSendFailed(Connection& connection) {
    if (!multishot_) return Close(connection);
    while (connection.first_chunk != kNoChunk) DropFirstChunk(connection);
    if (connection.ended) return Close(connection);
    // The receive must end first; it does when the socket is shut down.
    connection.broken = true;
    io_uring_sqe* sqe = NextSqe(nullptr, Kind::kForget);
    io_uring_prep_shutdown(sqe, connection.descriptor, SHUT_RDWR);
    sqe->flags = IOSQE_FIXED_FILE;
  }

  void OnChunk(Connection& connection, int result, unsigned flags) {
    if (result > 0) {
      const int chunk = static_cast<int>(flags >> IORING_CQE_BUFFER_SHIFT);
      if (connection.broken) {
        GiveBack(chunk);
      } else {
        Append(connection, chunk, static_cast<uint32_t>(result));
      }
    }
    if ((flags & IORING_CQE_F_MORE) != 0) return;
    if (result > 0) {
      Receive(connection);
    } else if (result == -ENOBUFS) {
      starved_.push_back(&connection);
    } else {
      connection.ended = true;
      if (connection.first_chunk == kNoChunk) Close(connection);
    }
  }

  void Append(Connection& connection, int chunk, uint32_t length) {
    ChunkAt(chunk) = {length, kNoChunk};
    if (connection.first_chunk == kNoChunk) {
      connection.first_chunk = connection.last_chunk = chunk;
      SendFirstChunk(connection);
    } else {
      ChunkAt(connection.last_chunk).next = chunk;
      connection.last_chunk = chunk;
    }
  }

  void SendFirstChunk(Connection& connection) {
    connection.length = ChunkAt(connection.first_chunk).length;
    Send(connection, DataOf(connection.first_chunk));
  }

  void OnChunkSent(Connection& connection) {
    if (connection.sent == connection.length) DropFirstChunk(connection);
    if (connection.first_chunk != kNoChunk) return SendFirstChunk(connection);
    if (connection.ended) Close(connection);
  }

  void DropFirstChunk(Connection& connection) {
    GiveBack(connection.first_chunk);
    connection.first_chunk = ChunkAt(connection.first_chunk).next;
    connection.sent = 0;
    // All of them: the one that would be woken alone may have nothing to receive.
    for (Connection* starved : starved_) Receive(*starved);
    starved_.clear();
  }

  // The kernel sees it before the next submission.
  void GiveBack(int chunk) {
    io_uring_buf_ring_add(buffer_ring_, DataOf(chunk), static_cast<unsigned>(buffer_size_),
                          static_cast<uint16_t>(chunk), buffer_mask_, given_back_++);
  }

  void PublishBuffers() {
    if (given_back_ > 0) io_uring_buf_ring_advance(buffer_ring_, std::exchange(given_back_, 0));
  }

  Chunk& ChunkAt(int chunk) { return chunks_[static_cast<size_t>(chunk)]; }
  char* DataOf(int chunk) const { return buffers_ + static_cast<size_t>(chunk) * buffer_size_; }

  // REQUIRES: no operation of the connection is in flight.
  void Close(Connection& connection) {
    io_uring_prep_close_direct(NextSqe(nullptr, Kind::kForget),
                               static_cast<unsigned>(connection.descriptor));
    std::free(&connection);
    if (!accepting_) Accept();
  }

  io_uring_sqe* NextSqe(Connection* connection, Kind kind) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    while (sqe == nullptr) {
      PublishBuffers();
      CheckEnter(io_uring_submit(&ring_));
      sqe = io_uring_get_sqe(&ring_);
    }
    sqe->user_data = reinterpret_cast<uint64_t>(connection) | static_cast<uint64_t>(kind);
    return sqe;
  }

  static int64_t Now() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{1'000'000'000} * now.tv_sec + now.tv_nsec;
  }

  const int listener_;
  const int stop_signals_;
  const bool multishot_;
  const size_t buffer_size_;
  const int64_t spin_ns_;
  bool stopped_ = false;
  bool accepting_ = false;
  io_uring ring_;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  char* buffers_ = nullptr;
  int buffer_mask_ = 0;
  int given_back_ = 0;                // buffers since the last enter
  std::vector<Chunk> chunks_;         // one for each buffer
  std::vector<Connection*> starved_;  // their receives ended for want of a buffer
};

}  // namespace
}  // namespace pelton::peers

int main(int argc, char** argv) {
  using namespace pelton::peers;
  Begin(argc, argv);
  const std::string receive = absl::GetFlag(FLAGS_receive);
  if (receive != "own" && receive != "multishot") Die("--receive", EINVAL);
  const int listener = ListenOnLoopback();
  UringEcho server(listener, StopSignals(), receive == "multishot");
  Announce(PortOf(listener), "raw-uring");
  server.Run();
  return 0;
}
