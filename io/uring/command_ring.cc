#include "io/uring/command_ring.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "io/operation.h"
#include "io/reactor.h"
#include "io/uring/ring.h"

namespace pelton {
namespace io {

// Waits for completions of the ring, and closes its eventfd behind it.
class CommandWatch final : public Operation {
 public:
  CommandWatch(CommandRing& ring, int event_descriptor)
      : Operation(OperationKind::kStreamRead), ring_(&ring), event_descriptor_(event_descriptor) {}

  int event_descriptor() const { return event_descriptor_; }
  // Calls the ring's Reap() when something has completed; in the next turn, when `soon`.
  void Arm(bool soon) {
    if (!idle()) return;
    Operation::kind = soon ? OperationKind::kNop : OperationKind::kStreamRead;
    Operation::descriptor = event_descriptor_;
    Operation::address = &count_;
    Operation::length = sizeof(count_);
    Reactor::Current()->Start(*this);
  }
  // The ring goes. REQUIRES: nothing of it is in flight.
  void Abandon() {
    PELTON_CHECK(idle());
    Operation::kind = OperationKind::kClose;
    Operation::descriptor = event_descriptor_;
    Reactor::Current()->Start(*this);
  }

 private:
  ~CommandWatch() = default;

  void OnCompletion(const Completion&) override {
    if (Operation::kind == OperationKind::kClose) {
      delete this;
      return;
    }
    // Whatever ended the wait, what has completed is there to be seen.
    ring_->Reap();
  }

  CommandRing* const ring_;
  const int event_descriptor_;
  uint64_t count_ = 0;
};

absl::StatusOr<RawCommandResult> CommandAwaiter::await_resume() const {
  if (result_.result >= 0) [[likely]]
    return result_;
  const TaskContext& flow = Scheduler::Current()->current_context();
  if (result_.result == -ECANCELED && flow.StoppedFrom(interrupted_from())) {
    return flow.StopStatus();
  }
  const std::string what = absl::StrCat("command 0x", absl::Hex(command_.operation), " to");
  return ErrnoToStatus(-result_.result, what, command_.device);
}

void CommandAwaiter::Describe(std::ostream& out) const {
  out << "command 0x" << std::hex << command_.operation << std::dec << " to " << command_.device;
}

}  // namespace io

namespace {

// What a completion of a cancellation carries in the place of an awaiter.
constexpr uint64_t kCancellation = 0;

RawCommand SocketCommand(int descriptor, std::string_view peer, int operation) {
  RawCommand command;
  command.descriptor = descriptor;
  command.device = peer;
  command.operation = static_cast<uint32_t>(operation);
  return command;
}

RawCommand OptionCommand(RawCommand command, int level, int option, const void* value,
                         size_t bytes) {
  command.argument = uint64_t{static_cast<uint32_t>(option)} << 32 | static_cast<uint32_t>(level);
  command.length = static_cast<uint32_t>(bytes);
  // The value's address stands where the payload begins.
  const uint64_t address = reinterpret_cast<uintptr_t>(value);
  std::memcpy(command.payload.data(), &address, sizeof(address));
  return command;
}

}  // namespace

RawCommand NvmeCommand(int descriptor, std::string_view device, const nvme_uring_cmd& request,
                       uint32_t operation) {
  RawCommand command;
  command.descriptor = descriptor;
  command.device = device;
  command.operation = operation;
  static_assert(sizeof(request) <= sizeof(command.payload));
  std::memcpy(command.payload.data(), &request, sizeof(request));
  return command;
}

RawCommand SocketUnreadCommand(int descriptor, std::string_view peer) {
  return SocketCommand(descriptor, peer, ::SOCKET_URING_OP_SIOCINQ);
}

RawCommand SocketUnsentCommand(int descriptor, std::string_view peer) {
  return SocketCommand(descriptor, peer, ::SOCKET_URING_OP_SIOCOUTQ);
}

RawCommand GetSocketOptionCommand(int descriptor, std::string_view peer, int level, int option,
                                  std::span<std::byte> value) {
  return OptionCommand(SocketCommand(descriptor, peer, ::SOCKET_URING_OP_GETSOCKOPT), level, option,
                       value.data(), value.size());
}

RawCommand SetSocketOptionCommand(int descriptor, std::string_view peer, int level, int option,
                                  std::span<const std::byte> value) {
  return OptionCommand(SocketCommand(descriptor, peer, ::SOCKET_URING_OP_SETSOCKOPT), level, option,
                       value.data(), value.size());
}

absl::StatusOr<std::unique_ptr<CommandRing>> CommandRing::Create(const Options& options) {
  if (options.entries == 0 || options.entries > 4096) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ring for ", options.entries, " commands: expected 1 to 4096"));
  }
  std::unique_ptr<CommandRing> ring(new CommandRing(options));
  io_uring_params params = {};
  // Each command may have a cancellation.
  params.cq_entries = options.entries * 4;
  params.flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32 | IORING_SETUP_CQSIZE |
                 (options.polled ? IORING_SETUP_IOPOLL : 0);
  const int result = ::io_uring_queue_init_params(options.entries, &ring->ring_, &params);
  if (result == -EINVAL) {
    return absl::UnimplementedError(
        "this kernel has no rings for commands to devices (Linux 5.19 and newer have them)");
  }
  if (result < 0) return io::RingSetupError(options.entries, -result);
  ring->has_ring_ = true;
  (void)::io_uring_ring_dontfork(&ring->ring_);
  const int event_descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_descriptor < 0) return ErrnoToStatus(errno, "eventfd for commands");
  ring->watch_ = new io::CommandWatch(*ring, event_descriptor);
  if (!options.polled) {
    const int watched = ::io_uring_register_eventfd(&ring->ring_, event_descriptor);
    if (watched < 0) return ErrnoToStatus(-watched, "watching a ring for commands");
  }
  return ring;
}

CommandRing::~CommandRing() {
  PELTON_CHECK(in_flight() == 0) << in_flight() << " commands outlive their ring";
  if (has_ring_) ::io_uring_queue_exit(&ring_);
  if (watch_ != nullptr) watch_->Abandon();
}

void CommandRing::Start(io::CommandAwaiter& command) {
  waiting_.push_back(&command);
  SubmitWaiting();
}

void CommandRing::Prepare(io::CommandAwaiter& command) {
  const RawCommand& what = command.command_;
  io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
  PELTON_CHECK(entry != nullptr);
  constexpr size_t kPayloadOffset = offsetof(io_uring_sqe, addr3);
  static_assert(kPayloadOffset + sizeof(what.payload) == 2 * sizeof(io_uring_sqe));
  std::memset(entry, 0, sizeof(*entry));
  entry->opcode = IORING_OP_URING_CMD;
  entry->fd = what.descriptor;
  entry->cmd_op = what.operation;
  entry->addr = what.argument;
  entry->file_index = what.length;
  std::memcpy(reinterpret_cast<std::byte*>(entry) + kPayloadOffset, what.payload.data(),
              what.payload.size());
  entry->user_data = reinterpret_cast<uintptr_t>(&command);
  ++submitted_;
}

void CommandRing::SubmitWaiting() {
  while (!waiting_.empty() && submitted_ < entries_ && ::io_uring_sq_space_left(&ring_) > 0) {
    io::CommandAwaiter* next = waiting_.front();
    waiting_.pop_front();
    Prepare(*next);
  }
  // EAGAIN, EBUSY: memory is short; what was not taken goes out in the next turn.
  const int result = ::io_uring_submit(&ring_);
  PELTON_CHECK(result >= 0 || result == -EAGAIN || result == -EBUSY || result == -EINTR)
      << "io_uring_enter of a ring for commands: " << ErrnoName(-result);
  if (submitted_ > 0) watch_->Arm(polled_ || ::io_uring_sq_ready(&ring_) > 0);
}

void CommandRing::Cancel(io::CommandAwaiter& command) {
  const auto place = std::find(waiting_.begin(), waiting_.end(), &command);
  if (place != waiting_.end()) {
    waiting_.erase(place);
    return command.Finish({.result = -ECANCELED, .extra = {}});
  }
  io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
  if (entry == nullptr) return;  // the device answers all the same
  ::io_uring_prep_cancel64(entry, reinterpret_cast<uintptr_t>(&command), 0);
  entry->user_data = kCancellation;
  SubmitWaiting();
}

void CommandRing::Reap() {
  // Only a call makes a polled device tell.
  if (polled_) (void)::io_uring_submit_and_get_events(&ring_);
  for (;;) {
    io_uring_cqe* completion = nullptr;
    if (::io_uring_peek_cqe(&ring_, &completion) != 0) break;
    if (completion->user_data != kCancellation) {
      --submitted_;
      reinterpret_cast<io::CommandAwaiter*>(completion->user_data)
          ->Finish({.result = completion->res,
                    .extra = {completion->big_cqe[0], completion->big_cqe[1]}});
    }
    ::io_uring_cqe_seen(&ring_, completion);
  }
  if (in_flight() > 0) SubmitWaiting();
}

}  // namespace pelton
