#include "io/uring/kernel_features.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/uring/abi.h"
#include "io/uring/buffer_ring.h"
#include "io/uring/ring.h"

namespace pelton::io {
namespace {

constexpr int64_t kTimeoutNs = 100'000'000;
constexpr unsigned kEntries = 4;
constexpr size_t kPage = 4096;

// What an attempt says: 0, or a negative errno.
std::string WhyNot(int result) {
  return result >= 0 ? "" : absl::StrCat("the kernel answers ", ErrnoName(-result));
}

// A descriptor that is closed at the end of its scope.
class OwnDescriptor {
 public:
  explicit OwnDescriptor(int fd) : fd_(fd) {}
  ~OwnDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  OwnDescriptor(const OwnDescriptor&) = delete;
  OwnDescriptor& operator=(const OwnDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// The result of the next completion.
int NextResult(Ring& ring) {
  if (!ring.HasCompletions()) ring.Enter(/*wait=*/true, kTimeoutNs);
  std::optional<int> result;
  ring.ForEachCompletion([&result](const io_uring_cqe& completion) {
    if (!result.has_value()) result = completion.res;
  });
  return result.value_or(-ETIME);
}

// Set-up flags on a ring that is made for the purpose and goes again. Returns 0 or a negative errno.
int TrySetup(unsigned flags) {
  io_uring_params params = {};
  params.flags = flags;
  // Idle at once: what SQPOLL starts must not spin.
  params.sq_thread_idle = 1;
  const long descriptor = ::syscall(__NR_io_uring_setup, kEntries, &params);
  if (descriptor < 0) return -errno;
  ::close(static_cast<int>(descriptor));
  return 0;
}

// A direct read of the file that is executed, whose file system is the likeliest to be a disk's.
int TryPolledRead() {
  io_uring ring;
  int result = ::io_uring_queue_init(kEntries, &ring, IORING_SETUP_IOPOLL);
  if (result < 0) return result;
  const OwnDescriptor file(::open("/proc/self/exe", O_RDONLY | O_DIRECT | O_CLOEXEC));
  void* memory = std::aligned_alloc(kPage, kPage);
  result = file.get() < 0 ? -errno : -ENOMEM;
  if (file.get() >= 0 && memory != nullptr) {
    io_uring_sqe* entry = ::io_uring_get_sqe(&ring);
    ::io_uring_prep_read(entry, file.get(), memory, kPage, 0);
    result = ::io_uring_submit(&ring);
    io_uring_cqe* completion = nullptr;
    if (result == 1) result = ::io_uring_wait_cqe(&ring, &completion);
    if (result == 0) result = completion->res;
  }
  ::io_uring_queue_exit(&ring);
  std::free(memory);
  return result;
}

// A buffer ring of these flags, and whether the kernel tells how far it has taken it.
int TryBufferRing(Ring& ring, uint16_t flags, bool ask_status) {
  constexpr uint16_t kGroup = 7;
  io_uring_buf_ring* memory = MapBufferRing(kEntries);
  if (memory == nullptr) return -ENOMEM;
  abi::BufferRingRegistration registration = {};
  registration.address = reinterpret_cast<uintptr_t>(memory);
  registration.entries = kEntries;
  registration.group = kGroup;
  registration.flags = flags;
  int result = ring.Register(IORING_REGISTER_PBUF_RING, &registration, 1);
  if (result == 0) {
    abi::BufferStatus status = {};
    status.group = kGroup;
    if (ask_status) result = ring.Register(::IORING_REGISTER_PBUF_STATUS, &status, 1);
    ::io_uring_unregister_buf_ring(&ring.raw(), kGroup);
  }
  ::munmap(memory, kEntries * sizeof(io_uring_buf));
  return result;
}

// Registers a page, and clones the registration to a second ring.
int TryClonedBuffers(Ring& ring) {
  void* memory = std::aligned_alloc(kPage, kPage);
  if (memory == nullptr) return -ENOMEM;
  const iovec vector = {.iov_base = memory, .iov_len = kPage};
  int result = ::io_uring_register_buffers(&ring.raw(), &vector, 1);
  if (result == 0) {
    const absl::StatusOr<std::unique_ptr<Ring>> other = Ring::Create(kEntries);
    abi::CloneBuffers request = {};
    request.source_descriptor = static_cast<uint32_t>(ring.descriptor());
    result =
        other.ok() ? (*other)->Register(::IORING_REGISTER_CLONE_BUFFERS, &request, 1) : -ENOMEM;
    ::io_uring_unregister_buffers(&ring.raw());
  }
  std::free(memory);
  return result;
}

int TryResize(Ring& ring) {
  // To the size that it has: the queues move, so a ring of one's own.
  io_uring_params params = {};
  params.sq_entries = ring.submission_entries();
  params.cq_entries = ring.completion_entries();
  params.flags = IORING_SETUP_CQSIZE;
  return ring.Register(::IORING_REGISTER_RESIZE_RINGS, &params, 1);
}

// Memory for the arguments of waits, which a ring takes before it is enabled.
int TryWaitRegion() {
  io_uring_params params = {};
  params.flags = IORING_SETUP_R_DISABLED;
  const OwnDescriptor ring(static_cast<int>(::syscall(__NR_io_uring_setup, kEntries, &params)));
  if (ring.get() < 0) return -errno;
  void* memory = std::aligned_alloc(kPage, kPage);
  if (memory == nullptr) return -ENOMEM;
  std::memset(memory, 0, kPage);
  abi::Region region = {};
  region.address = reinterpret_cast<uintptr_t>(memory);
  region.bytes = kPage;
  region.flags = ::IORING_MEM_REGION_TYPE_USER;
  abi::MemoryRegion request = {};
  request.region = reinterpret_cast<uintptr_t>(&region);
  request.flags = ::IORING_MEM_REGION_REG_WAIT_ARG;
  const long result =
      ::syscall(__NR_io_uring_register, ring.get(), ::IORING_REGISTER_MEM_REGION, &request, 1);
  const int error = errno;
  std::free(memory);
  return result < 0 ? -error : 0;
}

int TrySyncCancel(Ring& ring) {
  io_uring_sync_cancel_reg request = {};
  request.addr = 1;  // nothing has this address
  request.fd = -1;
  request.timeout = {.tv_sec = -1, .tv_nsec = -1};
  const int result = ::io_uring_register_sync_cancel(&ring.raw(), &request);
  return result == -ENOENT ? 0 : result;
}

// A cancellation that finds nothing.
int TryCancel(Ring& ring, unsigned flags) {
  io_uring_sqe* entry = ring.NextEntry();
  ::io_uring_prep_cancel_fd(entry, ring.descriptor(), flags);
  const int result = NextResult(ring);
  return result == -ENOENT ? 0 : result;
}

int TrySocketCommand(Ring& ring, int command) {
  const OwnDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return -errno;
  int value = 0;
  io_uring_sqe* entry = ring.NextEntry();
  entry->opcode = IORING_OP_URING_CMD;
  entry->fd = socket.get();
  entry->cmd_op = static_cast<uint32_t>(command);
  if (command == ::SOCKET_URING_OP_GETSOCKOPT) {
    entry->addr = uint64_t{SO_RCVBUF} << 32 | SOL_SOCKET;
    entry->file_index = sizeof(value);
    entry->addr3 = reinterpret_cast<uintptr_t>(&value);
  }
  return NextResult(ring);
}

// Sends another ring a descriptor that there is not: EBADF says that the kernel looked for it.
int TryMessageOfDescriptor(Ring& ring) {
  constexpr uint64_t kSendDescriptor = 1;  // IORING_MSG_SEND_FD
  const absl::StatusOr<std::unique_ptr<Ring>> other = Ring::Create(kEntries);
  if (!other.ok()) return -ENOMEM;
  io_uring_sqe* entry = ring.NextEntry();
  entry->opcode = IORING_OP_MSG_RING;
  entry->fd = (*other)->descriptor();
  entry->addr = kSendDescriptor;
  const int result = NextResult(ring);
  return result == -EBADF ? 0 : result;
}

class Attempts {
 public:
  explicit Attempts(Ring& ring)
      : ring_(ring), operations_(::io_uring_get_probe_ring(&ring.raw())) {}
  ~Attempts() {
    if (operations_ != nullptr) ::io_uring_free_probe(operations_);
  }
  Attempts(const Attempts&) = delete;
  Attempts& operator=(const Attempts&) = delete;

  void Note(const char* name, const char* use, int result) {
    found_.push_back({name, use, WhyNot(result)});
  }
  // By the kernel's own list of operations.
  void NoteOperation(const char* name, const char* use, int opcode) {
    const bool knows =
        operations_ != nullptr && ::io_uring_opcode_supported(operations_, opcode) != 0;
    found_.push_back({name, use, knows ? "" : "this kernel lacks the operation"});
  }
  // By the features that a ring is told.
  void NoteBit(const char* name, const char* use, unsigned bit) {
    const bool has = (ring_.features() & bit) != 0;
    found_.push_back({name, use, has ? "" : "this kernel lacks the feature"});
  }
  std::vector<KernelFeature> Take() { return std::move(found_); }

 private:
  Ring& ring_;
  io_uring_probe* const operations_;
  std::vector<KernelFeature> found_;
};

void TrySetups(Attempts& attempts) {
  attempts.Note("cooperative_work", "where deferred_work is missing",
                TrySetup(IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG));
  attempts.Note("submission_thread", "not used: it takes a CPU of its own for each shard",
                TrySetup(IORING_SETUP_SQPOLL));
  attempts.Note("wide_entries", "command_ring.h: commands to devices",
                TrySetup(IORING_SETUP_SQE128 | IORING_SETUP_CQE32));
  attempts.Note("mixed_completions", "not used: no completion here has more than 16 bytes",
                TrySetup(IORING_SETUP_CQE_MIXED));
  attempts.Note("polled_ring", "command_ring.h: devices that have queues for it",
                TrySetup(IORING_SETUP_IOPOLL));
  attempts.Note("hybrid_polled_ring", "not used",
                TrySetup(IORING_SETUP_IOPOLL | IORING_SETUP_HYBRID_IOPOLL));
  attempts.Note("polled_read", "interrupts, where the disk has no queues for polling",
                TryPolledRead());
}

void TryRegistrations(Ring& ring, Attempts& attempts) {
  attempts.Note("cloned_buffers", "not used: each shard has its own", TryClonedBuffers(ring));
  attempts.Note("buffer_ring_status", "not used: the driver counts itself",
                TryBufferRing(ring, 0, /*ask_status=*/true));
  attempts.Note("incremental_buffers", "not used: within 1 % of chunks, which are given back whole",
                TryBufferRing(ring, ::IOU_PBUF_RING_INC, /*ask_status=*/false));
  attempts.Note("registered_waits", "not used: the argument of a wait is small", TryWaitRegion());
  attempts.Note("synchronous_cancel", "not used: cancellations ride with submissions",
                TrySyncCancel(ring));
  attempts.Note("cancel_by_descriptor", "not used: each operation is cancelled by its address",
                TryCancel(ring, IORING_ASYNC_CANCEL_ALL));
  attempts.Note("cancel_by_operation", "not used: the same",
                TryCancel(ring, IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_OP));
  attempts.Note("message_of_descriptor", "not used: descriptors are the process's",
                TryMessageOfDescriptor(ring));
  attempts.Note("socket_command_queues", "command_ring.h",
                TrySocketCommand(ring, ::SOCKET_URING_OP_SIOCINQ));
  attempts.Note("socket_command_options", "command_ring.h; SOL_SOCKET alone can be read",
                TrySocketCommand(ring, ::SOCKET_URING_OP_GETSOCKOPT));
}

void ReadBits(Attempts& attempts) {
  attempts.NoteBit("timed_wait", "needed", IORING_FEAT_EXT_ARG);
  attempts.NoteBit("lossless_completions", "needed", IORING_FEAT_NODROP);
  attempts.NoteBit("inline_poll", "needed: waits for sockets without a thread",
                   IORING_FEAT_FAST_POLL);
  attempts.NoteBit("skipped_completions", "not used: it would lose errors", IORING_FEAT_CQE_SKIP);
  attempts.NoteBit("linked_files", "not used: the loop runs what comes next",
                   IORING_FEAT_LINKED_FILE);
  attempts.NoteBit("bundles", "receives and sends of several buffers at once",
                   IORING_FEAT_RECVSEND_BUNDLE);
  attempts.NoteBit("min_wait", "not used: it delays a lone request", IORING_FEAT_MIN_TIMEOUT);
}

void ReadOperations(Attempts& attempts) {
  const std::pair<int, std::array<const char*, 2>> operations[] = {
      {IORING_OP_SENDMSG_ZC, {"send_message_zero_copy", "writes go through send_zero_copy"}},
      {IORING_OP_URING_CMD, {"device_command", "command_ring.h"}},
      {::IORING_OP_READ_MULTISHOT, {"multishot_read", "not used: pipes are read one at a time"}},
      {::IORING_OP_WAITID, {"wait_for_child", "pidfds, which older kernels have, too"}},
      {::IORING_OP_FUTEX_WAIT, {"futex", "not used: other threads wake a shard by its eventfd"}},
      {::IORING_OP_FIXED_FD_INSTALL, {"descriptor_install", "not used: descriptors are there"}},
      {::IORING_OP_BIND, {"bind", "not used: bind(2) does not block"}},
      {::IORING_OP_LISTEN, {"listen", "not used: listen(2) does not block"}},
      {::IORING_OP_RECV_ZC, {"zero_copy_receive", "not used: it needs a queue of the device"}},
      {::IORING_OP_EPOLL_WAIT, {"epoll_wait", "not used"}},
      {::IORING_OP_READV_FIXED, {"registered_vectors", "not used"}},
      {::IORING_OP_PIPE, {"pipe", "not used: pipe2(2) does not block"}},
  };
  for (const auto& [opcode, texts] : operations) {
    attempts.NoteOperation(texts[0], texts[1], opcode);
  }
}

}  // namespace

absl::StatusOr<std::vector<KernelFeature>> TryKernelFeatures() {
  PELTON_ASSIGN_OR_RETURN(std::unique_ptr<Ring> ring, Ring::Create(kEntries));
  Attempts attempts(*ring);
  ReadBits(attempts);
  TrySetups(attempts);
  TryRegistrations(*ring, attempts);
  ReadOperations(attempts);
  // Last, because it moves the queues.
  attempts.Note("ring_resize", "not used: rings are as large as they need to be", TryResize(*ring));
  return attempts.Take();
}

}  // namespace pelton::io
