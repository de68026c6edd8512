#include "io/fault/fault_plan.h"

#include <algorithm>
#include <cerrno>

#include "framework/base/check.h"
#include "sched/random.h"

namespace pelton::io {
namespace {

// Streams of random numbers that do not touch each other.
constexpr uint64_t kOperationStream = 0x243f6a8885a308d3;
constexpr uint64_t kWaitStream = 0x13198a2e03707344;

Random RandomFor(uint64_t seed, uint64_t stream, uint64_t number) {
  return Random(Random(seed ^ stream).Next() + number * 0xd1342543de82ef95);
}

// Always draws, so that one rate does not shift what the others decide.
bool Strikes(Random& random, uint32_t rate) { return random.Below(1000) < rate; }

uint32_t Turns(Random& random, uint32_t rate, uint32_t most) {
  const bool strikes = Strikes(random, rate);
  const uint32_t turns = 1 + static_cast<uint32_t>(random.Below(std::max(most, 1u)));
  return strikes ? turns : 0;
}

int Pick(Random& random, std::span<const int> errors, uint32_t rate) {
  const bool strikes = Strikes(random, rate);
  const uint64_t draw = random.Next();
  return strikes && !errors.empty() ? errors[draw % errors.size()] : 0;
}

}  // namespace

std::span<const int> VisibleErrors(OperationKind kind) {
  static constexpr int kAcceptErrors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
  static constexpr int kConnectErrors[] = {ECONNREFUSED, ETIMEDOUT, ENOBUFS, EAGAIN};
  static constexpr int kReceiveErrors[] = {ECONNRESET, ETIMEDOUT, ENOMEM};
  static constexpr int kSendErrors[] = {EPIPE, ECONNRESET, ETIMEDOUT, ENOBUFS, ENOMEM};
  static constexpr int kStorageErrors[] = {ENOSPC, EIO, ENOMEM};
  static constexpr int kOpenErrors[] = {EMFILE, ENFILE, ENOSPC, EIO, ENOMEM};
  static constexpr int kReadErrors[] = {EIO, ENOMEM};
  static constexpr int kCloseErrors[] = {EIO};
  static constexpr int kPollErrors[] = {ENOMEM};
  switch (kind) {
    case OperationKind::kAccept:
      return kAcceptErrors;
    case OperationKind::kConnect:
      return kConnectErrors;
    case OperationKind::kReceive:
    case OperationKind::kReceiveChunk:
    case OperationKind::kReceiveMessage:
    case OperationKind::kReceiveMessageChunk:
    case OperationKind::kReceiveMessages:
      return kReceiveErrors;
    case OperationKind::kSend:
    case OperationKind::kSendMessage:
    case OperationKind::kSendMessages:
    case OperationKind::kSendZeroCopy:
      return kSendErrors;
    case OperationKind::kClose:
      return kCloseErrors;
    case OperationKind::kPoll:
      return kPollErrors;
    case OperationKind::kStreamRead:
    case OperationKind::kRead:
    case OperationKind::kReadVector:
    case OperationKind::kStat:
      return kReadErrors;
    case OperationKind::kStreamWrite:
    case OperationKind::kWrite:
    case OperationKind::kWriteVector:
    case OperationKind::kSync:
    case OperationKind::kAllocate:
    case OperationKind::kTruncate:
    case OperationKind::kRename:
    case OperationKind::kLink:
    case OperationKind::kSymbolicLink:
    case OperationKind::kUnlink:
    case OperationKind::kMakeDirectory:
    case OperationKind::kSplice:
      return kStorageErrors;
    case OperationKind::kOpen:
      return kOpenErrors;
    case OperationKind::kNop:
    case OperationKind::kAdvise:
    case OperationKind::kCall:  // what it yields is its function's
      return {};
  }
  return {};
}

std::span<const int> Interruptions(OperationKind kind) {
  static constexpr int kAcceptErrors[] = {EINTR, EAGAIN, ECONNABORTED};
  static constexpr int kInterrupted[] = {EINTR};
  switch (kind) {
    case OperationKind::kAccept:
      return kAcceptErrors;
    case OperationKind::kReceive:
    case OperationKind::kReceiveChunk:
    case OperationKind::kReceiveMessage:
    case OperationKind::kReceiveMessageChunk:
    case OperationKind::kReceiveMessages:
    case OperationKind::kSend:
    case OperationKind::kSendMessage:
    case OperationKind::kSendMessages:
    case OperationKind::kPoll:
    case OperationKind::kStreamRead:
    case OperationKind::kStreamWrite:
    case OperationKind::kRead:
    case OperationKind::kWrite:
    case OperationKind::kReadVector:
    case OperationKind::kWriteVector:
    case OperationKind::kAllocate:
    case OperationKind::kTruncate:
    case OperationKind::kOpen:
      return kInterrupted;
    default:
      return {};
  }
}

bool EndsConnection(int error) {
  return error == ECONNRESET || error == EPIPE || error == ETIMEDOUT;
}

bool MayBeShort(OperationKind kind) {
  switch (kind) {
    case OperationKind::kReceive:
    case OperationKind::kReceiveChunk:
    case OperationKind::kReceiveMessage:
    case OperationKind::kSend:
    case OperationKind::kSendMessage:
    case OperationKind::kSendMessages:
    case OperationKind::kSendZeroCopy:
    case OperationKind::kStreamRead:
    case OperationKind::kStreamWrite:
    case OperationKind::kRead:
    case OperationKind::kWrite:
    case OperationKind::kReadVector:
    case OperationKind::kWriteVector:
    case OperationKind::kSplice:
      return true;
    default:
      return false;
  }
}

bool MayBeWithdrawn(OperationKind kind) {
  switch (kind) {
    case OperationKind::kNop:
    case OperationKind::kPoll:
    case OperationKind::kSync:
    case OperationKind::kAdvise:
    case OperationKind::kStat:
      return true;
    default:
      return false;
  }
}

uint64_t ShortLength(uint64_t bytes, uint64_t fraction) {
  PELTON_DCHECK(bytes > 1);
  Random random(fraction);
  const uint64_t most = bytes - 1;
  switch (random.Below(3)) {
    case 0:
      return 1;
    case 1:
      return 1 + random.Below(std::min<uint64_t>(most, 16));
    default:
      return 1 + random.Below(most);
  }
}

FaultDecision FaultPlan::Next(OperationKind kind, bool multishot) {
  constexpr uint64_t kMostCompletions = 4;
  Random random = RandomFor(options_.seed, kOperationStream, operations_++);
  FaultDecision decision;
  decision.submit_after = Turns(random, options_.late_submission, options_.most_turns);
  decision.complete_after = Turns(random, options_.late_completion, options_.most_turns);
  decision.cancel_after = Turns(random, options_.late_cancellation, options_.most_turns);
  const bool is_short = Strikes(random, options_.short_transfer);
  decision.is_short = is_short && MayBeShort(kind);
  const int interruption = Pick(random, Interruptions(kind), options_.interruption);
  const bool no_chunk = Strikes(random, options_.no_chunk) && TakesChunks(kind);
  const bool ends = Strikes(random, options_.early_end);
  const uint32_t end_after = 1 + static_cast<uint32_t>(random.Below(kMostCompletions));
  decision.end_after = ends && multishot ? end_after : 0;
  const int error = Pick(random, VisibleErrors(kind), options_.error);
  decision.error = error != 0 ? error : interruption != 0 ? interruption : no_chunk ? ENOBUFS : 0;
  decision.withdraws = Strikes(random, 500) && MayBeWithdrawn(kind);
  decision.fraction = random.Next();
  return decision;
}

bool FaultPlan::NextWaitIsSpurious() {
  Random random = RandomFor(options_.seed, kWaitStream, waits_++);
  return Strikes(random, options_.spurious_wakeup);
}

}  // namespace pelton::io
