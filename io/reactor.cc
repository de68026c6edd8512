#include "io/reactor.h"

#include <cerrno>

namespace pelton::io {
namespace {

// Whether -EINTR says that nothing was done, and that doing it again is the same. A connection goes
// on being made and a descriptor is closed all the same; what a function did nobody knows; a
// zero-copy send may have lost its length.
bool StartsAgain(OperationKind kind) {
  return kind != OperationKind::kConnect && kind != OperationKind::kClose &&
         kind != OperationKind::kCall && kind != OperationKind::kSendZeroCopy;
}

}  // namespace

const char* OperationKindName(OperationKind kind) {
  static constexpr const char* kNames[] = {"nop",
                                           "accept",
                                           "connect",
                                           "receive",
                                           "receive_chunk",
                                           "receive_message",
                                           "receive_message_chunk",
                                           "receive_messages",
                                           "send",
                                           "send_message",
                                           "send_messages",
                                           "send_zero_copy",
                                           "close",
                                           "poll",
                                           "stream_read",
                                           "stream_write",
                                           "read",
                                           "write",
                                           "read_vector",
                                           "write_vector",
                                           "sync",
                                           "allocate",
                                           "truncate",
                                           "advise",
                                           "open",
                                           "stat",
                                           "rename",
                                           "link",
                                           "symbolic_link",
                                           "unlink",
                                           "make_directory",
                                           "splice",
                                           "call"};
  static_assert(sizeof(kNames) / sizeof(kNames[0]) == kOperationKinds);
  return kNames[static_cast<int>(kind)];
}

Reactor::Reactor(const Options& options)
    : options_(options), own_chunks_(std::in_place, options.chunks), chunks_(*own_chunks_) {}

Reactor::Reactor(const Options& options, ChunkPool& chunks) : options_(options), chunks_(chunks) {}

Reactor::~Reactor() {
  PELTON_CHECK(in_flight_ == 0) << in_flight_ << " operations in flight outlive their reactor";
}

void Reactor::Cancel(Operation& operation) {
  if (operation.idle() || operation.cancel_requested) return;
  operation.cancel_requested = true;
  ++statistics_.cancelled;
  switch (operation.state) {
    case Operation::State::kInFlight:
      operation.cancel_queued = true;
      cancellations_.PushBack(operation);
      break;
    case Operation::State::kStarved:
      starved_.Remove(operation);
      operation.state = Operation::State::kPending;
      pending_.PushBack(operation);
      break;
    case Operation::State::kPending:  // TakePending() completes it
    case Operation::State::kIdle:
      break;
  }
}

Operation* Reactor::TakePending() {
  while (Operation* operation = pending_.PopFront()) {
    operation->state = Operation::State::kInFlight;
    if (!operation->cancel_requested) [[likely]] {
      LendToKernel(*operation);
      return operation;
    }
    Complete(*operation, {.result = -ECANCELED});
  }
  return nullptr;
}

void Reactor::DropCancellation(Operation& operation) {
  operation.cancel_queued = false;
  const bool was_queued = cancellations_.Remove(operation);
  PELTON_DCHECK(was_queued);
}

void Reactor::CompleteFailed(Operation& operation, const Completion& completion) {
  Completion outcome = completion;
  if (completion.result == -ENOBUFS && TakesChunks(operation.kind)) return Starve(operation);
  if (completion.result == -EINTR && StartsAgain(operation.kind)) {
    if (!operation.cancel_requested) return Retry(operation);
    outcome.result = -ECANCELED;
  }
  operation.state = Operation::State::kIdle;
  --in_flight_;
  operation.OnCompletion(outcome);
}

void Reactor::Starve(Operation& operation) {
  ++statistics_.starved;
  if (operation.cancel_requested) {
    operation.state = Operation::State::kIdle;
    --in_flight_;
    return operation.OnCompletion({.result = -ECANCELED});
  }
  operation.state = Operation::State::kStarved;
  starved_.PushBack(operation);
}

void Reactor::FeedStarvedSlow() {
  // Not one for each chunk that is released: a receive that is started needs no chunk until bytes
  // arrive, or ever, and those behind it would wait in vain. Each that starts leaves the queue, so
  // this comes to an end.
  OperationQueue fed;
  for (size_t chunks = chunks_.available(); chunks > 0; --chunks) {
    Operation* operation = starved_.PopFront();
    if (operation == nullptr) break;
    operation->state = Operation::State::kPending;
    fed.PushBack(*operation);
  }
  fed.Append(pending_);
  pending_.Append(fed);
}

void Reactor::Retry(Operation& operation) {
  PELTON_DCHECK(operation.state == Operation::State::kInFlight);
  if (operation.cancel_requested) return Complete(operation, {.result = -ECANCELED});
  operation.state = Operation::State::kPending;
  pending_.PushBack(operation);
}

}  // namespace pelton::io
