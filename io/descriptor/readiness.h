// Waiting for descriptors that belong to other libraries (libpq, libcurl, OpenSSL, ALSA, ...), which
// do their own reading and writing.
//
//   PELTON_CO_RETURN_IF_ERROR(co_await AwaitReadable(PQsocket(connection)));
//   PQconsumeInput(connection);
//
// Whoever made the descriptor keeps it, and closes it in any way and at any time while no task waits
// for it here; its number may then be anything else's, a stream of Pelton's as well. Nothing has to be
// announced before or after.
//
// Closed while a task waits for it: the kernel tells the waiting side nothing. The await goes on until
// its task is cancelled (a deadline does), and may be ended by what the number stands for next. A
// library that closes by itself says so before (CURL_POLL_REMOVE, ares_sock_state_cb): end the wait
// there, and await its end.
//
// Shard affinity: the awaiting task's. Several tasks may wait for one descriptor.
// Cost: no allocation; a share of the turn's system call (io_uring), or poll(2) and, when it has to
// wait, epoll_ctl(2) (epoll). It tells what is true at that moment: others may take the bytes, so
// read without blocking.

#ifndef PELTON_IO_DESCRIPTOR_READINESS_H_
#define PELTON_IO_DESCRIPTOR_READINESS_H_

#include <poll.h>

#include <ostream>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/await_operation.h"

namespace pelton {

namespace io {

// What the two awaiters below share.
class PollAwaiter : public OperationAwaiter {
 public:
  void Describe(std::ostream& out) const override;

 protected:
  PollAwaiter(int descriptor, short events) : OperationAwaiter(OperationKind::kPoll) {
    Operation::descriptor = descriptor;
    Operation::length = static_cast<uint16_t>(events);
  }
  ~PollAwaiter() = default;
  absl::Status Failure() const;
};

}  // namespace io

// Suspends until one of the poll(2) `events` (POLLIN, POLLOUT, POLLPRI, POLLRDHUP) comes, and yields
// those that have: absl::StatusOr<int>; POLLERR and POLLHUP come unasked. ERRORS: FAILED_PRECONDITION
// or what the errno stands for when `descriptor` is not open (EBADF), or the stop status.
class [[nodiscard("co_await it")]] AwaitEvents final : private io::PollAwaiter {
 public:
  AwaitEvents(int descriptor, short events) : PollAwaiter(descriptor, events) {}
  using PollAwaiter::await_ready;
  using PollAwaiter::await_suspend;
  absl::StatusOr<int> await_resume() const;
};

// Suspends until reading would not block: bytes, the end, or an error are there. Yields absl::Status.
class [[nodiscard("co_await it")]] AwaitReadable final : private io::PollAwaiter {
 public:
  explicit AwaitReadable(int descriptor) : PollAwaiter(descriptor, POLLIN) {}
  using PollAwaiter::await_ready;
  using PollAwaiter::await_suspend;
  absl::Status await_resume() const;
};

// The same for writing, and for the end of connect(2).
class [[nodiscard("co_await it")]] AwaitWritable final : private io::PollAwaiter {
 public:
  explicit AwaitWritable(int descriptor) : PollAwaiter(descriptor, POLLOUT) {}
  using PollAwaiter::await_ready;
  using PollAwaiter::await_suspend;
  absl::Status await_resume() const;
};

}  // namespace pelton

#endif  // PELTON_IO_DESCRIPTOR_READINESS_H_
