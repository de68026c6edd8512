#include "io/uring/ring.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"

namespace pelton::io {
namespace {

// Linux 6.1: completions are run only by our own Enter(), where they find warm caches and no locks.
constexpr unsigned kDeferredWork =
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
// From the most to the least capable; EINVAL says that the kernel does not know a flag.
constexpr unsigned kSetupLadder[] = {
    kDeferredWork,
    // Linux 5.19: no interrupts of the running thread.
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};
constexpr unsigned kAlways = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
// Completions may pile up while a turn runs; those that do not fit cost an extra system call.
constexpr unsigned kCompletionsPerSubmission = 4;

}  // namespace

absl::Status RingSetupError(unsigned entries, int error) {
  std::string hint;
  if (error == EPERM || error == EACCES) {
    hint =
        "; io_uring is forbidden here, by a seccomp filter or by sysctl kernel.io_uring_disabled";
  } else if (error == ENOSYS) {
    hint = "; this kernel has no io_uring, or a seccomp filter hides it";
  } else if (error == ENOMEM) {
    hint = "; raise the locked-memory limit (ulimit -l) or lower the number of shards";
  }
  absl::Status status = ErrnoToStatus(error, absl::StrCat("io_uring_setup(entries=", entries, ")"));
  return absl::Status(status.code(), absl::StrCat(status.message(), hint));
}

int Ring::SetUp(unsigned submission_entries, bool deferred_work) {
  int result = -EINVAL;
  for (unsigned flags : kSetupLadder) {
    if (flags == kDeferredWork && !deferred_work) continue;
    io_uring_params params = {};
    // SUBMIT_ALL: one bad entry does not hold up the rest of its batch.
    params.flags = flags | kAlways | (flags != 0 ? IORING_SETUP_SUBMIT_ALL : 0);
    params.cq_entries = submission_entries * kCompletionsPerSubmission;
    result = ::io_uring_queue_init_params(submission_entries, &ring_, &params);
    if (result != -EINVAL) break;
  }
  if (result < 0) ring_.ring_fd = -1;
  return result;
}

absl::StatusOr<std::unique_ptr<Ring>> Ring::Create(const Options& options) {
  std::unique_ptr<Ring> ring(new Ring());
  unsigned entries = options.submission_entries;
  int result = ring->SetUp(entries, options.deferred_work);
  while (result == -ENOMEM && entries / 2 >= kFewestEntries) {
    ring->shrunk_ = true;
    entries /= 2;
    result = ring->SetUp(entries, options.deferred_work);
  }
  if (result < 0) return RingSetupError(entries, -result);
  io_uring& raw = ring->ring_;
  if ((raw.features & IORING_FEAT_EXT_ARG) == 0 || (raw.features & IORING_FEAT_NODROP) == 0) {
    return absl::UnimplementedError(
        "io_uring of this kernel lacks timed waits (Linux 5.11 and newer have them)");
  }
  // A forked child must not share the queues.
  (void)::io_uring_ring_dontfork(&raw);
  ring->submission_entries_ = *raw.sq.kring_entries;
  ring->submission_mask_ = *raw.sq.kring_mask;
  ring->completion_mask_ = *raw.cq.kring_mask;
  for (unsigned i = 0; i < ring->submission_entries_; ++i) raw.sq.array[i] = i;
  if (options.no_iowait && (raw.features & IORING_FEAT_NO_IOWAIT) != 0) {
    ring->enter_flags_ |= IORING_ENTER_NO_IOWAIT;
  }
  ring->enter_descriptor_ = raw.ring_fd;
  if (options.registered_ring && ::io_uring_register_ring_fd(&raw) == 1) {
    ring->registered_ = true;
    ring->enter_descriptor_ = raw.enter_ring_fd;
    ring->enter_flags_ |= IORING_ENTER_REGISTERED_RING;
  }
  return ring;
}

Ring::~Ring() {
  if (ring_.ring_fd < 0) return;
  if (registered_) ::io_uring_unregister_ring_fd(&ring_);
  ::io_uring_queue_exit(&ring_);
}

int Ring::Enter(bool wait, int64_t timeout_ns) {
  __atomic_store_n(ring_.sq.ktail, tail_, __ATOMIC_RELEASE);
  unsigned flags = enter_flags_ | IORING_ENTER_GETEVENTS;
  long result;
  if (!wait || timeout_ns < 0) {
    result = ::syscall(__NR_io_uring_enter, enter_descriptor_, unsubmitted(), wait ? 1 : 0, flags,
                       nullptr, 0);
  } else {
    __kernel_timespec timeout = {.tv_sec = timeout_ns / 1'000'000'000,
                                 .tv_nsec = timeout_ns % 1'000'000'000};
    io_uring_getevents_arg argument = {};
    argument.ts = reinterpret_cast<uintptr_t>(&timeout);
    flags |= IORING_ENTER_EXT_ARG;
    result = ::syscall(__NR_io_uring_enter, enter_descriptor_, unsubmitted(), 1, flags, &argument,
                       sizeof(argument));
  }
  return result < 0 ? -errno : 0;
}

int Ring::Register(int opcode, const void* argument, unsigned count) {
  const long result = ::syscall(__NR_io_uring_register, ring_.ring_fd, opcode, argument, count);
  return result < 0 ? -errno : static_cast<int>(result);
}

}  // namespace pelton::io
