// CommandRing: raw commands to devices and sockets through io_uring (IORING_OP_URING_CMD), past file
// systems and block layer: NVMe namespaces (/dev/ng0n1), sockets, ublk and the like.
//
//   PELTON_CO_ASSIGN_OR_RETURN(auto ring, CommandRing::Create({}));
//   nvme_uring_cmd read = {.opcode = 0x02, .nsid = 1, .addr = address, .data_len = 4096, ...};
//   PELTON_CO_ASSIGN_OR_RETURN(RawCommandResult done,
//                              co_await ring->Submit(NvmeCommand(fd, "/dev/ng0n1", read)));
//
// Commands need submission entries of 128 bytes and completions of 32, so they have a ring of their
// own beside the shard's. The shard's driver, whichever it is, watches an eventfd which the kernel
// signals at completions. A polled ring has no interrupts: while commands are in flight, the shard
// asks the device once a turn and does not sleep.
//
// Shard affinity: the shard that made it.
// Ownership: the caller's memory that a command points to, and its descriptor, are the device's
// until the await returns, also when the task is cancelled: a device may finish what it has begun.
// Invariants: 1. at most `entries` commands are with the kernel, the others wait here, in order;
// 2. an eventfd is watched exactly while commands are in flight.
// Cost: a system call for each command, one for each batch of completions; no allocation
// while the entries suffice.
// Source: man io_uring_enter(2), IORING_OP_URING_CMD; linux/nvme_ioctl.h.

#ifndef PELTON_IO_URING_COMMAND_RING_H_
#define PELTON_IO_URING_COMMAND_RING_H_

#include <linux/nvme_ioctl.h>

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <ostream>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "io/uring/abi.h"
#include "sched/scheduler.h"

namespace pelton {

// What a device is to do. What the fields mean is the device's to say.
struct RawCommand {
  int descriptor = -1;
  std::string_view device;                 // its name in messages; lives until the await returns
  uint32_t operation = 0;                  // which command
  uint64_t argument = 0;                   // of socket options: the level, and above it the option
  uint32_t length = 0;                     // of socket options: the bytes of the value
  std::array<std::byte, 80> payload = {};  // of NVMe: an nvme_uring_cmd
};

struct RawCommandResult {
  int32_t result;                 // not negative; of NVMe 0, or the status that the device gave
  std::array<uint64_t, 2> extra;  // of NVMe: first the result of the completion entry
};

// A read, write or other command to a namespace; `operation` is NVME_URING_CMD_IO, or _ADMIN, or
// their vectored kin.
RawCommand NvmeCommand(int descriptor, std::string_view device, const nvme_uring_cmd& request,
                       uint32_t operation = NVME_URING_CMD_IO);
// How many bytes wait in a socket to be read. Result: bytes. Linux 6.5.
RawCommand SocketUnreadCommand(int descriptor, std::string_view peer);
// How many bytes wait in a socket to be sent. Result: bytes. Linux 6.5.
RawCommand SocketUnsentCommand(int descriptor, std::string_view peer);
// getsockopt(2); the kernel knows level SOL_SOCKET. Result: bytes of the value. Linux 6.7.
RawCommand GetSocketOptionCommand(int descriptor, std::string_view peer, int level, int option,
                                  std::span<std::byte> value);
// setsockopt(2). Linux 6.7.
RawCommand SetSocketOptionCommand(int descriptor, std::string_view peer, int level, int option,
                                  std::span<const std::byte> value);

namespace io {
class CommandAwaiter;
class CommandWatch;
}  // namespace io

class CommandRing {
 public:
  struct Options {
    unsigned entries = 64;  // commands with the kernel at once
    bool polled = false;    // completions are asked for; the device needs queues for that
  };

  // ERRORS: those of a shard's ring: PERMISSION_DENIED and UNIMPLEMENTED where io_uring is forbidden
  // or the kernel has no such rings (Linux 5.19), RESOURCE_EXHAUSTED.
  static absl::StatusOr<std::unique_ptr<CommandRing>> Create(const Options& options);
  // REQUIRES: no command is in flight; its shard's reactor is current.
  ~CommandRing();
  CommandRing(const CommandRing&) = delete;
  CommandRing& operator=(const CommandRing&) = delete;

  // Suspends until the device has answered: absl::StatusOr<RawCommandResult>. ERRORS: the device's,
  // naming it (UNIMPLEMENTED for EOPNOTSUPP: it takes no such command, or none by polling), or the
  // stop status, once the device has let go.
  io::CommandAwaiter Submit(const RawCommand& command);

  // Commands that have not completed.
  size_t in_flight() const { return submitted_ + waiting_.size(); }

 private:
  friend class io::CommandAwaiter;
  friend class io::CommandWatch;

  explicit CommandRing(const Options& options)
      : entries_(options.entries), polled_(options.polled) {}

  void Start(io::CommandAwaiter& command);
  void Cancel(io::CommandAwaiter& command);
  void Prepare(io::CommandAwaiter& command);
  void SubmitWaiting();
  void Reap();

  const unsigned entries_;
  const bool polled_;
  bool has_ring_ = false;
  io_uring ring_ = {};
  io::CommandWatch* watch_ = nullptr;  // closes and frees itself
  size_t submitted_ = 0;               // commands that the kernel has
  std::deque<io::CommandAwaiter*> waiting_;
};

namespace io {

// Awaits the answer to a command.
class [[nodiscard("co_await it")]] CommandAwaiter final : public Suspension {
 public:
  CommandAwaiter(CommandRing& ring, const RawCommand& command) : ring_(ring), command_(command) {}

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (StoppedBeforeWaiting()) return Requeue(task.promise());
    Suspend(task.promise());
    ring_.Start(*this);
  }
  absl::StatusOr<RawCommandResult> await_resume() const;

  void Interrupt() override { ring_.Cancel(*this); }
  void Describe(std::ostream& out) const override;

 private:
  friend class ::pelton::CommandRing;

  void Finish(const RawCommandResult& result) {
    result_ = result;
    Resume();
  }

  CommandRing& ring_;
  const RawCommand command_;
  RawCommandResult result_ = {.result = -125, .extra = {}};  // ECANCELED: it was not started
};

}  // namespace io

inline io::CommandAwaiter CommandRing::Submit(const RawCommand& command) {
  return {*this, command};
}

}  // namespace pelton

#endif  // PELTON_IO_URING_COMMAND_RING_H_
