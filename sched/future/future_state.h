// What a promise and its future share. Promise, Future and ForeignPromise use it; users never see
// it.
//
// A state has at most two holders: a producer, which settles it (a Promise, a continuation that
// has not run, a ForeignPromise), and a consumer, which looks at the outcome (a Future, or the
// continuation that was attached to it). It dies when both have let go.
//
// Shard affinity: the shard that made it.
// Invariants: 1. it is settled exactly once, and its producer lets go then; 2. its consumer is told
// at most once, and never inside a continuation; 3. a state that is settled tells nobody: whoever
// attaches to it makes itself ready.
// Cost: one allocation of the pool; plain stores, no reference count.

#ifndef PELTON_SCHED_FUTURE_FUTURE_STATE_H_
#define PELTON_SCHED_FUTURE_FUTURE_STATE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <source_location>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "alloc/frame_pool.h"
#include "framework/base/check.h"
#include "framework/base/compiler.h"
#include "framework/base/status.h"
#include "sched/awaitable.h"
#include "sched/future/continuation.h"
#include "sched/future/outcome.h"
#include "sched/scheduler.h"

namespace pelton {

// How far a future is.
enum class FuturePhase : uint8_t {
  kPending,
  kFulfilled,  // it has a value
  kRejected,   // it has an error
};

std::ostream& operator<<(std::ostream& out, FuturePhase phase);

// How many futures of this thread were rejected and dropped without anybody looking at the error,
// ever. CANCELLED does not count. Each is a line in the log, as far as its limit of one line a
// second allows.
uint64_t UnobservedRejections();

namespace sched_internal {

// Tells the operator of an error that nobody looked at.
PELTON_COLD void ReportUnobserved(const absl::Status& error, const std::source_location& made_at);
// What misuse ends in. Out of line, so that the checks are a compare and a branch.
[[noreturn]] PELTON_COLD void DieAwayFromHome(const std::source_location& made_at);
[[noreturn]] PELTON_COLD void DieOfSpentPromise();
[[noreturn]] PELTON_COLD void DieOfSpentFuture();
[[noreturn]] PELTON_COLD void DieOfSecondFuture();
[[noreturn]] PELTON_COLD void DieWithoutShard(std::string_view what);
// The error of a promise that was destroyed without being settled.
PELTON_COLD absl::Status BrokenPromise(const std::source_location& made_at);

class FutureStateBase {
 public:
  FutureStateBase(const FutureStateBase&) = delete;
  FutureStateBase& operator=(const FutureStateBase&) = delete;

  static void* operator new(size_t bytes) { return FramePool::Allocate(bytes); }
  static void operator delete(void* state, size_t bytes) { FramePool::Free(state, bytes); }

  FuturePhase phase() const { return phase_; }
  bool pending() const { return phase_ == FuturePhase::kPending; }
  bool fulfilled() const { return phase_ == FuturePhase::kFulfilled; }
  const std::source_location& made_at() const { return made_at_; }
  Scheduler* home() const { return home_; }

  bool has_consumer() const { return has_consumer_; }
  void TakeConsumerRole() { has_consumer_ = true; }

  // Attaches who is to be told when this is settled, or null. REQUIRES: pending().
  void set_consumer(FutureConsumer* consumer) { consumer_ = consumer; }

  // The consumer lets go, and with it the outcome. An error is reported unless the consumer has
  // `looked` at it, or does not want to.
  void DropConsumer(bool looked) {
    has_consumer_ = false;
    report_error_ = !looked;
    if (!has_producer_) Die();
  }

  // Dies when the state is used on a shard that is not its own.
  void CheckHome() const {
    if (Scheduler::Current() != home_) [[unlikely]]
      DieAwayFromHome(made_at_);
  }

 protected:
  FutureStateBase(bool has_consumer, const std::source_location& made_at)
      : made_at_(made_at), home_(Scheduler::Current()), has_consumer_(has_consumer) {}
  virtual ~FutureStateBase() = default;

  // After the outcome was stored: tells the consumer, and the producer lets go.
  void Announce(FuturePhase phase) {
    phase_ = phase;
    if (consumer_ != nullptr) consumer_->OnSettled();
    has_producer_ = false;
    if (!has_consumer_) [[unlikely]]
      Die();
  }

  FutureConsumer* consumer() const { return consumer_; }

 private:
  virtual const absl::Status& ErrorToReport() const = 0;
  PELTON_COLD void ReportError() const { ReportUnobserved(ErrorToReport(), made_at_); }
  // Both holders have let go.
  void Die() {
    if (phase_ == FuturePhase::kRejected && report_error_) [[unlikely]]
      ReportError();
    delete this;
  }

  FutureConsumer* consumer_ = nullptr;
  std::source_location made_at_;
  Scheduler* const home_;
  FuturePhase phase_ = FuturePhase::kPending;
  bool has_producer_ = true;
  bool has_consumer_;
  bool report_error_ = true;
};

template <typename T>
class FutureState : public FutureStateBase {
 public:
  FutureState(bool has_consumer, const std::source_location& made_at)
      : FutureStateBase(has_consumer, made_at) {}

  // The producer's: settles the state and lets go.
  template <typename... Arguments>
  void Fulfil(Arguments&&... value) {
    Store(std::forward<Arguments>(value)...);
    Announce(FuturePhase::kFulfilled);
  }
  void Reject(absl::Status error) {
    StoreError(std::move(error));
    Announce(FuturePhase::kRejected);
  }
  void Settle(Outcome<T> outcome) {
    if (!outcome.ok()) [[unlikely]]
      return Reject(base_internal::StatusOf(std::move(outcome)));
    if constexpr (std::is_void_v<T>) {
      Fulfil();
    } else {
      Fulfil(*std::move(outcome));
    }
  }

  // The consumer's. REQUIRES: fulfilled().
  Stored<T>& value() { return value_; }
  // REQUIRES: rejected.
  absl::Status& error() { return error_; }
  // REQUIRES: settled.
  Outcome<T> TakeOutcome() {
    if (!fulfilled()) [[unlikely]]
      return std::move(error_);
    if constexpr (std::is_void_v<T>) {
      return absl::OkStatus();
    } else {
      return std::move(value_);
    }
  }

 protected:
  ~FutureState() override {
    if (phase() == FuturePhase::kFulfilled) {
      std::destroy_at(std::addressof(value_));
    } else if (phase() == FuturePhase::kRejected) {
      error_.~Status();
    }
  }

  // Stores the outcome; Announce() makes it one.
  template <typename... Arguments>
  void Store(Arguments&&... value) {
    std::construct_at(std::addressof(value_), std::forward<Arguments>(value)...);
  }
  void StoreError(absl::Status error) {
    PELTON_CHECK(!error.ok()) << "a future was rejected with an OK status";
    std::construct_at(&error_, std::move(error));
  }

 private:
  const absl::Status& ErrorToReport() const override { return error_; }

  union {
    Stored<T> value_;
    absl::Status error_;
  };
};

// A state that is settled by a continuation of another one, its source.
template <typename U>
class DerivedState : public FutureState<U>, public Continuation {
 public:
  // Takes over the outcome of `inner`, when there is one: what a continuation that returns a future
  // does. May destroy this state.
  // A state whose own consumer does the same steps aside, so that a loop of continuations, each of
  // which returns the next round's future, keeps one state and not one a round.
  void Adopt(FutureState<U>& inner) {
    PELTON_CHECK(&inner != this) << "a continuation returned the future that waits for it";
    FutureConsumer* const consumer = this->consumer();
    const bool step_aside = consumer != nullptr && consumer->Forwards();
    DerivedState& adopter = step_aside ? *static_cast<DerivedState*>(consumer) : *this;
    adopter.source_ = &inner;
    adopter.adopting_ = true;
    if (inner.pending()) {
      inner.set_consumer(&adopter);
    } else {
      adopter.Enqueue();
    }
    if (step_aside) delete this;
  }

 protected:
  DerivedState(FutureStateBase& source, const std::source_location& made_at)
      : FutureState<U>(/*has_consumer=*/true, made_at), source_(&source) {}
  ~DerivedState() override = default;

  // Becomes the consumer of the source.
  void Attach() {
    if (source_->pending()) {
      source_->set_consumer(this);
    } else {
      Enqueue();
    }
  }

  FutureStateBase& source() const { return *source_; }
  bool adopting() const { return adopting_; }
  // Second half of Adopt().
  void TakeAdopted() {
    FutureState<U>& inner = static_cast<FutureState<U>&>(*source_);
    FuturePhase phase = inner.phase();
    if (phase == FuturePhase::kFulfilled) {
      this->Store(std::move(inner.value()));
    } else {
      this->StoreError(std::move(inner.error()));
    }
    inner.DropConsumer(/*looked=*/true);
    this->Announce(phase);
  }

 private:
  void OnSettled() final { Enqueue(); }
  bool Forwards() const final { return adopting_; }

  bool adopting_ = false;
  FutureStateBase* source_;
};

}  // namespace sched_internal
}  // namespace pelton

#endif  // PELTON_SCHED_FUTURE_FUTURE_STATE_H_
