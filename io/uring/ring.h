// One io_uring instance: its set-up, its two queues and the call that drives them.
//
// liburing maps the queues and registers things; the turn's path is ours, because it needs flags
// that the packaged liburing lacks (no-iowait accounting) and one call that submits, runs the
// kernel's deferred work and waits.
//
// Shard affinity: created and used by one thread (SINGLE_ISSUER).
// Source: man io_uring(7), io_uring_setup(2), io_uring_enter(2).

#ifndef PELTON_IO_URING_RING_H_
#define PELTON_IO_URING_RING_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/uring/abi.h"

namespace pelton::io {

// Why a ring could not be set up, and the remedy.
absl::Status RingSetupError(unsigned entries, int error);

class Ring {
 public:
  struct Options {
    unsigned submission_entries = 1024;
    // Which capabilities of the same names (uring_capabilities.h) to use where they are to be had.
    bool deferred_work = true;
    bool registered_ring = true;
    bool no_iowait = true;
  };
  // So small may a ring become when memory is short.
  static constexpr unsigned kFewestEntries = 64;

  // Makes a ring with the most capable set-up flags that this kernel takes. Where it refuses the
  // memory (RLIMIT_MEMLOCK), half as many entries are tried, and so on down to kFewestEntries.
  // ERRORS: PermissionDenied (EPERM: seccomp, or kernel.io_uring_disabled), Unimplemented (ENOSYS),
  // ResourceExhausted (ENOMEM: RLIMIT_MEMLOCK; EMFILE); the message names the likely cause and its
  // remedy.
  static absl::StatusOr<std::unique_ptr<Ring>> Create(const Options& options);
  static absl::StatusOr<std::unique_ptr<Ring>> Create(unsigned submission_entries) {
    return Create(Options{.submission_entries = submission_entries});
  }
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // A cleared submission entry, or null when the queue is full: Enter() makes room.
  io_uring_sqe* NextEntry() {
    const unsigned head = __atomic_load_n(ring_.sq.khead, __ATOMIC_ACQUIRE);
    if (tail_ - head >= submission_entries_) [[unlikely]]
      return nullptr;
    io_uring_sqe* entry = &ring_.sq.sqes[tail_ & submission_mask_];
    ++tail_;
    __builtin_memset(entry, 0, sizeof(*entry));
    return entry;
  }

  // Entries that the kernel has not taken yet.
  unsigned unsubmitted() const { return tail_ - __atomic_load_n(ring_.sq.khead, __ATOMIC_RELAXED); }
  // Whether the kernel has work that only an Enter() runs, or completions that did not fit.
  bool NeedsEnter() const {
    return (__atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED) &
            (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
  }
  bool HasCompletions() const {
    return __atomic_load_n(ring_.cq.ktail, __ATOMIC_ACQUIRE) != completion_head_;
  }

  // Submits all entries, runs deferred work, and, when `wait`, blocks until a completion has
  // arrived or `timeout_ns` have passed (negative: no limit). Returns 0 or a negative errno
  // (-ETIME, -EINTR, -EBUSY, -EAGAIN: entries may remain).
  int Enter(bool wait, int64_t timeout_ns);

  // Calls f(const io_uring_cqe&) for each completion that had arrived at entry, then gives their
  // places back.
  template <typename F>
  void ForEachCompletion(F&& f) {
    unsigned head = completion_head_;
    const unsigned tail = __atomic_load_n(ring_.cq.ktail, __ATOMIC_ACQUIRE);
    if (head == tail) return;
    for (; head != tail; ++head) {
      const io_uring_cqe& completion = ring_.cq.cqes[head & completion_mask_];
      const unsigned ahead = head + kPrefetchDistance;
      if (static_cast<int>(tail - ahead) > 0) {
        __builtin_prefetch(
            reinterpret_cast<void*>(ring_.cq.cqes[ahead & completion_mask_].user_data), 1);
      }
      f(completion);
    }
    completion_head_ = head;
    __atomic_store_n(ring_.cq.khead, head, __ATOMIC_RELEASE);
  }

  // For registrations.
  io_uring& raw() { return ring_; }
  // io_uring_register(2) of what liburing has no function for. Returns what it does, or a negative
  // errno.
  int Register(int opcode, const void* argument, unsigned count);
  int descriptor() const { return ring_.ring_fd; }
  // The set-up flags and features that were granted.
  unsigned setup_flags() const { return ring_.flags; }
  unsigned features() const { return ring_.features; }
  // How many there are: a power of two, at least as many as were asked for unless memory was short.
  unsigned submission_entries() const { return submission_entries_; }
  unsigned completion_entries() const { return completion_mask_ + 1; }
  // Whether memory was short.
  bool shrunk() const { return shrunk_; }
  // Whether the capabilities of these names are used.
  bool deferred_work() const { return (ring_.flags & IORING_SETUP_DEFER_TASKRUN) != 0; }
  bool registered_ring() const { return registered_; }
  bool no_iowait() const { return (enter_flags_ & IORING_ENTER_NO_IOWAIT) != 0; }

 private:
  static constexpr unsigned kPrefetchDistance = 4;

  Ring() = default;

  int SetUp(unsigned submission_entries, bool deferred_work);

  io_uring ring_ = {};
  unsigned tail_ = 0;             // ours; the kernel's is written by Enter()
  unsigned completion_head_ = 0;  // ours
  unsigned submission_entries_ = 0;
  unsigned submission_mask_ = 0;
  unsigned completion_mask_ = 0;
  int enter_descriptor_ = -1;
  unsigned enter_flags_ = 0;
  bool registered_ = false;
  bool shrunk_ = false;
};

}  // namespace pelton::io

#endif  // PELTON_IO_URING_RING_H_
