// Promise<T> and Future<T>: a value that comes later, and what to do with it then.
//
//   Promise<int> promise;
//   Future<int> future = promise.future();
//   Future<std::string> text = std::move(future)
//       .Then([](int n) { return n + 1; })                     // a value, a status, an error,
//       .Then([](int n) -> Future<int> { return LookUp(n); })  // or a future
//       .Recover([](absl::Status error) { return -1; })        // when anything above failed
//       .Then(scope, [](int n) -> Task<std::string> { co_return co_await Render(n); });
//   promise.Fulfil(3);
//   absl::StatusOr<std::string> result = co_await text;        // or text.OnSettled(callback)
//
// A future is pending, then fulfilled with a T or rejected with an absl::Status. An error skips the
// Then()s until a Recover(). An exception that leaves a continuation rejects with INTERNAL and its
// text. A promise that is destroyed unsettled rejects with ABORTED and names the line that made it.
// Continuations never run inside Fulfil() or Then(), but later, from the ready queue, in the order
// in which they became ready; see continuation.h. They run whether or not somebody holds the future
// that they lead to. An error that nobody looks at is logged (UnobservedRejections()).
//
// Shard affinity: the shard that made them (checked); ForeignPromise is for all other threads.
// Ownership: both are move-only. A future has one consumer: one Then(), one Recover(), one
// OnSettled(), or one await.
// Cost: one allocation of the pool for a promise and its future, and one for each Then() with the
// function inside. No atomics. A chain or a loop of any length takes constant stack.

#ifndef PELTON_SCHED_FUTURE_FUTURE_H_
#define PELTON_SCHED_FUTURE_FUTURE_H_

#include <ostream>
#include <source_location>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "sched/future/future_state.h"
#include "sched/future/outcome.h"
#include "sched/future/then.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {

template <typename T>
class Promise;

// The consumer's end. T is a value type or void; errors need no StatusOr of their own.
template <typename T>
class [[nodiscard]] Future {
  static_assert(std::is_same_v<OutcomeValue<T>, T>,
                "a Future carries errors by itself: write Future<T> for StatusOr<T>, Future<void> "
                "for Status");

 public:
  using value_type = T;
  class Awaiter;

  // No future, to be assigned to.
  Future() = default;
  Future(Future&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Future& operator=(Future&& other) noexcept {
    Future taken(std::move(other));
    std::swap(state_, taken.state_);
    return *this;
  }
  // Drops the outcome; what leads to it goes on. An error that was not looked at is logged.
  // REQUIRES: called on the future's shard, unless it is not valid().
  ~Future() {
    if (state_ != nullptr) CheckedState().DropConsumer(/*looked=*/false);
  }

  // Whether there is an outcome to come or to be taken: false once it was consumed or moved away.
  bool valid() const { return state_ != nullptr; }
  // REQUIRES (of this and all below): valid(); called on the future's shard.
  FuturePhase phase() const { return CheckedState().phase(); }

  // Calls `f(value)`, or `f()` for Future<void>, when this is fulfilled. `f` returns void, a U, an
  // absl::Status or absl::StatusOr<U>, or a Future<U>; the returned future is settled by what it
  // returns, or rejected like this one without calling it. `f` is destroyed as soon as it has run.
  // COST: one allocation of the pool.
  template <typename F>
  auto Then(F f, std::source_location location = std::source_location::current()) && {
    using U =
        typename sched_internal::ContinuationValue<sched_internal::ResultWithValue<T, F>>::type;
    using State = sched_internal::ThenState<T, U, F>;
    return Future<U>(new State(*std::move(*this).ReleaseState(), std::move(f), location));
  }
  // The same with an `f` that returns a Task<...>. It runs as a child of `scope` from now on, so
  // cancelling the scope rejects the returned future. REQUIRES: room in the scope.
  template <typename F>
  auto Then(TaskScope& scope, F f,
            std::source_location location = std::source_location::current()) &&;

  // Calls `f(absl::Status)` when this is rejected; `f` returns what leads to a T as for Then().
  // A value goes on to the returned future without calling it. COST: as for Then().
  template <typename F>
  Future Recover(F f, std::source_location location = std::source_location::current()) && {
    using U = typename sched_internal::ContinuationValue<
        std::remove_cvref_t<std::invoke_result_t<F, absl::Status>>>::type;
    static_assert(std::is_same_v<U, T>, "Recover(f): f must lead to the future's own type");
    using State = sched_internal::RecoverState<T, F>;
    return Future(new State(*std::move(*this).ReleaseState(), std::move(f), location));
  }
  template <typename F>
  Future Recover(TaskScope& scope, F f,
                 std::source_location location = std::source_location::current()) &&;

  // The end of a chain: calls `f(outcome)` with an absl::StatusOr<T> (absl::Status for void).
  // An exception that leaves `f` is logged like an error that nobody looked at.
  template <typename F>
  void OnSettled(F f) && {
    new sched_internal::FinalContinuation<T, F>(*std::move(*this).ReleaseState(), std::move(f));
  }

  // `co_await future` suspends until it is settled and yields an absl::StatusOr<T> (absl::Status
  // for void); the future is not valid() after that. When the task is told to stop first, yields
  // the stop status, and the future stays as it was.
  Awaiter operator co_await() { return Awaiter(*this); }
  // The await as a task: for WithTimeout(), WhenAny() and TaskScope.
  Task<Outcome<T>> ToTask() && { return AwaitAsTask(std::move(*this)); }

  // Takes the outcome. REQUIRES: not pending.
  Outcome<T> Take() {
    PELTON_CHECK(phase() != FuturePhase::kPending) << "Take() of a pending future; co_await it";
    Outcome<T> outcome = state_->TakeOutcome();
    std::exchange(state_, nullptr)->DropConsumer(/*looked=*/true);
    return outcome;
  }
  // Drops the outcome on purpose: an error will not be logged.
  void Ignore() && { std::move(*this).ReleaseState()->DropConsumer(/*looked=*/true); }

  // The library's: gives up the consumer's role. REQUIRES: valid().
  sched_internal::FutureState<T>* ReleaseState() && {
    CheckedState();
    return std::exchange(state_, nullptr);
  }

 private:
  template <typename U>
  friend class Future;
  template <typename U>
  friend class Promise;
  template <typename U>
  friend class ForeignPromise;

  // Takes the consumer's role.
  explicit Future(sched_internal::FutureState<T>* state) : state_(state) {
    state->TakeConsumerRole();
  }
  sched_internal::FutureState<T>& CheckedState() const {
    if (state_ == nullptr) [[unlikely]]
      sched_internal::DieOfSpentFuture();
    state_->CheckHome();
    return *state_;
  }
  static Task<Outcome<T>> AwaitAsTask(Future future) { co_return co_await future; }

  sched_internal::FutureState<T>* state_ = nullptr;
};

// Waits for a future. COST: no allocation.
template <typename T>
class [[nodiscard("co_await it")]] Future<T>::Awaiter final
    : public Suspension,
      private sched_internal::FutureConsumer {
 public:
  explicit Awaiter(Future& future) : future_(future) {}

  bool await_ready() const { return Settled() && !Scheduler::Current()->Due(); }
  template <PeltonPromise AwaitingPromise>
  void await_suspend(std::coroutine_handle<AwaitingPromise> task) {
    if (Settled() || StoppedBeforeWaiting()) return Requeue(task.promise());
    future_.state_->set_consumer(this);
    Suspend(task.promise());
  }
  Outcome<T> await_resume() {
    if (!Settled()) [[unlikely]]
      return Scheduler::Current()->current_context().StopStatus();
    return future_.Take();
  }

 private:
  bool Settled() const { return future_.phase() != FuturePhase::kPending; }
  void OnSettled() override { Resume(); }
  void Interrupt() override {
    future_.state_->set_consumer(nullptr);
    Resume();
  }
  void Describe(std::ostream& out) const override {
    const std::source_location& made_at = future_.state_->made_at();
    out << "future made at " << made_at.file_name() << ':' << made_at.line();
  }

  Future& future_;
};

// The producer's end: settles its future once.
template <typename T>
class Promise {
 public:
  // Promises report the line of their making when they are broken. REQUIRES: called on a shard.
  // COST: one allocation of the pool.
  explicit Promise(std::source_location location = std::source_location::current())
      : state_(new sched_internal::FutureState<T>(/*has_consumer=*/false, location)) {
    if (state_->home() == nullptr) [[unlikely]]
      sched_internal::DieWithoutShard("a Promise");
  }
  Promise(Promise&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Promise& operator=(Promise&& other) noexcept {
    Promise taken(std::move(other));
    std::swap(state_, taken.state_);
    return *this;
  }
  // Rejects with ABORTED when it was not settled.
  ~Promise() {
    if (state_ != nullptr) [[unlikely]]
      Reject(sched_internal::BrokenPromise(state_->made_at()));
  }

  // The consumer's end. REQUIRES: called once, before the promise is settled.
  Future<T> future() {
    CheckPending();
    if (state_->has_consumer()) [[unlikely]]
      sched_internal::DieOfSecondFuture();
    return Future<T>(state_);
  }

  // Whether it is still to be settled: false once it was, or was moved away.
  bool pending() const { return state_ != nullptr; }

  // Settles the future; runs nobody's code inside the call. REQUIRES (of all three): pending().
  template <typename... Arguments>
    requires std::is_constructible_v<sched_internal::Stored<T>, Arguments&&...>
  void Fulfil(Arguments&&... value) {
    CheckPending();
    std::exchange(state_, nullptr)->Fulfil(std::forward<Arguments>(value)...);
  }
  // REQUIRES: `error` is not OK.
  void Reject(absl::Status error) {
    CheckPending();
    std::exchange(state_, nullptr)->Reject(std::move(error));
  }
  // Fulfils or rejects.
  void Settle(Outcome<T> outcome) {
    CheckPending();
    std::exchange(state_, nullptr)->Settle(std::move(outcome));
  }

 private:
  void CheckPending() const {
    if (state_ == nullptr) [[unlikely]]
      sched_internal::DieOfSpentPromise();
    state_->CheckHome();
  }

  sched_internal::FutureState<T>* state_;
};

// A future that is settled already.
template <typename T>
Future<T> FulfilledFuture(T value,
                          std::source_location location = std::source_location::current()) {
  Promise<T> promise(location);
  Future<T> future = promise.future();
  promise.Fulfil(std::move(value));
  return future;
}
inline Future<void> FulfilledFuture(
    std::source_location location = std::source_location::current()) {
  Promise<void> promise(location);
  Future<void> future = promise.future();
  promise.Fulfil();
  return future;
}
template <typename T>
Future<T> RejectedFuture(absl::Status error,
                         std::source_location location = std::source_location::current()) {
  Promise<T> promise(location);
  Future<T> future = promise.future();
  promise.Reject(std::move(error));
  return future;
}

}  // namespace pelton

#include "sched/future/spawn_future.h"  // Then(scope, f)

#endif  // PELTON_SCHED_FUTURE_FUTURE_H_
