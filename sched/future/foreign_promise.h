// ForeignPromise<T>: settles a future of a shard from any thread.
//
//   ForeignPromise<Answer> promise;                        // on the future's shard
//   Future<Answer> answer = promise.future();
//   library.Ask(question, [promise = std::move(promise)](Answer a) mutable { promise.Fulfil(a); });
//   absl::StatusOr<Answer> result = co_await answer;       // on the future's shard
//
// Another shard is such a thread, too. The thread that settles the promise moves the value into the
// future's state, which travels through the shard's foreign inbox; the future is settled in the
// shard's next turn. Until then the shard does not end, and a virtual clock does not pass it by.
//
// Thread affinity: made on a shard, the future's; then one thread at a time.
// Ownership: move-only. One that is destroyed unsettled, on any thread, rejects with ABORTED and
// names the line that made it. It keeps the shard from ending: settle or destroy it.
// Cost: that of a Promise, and a push to the inbox. No other allocation.

#ifndef PELTON_SCHED_FUTURE_FOREIGN_PROMISE_H_
#define PELTON_SCHED_FUTURE_FOREIGN_PROMISE_H_

#include <source_location>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "framework/base/status.h"
#include "sched/foreign_inbox.h"
#include "sched/future/future.h"
#include "sched/future/future_state.h"
#include "sched/scheduler.h"

namespace pelton {

namespace sched_internal {

// A state that is settled by way of the inbox. Between its making and its delivery, the foreign
// thread touches the outcome and the node, and the shard everything else.
template <typename T>
class ForeignFutureState final : public FutureState<T>, private ForeignNode {
 public:
  explicit ForeignFutureState(const std::source_location& made_at)
      : FutureState<T>(/*has_consumer=*/false, made_at) {
    if (this->home() == nullptr) [[unlikely]]
      DieWithoutShard("a ForeignPromise");
    this->home()->BeginExternal();
    deliver = &Deliver;
  }

  template <typename... Arguments>
  void SendValue(Arguments&&... value) {
    this->Store(std::forward<Arguments>(value)...);
    Send(FuturePhase::kFulfilled);
  }
  void SendError(absl::Status error) {
    this->StoreError(std::move(error));
    Send(FuturePhase::kRejected);
  }

 private:
  void Send(FuturePhase outcome) {
    outcome_ = outcome;
    this->home()->foreign_inbox().Push(*this);
  }
  static void Deliver(ForeignNode* node) {
    ForeignFutureState& state = *static_cast<ForeignFutureState*>(node);
    state.home()->EndExternal();
    state.Announce(state.outcome_);
  }

  FuturePhase outcome_ = FuturePhase::kPending;
};

}  // namespace sched_internal

template <typename T>
class ForeignPromise {
 public:
  // REQUIRES: called on a shard. COST: one allocation of the pool.
  explicit ForeignPromise(std::source_location location = std::source_location::current())
      : state_(new State(location)) {}
  ForeignPromise(ForeignPromise&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  ForeignPromise& operator=(ForeignPromise&& other) noexcept {
    ForeignPromise taken(std::move(other));
    std::swap(state_, taken.state_);
    return *this;
  }
  ~ForeignPromise() {
    if (state_ != nullptr) [[unlikely]]
      Reject(sched_internal::BrokenPromise(state_->made_at()));
  }

  // The consumer's end. REQUIRES: called once, on the shard, before the promise is settled.
  Future<T> future() {
    State& state = CheckedState();
    state.CheckHome();
    if (state.has_consumer()) [[unlikely]]
      sched_internal::DieOfSecondFuture();
    return Future<T>(&state);
  }

  // Whether it is still to be settled: false once it was, or was moved away.
  bool pending() const { return state_ != nullptr; }

  // Settles the future, from any thread. REQUIRES (of all three): pending().
  template <typename... Arguments>
    requires std::is_constructible_v<sched_internal::Stored<T>, Arguments&&...>
  void Fulfil(Arguments&&... value) {
    CheckedState().SendValue(std::forward<Arguments>(value)...);
    state_ = nullptr;
  }
  // REQUIRES: `error` is not OK.
  void Reject(absl::Status error) {
    CheckedState().SendError(std::move(error));
    state_ = nullptr;
  }
  // Fulfils or rejects.
  void Settle(Outcome<T> outcome) {
    if (!outcome.ok()) return Reject(base_internal::StatusOf(std::move(outcome)));
    if constexpr (std::is_void_v<T>) {
      Fulfil();
    } else {
      Fulfil(*std::move(outcome));
    }
  }

  // As a plain pointer, for what carries nothing else, and back. It has to come back: nobody breaks
  // the promise of a pointer.
  void* Release() && { return std::exchange(state_, nullptr); }
  static ForeignPromise FromReleased(void* released) {
    return ForeignPromise(static_cast<State*>(released));
  }

 private:
  using State = sched_internal::ForeignFutureState<T>;

  explicit ForeignPromise(State* state) : state_(state) {}
  State& CheckedState() const {
    if (state_ == nullptr) [[unlikely]]
      sched_internal::DieOfSpentPromise();
    return *state_;
  }

  State* state_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_FUTURE_FOREIGN_PROMISE_H_
