#include "io/fault/fault_injector.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "framework/base/check.h"

namespace pelton::io {
namespace {

bool Contains(const std::vector<int64_t>& streams, int64_t stream) {
  return std::find(streams.begin(), streams.end(), stream) != streams.end();
}

bool IsStreamSocket(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

// The errno as the operation's descriptor has it: what is not a connection has no connection to
// lose. Ends the connection for the peer and for other operations, too.
int Befall(const Operation& operation, int error) {
  const bool is_socket =
      operation.kind >= OperationKind::kReceive && operation.kind <= OperationKind::kSendZeroCopy;
  if (!is_socket || !EndsConnection(error)) return error;
  if (!IsStreamSocket(operation.descriptor)) return ENOMEM;
  ::shutdown(operation.descriptor, SHUT_RDWR);
  return error;
}

}  // namespace

FaultInjector::FaultInjector(Reactor& reactor, const FaultOptions& options)
    : reactor_(reactor), inner_(reactor.options(), reactor.chunks()), plan_(options) {}

FaultInjector::~FaultInjector() {
  PELTON_CHECK(live_.empty()) << live_.size() << " operations in flight outlive their driver";
}

ShadowOperation& FaultInjector::TakeShadow() {
  if (idle_.empty()) {
    shadows_.push_back(std::make_unique<ShadowOperation>(static_cast<ShadowOwner&>(*this)));
    idle_.push_back(shadows_.back().get());
  }
  ShadowOperation& shadow = *idle_.back();
  idle_.pop_back();
  live_.push_back(&shadow);
  return shadow;
}

ShadowOperation* FaultInjector::Find(const Operation& operation) {
  const auto at = std::find_if(live_.begin(), live_.end(), [&](const ShadowOperation* shadow) {
    return &shadow->original() == &operation;
  });
  return at == live_.end() ? nullptr : *at;
}

void FaultInjector::BeforeSubmit() {
  reactor_.FeedStarved();
  while (Operation* operation = reactor_.TakePending()) Begin(*operation);
  while (Operation* operation = reactor_.TakeCancellation()) Cancel(*operation);
  if (!late_.empty()) BeginLate();
  if (late_cancellations_ > 0) CancelLate();
}

void FaultInjector::Begin(Operation& operation) {
  ++statistics_.operations;
  ShadowOperation& shadow = TakeShadow();
  shadow.Imitate(operation, plan_.Next(operation.kind, operation.multishot));
  const uint32_t late_turns = shadow.decision().submit_after;
  if (late_turns > 0) ++statistics_.late_submissions;
  shadow.due_turn = turn_ + late_turns;
  late_.push_back(&shadow);
}

// Hands in what is due and not behind another of its stream.
void FaultInjector::BeginLate() {
  blocked_.clear();
  size_t kept = 0;
  for (size_t i = 0; i < late_.size(); ++i) {
    ShadowOperation* const shadow = late_[i];
    const bool waits = shadow->due_turn > turn_ || Contains(blocked_, shadow->stream());
    if (waits) {
      if (shadow->stream() >= 0) blocked_.push_back(shadow->stream());
      late_[kept++] = shadow;
    } else {
      Submit(*shadow);
    }
  }
  late_.resize(kept);
}

void FaultInjector::Submit(ShadowOperation& shadow) {
  const FaultDecision& decision = shadow.decision();
  if (decision.error != 0 && decision.end_after == 0 && shadow.kind != OperationKind::kClose) {
    return Refuse(shadow, decision.error);
  }
  if (decision.is_short && shadow.Shorten(reactor_.chunks())) ++statistics_.short_transfers;
  inner_.Start(shadow);
}

void FaultInjector::Refuse(ShadowOperation& shadow, int error) {
  const std::span<const int> transparent = Interruptions(shadow.kind);
  if (error == ENOBUFS && TakesChunks(shadow.kind)) {
    ++statistics_.no_chunks;
  } else if (std::find(transparent.begin(), transparent.end(), error) != transparent.end()) {
    ++statistics_.interruptions;
  } else {
    ++statistics_.errors;
  }
  shadow.ended = true;
  Hold(shadow, {.result = -Befall(shadow, error)});
}

void FaultInjector::Cancel(Operation& operation) {
  ShadowOperation* const shadow = Find(operation);
  PELTON_CHECK(shadow != nullptr) << "a cancelled operation is not in flight here";
  if (const auto at = std::find(late_.begin(), late_.end(), shadow); at != late_.end()) {
    ++statistics_.cancelled_before;
    late_.erase(at);
    shadow->ended = true;
    return Hold(*shadow, {.result = -ECANCELED});
  }
  if (shadow->ended) {
    ++statistics_.cancelled_after;
    if (!shadow->decision().withdraws) return;
    for (Delivery& delivery : held_) {
      if (delivery.shadow != shadow || delivery.completion.more) continue;
      ++statistics_.withdrawn_results;
      delivery.completion.result = -ECANCELED;
    }
    return;
  }
  if (const uint32_t turns = shadow->decision().cancel_after; turns > 0) {
    ++statistics_.late_cancellations;
    ++late_cancellations_;
    shadow->cancel_turn = turn_ + turns;
    return;
  }
  ++statistics_.cancelled_while;
  inner_.Cancel(*shadow);
}

void FaultInjector::CancelLate() {
  for (ShadowOperation* const shadow : live_) {
    if (shadow->cancel_turn == 0 || shadow->cancel_turn > turn_) continue;
    shadow->cancel_turn = 0;
    --late_cancellations_;
    ++statistics_.cancelled_while;
    inner_.Cancel(*shadow);
  }
}

void FaultInjector::OnShadowCompletion(ShadowOperation& shadow, const Completion& arrived) {
  const Completion completion = shadow.Translate(arrived, reactor_.chunks());
  ++shadow.completions;
  const FaultDecision& decision = shadow.decision();
  if (!completion.more) {
    shadow.ended = true;
    if (std::exchange(shadow.cancel_turn, 0) != 0) --late_cancellations_;
  }
  if (shadow.ending) return EndEarly(shadow, completion);
  if (completion.more && decision.end_after > 0 && shadow.completions >= decision.end_after) {
    ++statistics_.early_ends;
    shadow.ending = true;
    shadow.tail.push_back(completion);
    return inner_.Cancel(shadow);
  }
  if (shadow.kind == OperationKind::kClose && decision.error != 0 && completion.result == 0) {
    // The descriptor is gone all the same (close(2)).
    ++statistics_.errors;
    return Hold(shadow, {.result = -decision.error});
  }
  Hold(shadow, completion);
}

// Passes on the completions since a multishot operation was made to end, the last of them as its
// final one: its owner did not ask for -ECANCELED.
void FaultInjector::EndEarly(ShadowOperation& shadow, const Completion& completion) {
  if (completion.more) return shadow.tail.push_back(completion);
  const int error = shadow.decision().error;
  if (completion.result != -ECANCELED) {
    shadow.tail.push_back(completion);
  } else if (error != 0) {
    shadow.tail.push_back({.result = -Befall(shadow, error)});
  } else {
    shadow.tail.back().more = false;
  }
  for (const Completion& one : shadow.tail) Hold(shadow, one);
}

void FaultInjector::Hold(ShadowOperation& shadow, const Completion& completion) {
  const uint32_t turns = shadow.decision().complete_after;
  if (turns > 0) {
    ++statistics_.late_completions;
    LendToKernel(shadow.original());  // its owner must not look yet
  }
  held_.push_back({&shadow, completion, turn_ + turns});
}

void FaultInjector::AfterReap() {
  delivering_.swap(held_);
  blocked_.clear();
  size_t kept = 0;
  for (size_t i = 0; i < delivering_.size(); ++i) {
    const Delivery delivery = delivering_[i];
    const int64_t stream = delivery.shadow->stream();
    // The completions of one operation keep their order, too.
    const bool is_behind =
        (stream >= 0 && Contains(blocked_, stream)) ||
        std::any_of(delivering_.begin(), delivering_.begin() + static_cast<ptrdiff_t>(kept),
                    [&](const Delivery& other) { return other.shadow == delivery.shadow; });
    if (is_behind || delivery.due_turn > turn_) {
      if (stream >= 0) blocked_.push_back(stream);
      delivering_[kept++] = delivery;
    } else {
      if (kept > 0) ++statistics_.overtaken;
      held_.push_back(delivery);
    }
  }
  delivering_.resize(kept);
  delivering_.swap(held_);
  ++turn_;
  CopyStatistics();
  // Nothing is pushed to held_ meanwhile: owners only hand in.
  for (const Delivery& delivery : delivering_) Deliver(delivery);
  delivering_.clear();
}

void FaultInjector::Deliver(const Delivery& delivery) {
  ShadowOperation& shadow = *delivery.shadow;
  Operation& operation = shadow.original();
  if (!delivery.completion.more) {
    live_.erase(std::find(live_.begin(), live_.end(), &shadow));
    idle_.push_back(&shadow);
  }
  reactor_.Complete(operation, delivery.completion);
}

// What the driver counts, it counts in the inner reactor.
void FaultInjector::CopyStatistics() {
  Reactor::Statistics& inner = inner_.statistics();
  reactor_.statistics().starved += std::exchange(inner.starved, 0);
  reactor_.statistics().blocking_calls += std::exchange(inner.blocking_calls, 0);
}

bool FaultInjector::NextWaitIsSpurious() {
  if (!plan_.NextWaitIsSpurious()) return false;
  ++statistics_.spurious_wakeups;
  return true;
}

}  // namespace pelton::io
