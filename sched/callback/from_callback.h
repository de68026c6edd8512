// FromCallback: awaits a callback API.
//
//   absl::StatusOr<int> n = co_await FromCallback<int>([&](Completion<int> done) {
//     legacy_read(file, buffer, [done](int n) { done(n); });
//   });
//   absl::Status status = co_await FromCallback<void>(
//       "name resolution", [&](Completion<void> done) { query = Resolve(name, done); },
//       [&] { query->Cancel(); });                                 // when the task is told to stop
//
// The start function runs inside the await, in the awaiting task. It may call the completion at
// once, keep it for a later turn, or drop it (the await yields ABORTED). An exception that it
// throws comes out of the await.
//
// When the task is told to stop: without a cancel function the wait ends at once, and a late call
// has no effect, so the API must not use memory of the awaiting task. With a cancel function, that
// is called once, inside the call that stops the task, and the wait goes on until the completion is
// called or dropped; dropping it then yields the stop status. The cancel function must neither wait
// nor throw; it may call the completion. A task that is stopped already starts nothing.
//
// Shard affinity: everything on the awaiting task's shard; FromForeignCallback() is for APIs that
// call back on threads of their own. Cost: one allocation of the pool.

#ifndef PELTON_SCHED_CALLBACK_FROM_CALLBACK_H_
#define PELTON_SCHED_CALLBACK_FROM_CALLBACK_H_

#include <concepts>
#include <ostream>
#include <string_view>
#include <type_traits>
#include <utility>

#include "sched/callback/completion.h"
#include "sched/future/outcome.h"
#include "sched/promise.h"
#include "sched/scheduler.h"

namespace pelton {

namespace sched_internal {

// In the place of a cancel function.
struct NoCancel {};

template <typename T, typename Start, typename OnCancel>
class [[nodiscard("co_await it")]] CallbackAwaiter final : public Suspension,
                                                           private CompletionWaiter {
 public:
  CallbackAwaiter(std::string_view what, Start start, OnCancel on_cancel)
      : what_(what), start_(std::move(start)), on_cancel_(std::move(on_cancel)) {}
  ~CallbackAwaiter() {
    if (record_ != nullptr) record_->DropWaiter();
  }

  // Starts the operation, so that an exception and an immediate completion take their plain ways.
  bool await_ready() {
    if (!StoppedBeforeWaiting()) {
      record_ = new CompletionRecord<T>();
      start_(Completion<T>(*record_));
    }
    return !MustWait() && !Scheduler::Current()->Due();
  }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    // The start function may have stopped its own task.
    if (MustWait() && StoppedBeforeWaiting() && !AskToCancel()) return Requeue(task.promise());
    if (!MustWait()) return Requeue(task.promise());
    record_->set_waiter(this);
    Suspend(task.promise());
  }
  Outcome<T> await_resume() {
    const bool completed = record_ != nullptr && record_->completed();
    if (!completed || (asked_to_cancel_ && record_->broken())) [[unlikely]]
      return Scheduler::Current()->current_context().StopStatus();
    return record_->TakeOutcome();
  }

 private:
  bool MustWait() const { return record_ != nullptr && !record_->completed(); }

  // Returns whether there is somebody to ask.
  bool AskToCancel() {
    if constexpr (std::is_same_v<OnCancel, NoCancel>) {
      return false;
    } else {
      asked_to_cancel_ = true;
      on_cancel_();
      return true;
    }
  }
  void OnCompleted() override { Resume(); }
  void Interrupt() override {
    if (AskToCancel()) return;
    record_->set_waiter(nullptr);
    Resume();
  }
  void Describe(std::ostream& out) const override {
    out << "callback of " << what_;
    if (asked_to_cancel_) out << ", which was asked to cancel";
  }

  const std::string_view what_;
  Start start_;
  OnCancel on_cancel_;
  CompletionRecord<T>* record_ = nullptr;
  bool asked_to_cancel_ = false;
};

}  // namespace sched_internal

// Calls `start(Completion<T>)` and suspends until the completion is called. Yields its outcome, an
// absl::StatusOr<T> (absl::Status for void). `what` names the operation in task dumps and must
// outlive the await; a string literal, say. `on_cancel()` as told above.
template <typename T, typename Start, typename OnCancel>
  requires std::invocable<Start&, Completion<T>> && std::invocable<OnCancel&>
auto FromCallback(std::string_view what, Start start, OnCancel on_cancel) {
  return sched_internal::CallbackAwaiter<T, Start, OnCancel>(what, std::move(start),
                                                             std::move(on_cancel));
}
template <typename T, typename Start>
  requires std::invocable<Start&, Completion<T>>
auto FromCallback(std::string_view what, Start start) {
  return sched_internal::CallbackAwaiter<T, Start, sched_internal::NoCancel>(
      what, std::move(start), sched_internal::NoCancel());
}
template <typename T, typename Start, typename OnCancel>
  requires std::invocable<Start&, Completion<T>> && std::invocable<OnCancel&>
auto FromCallback(Start start, OnCancel on_cancel) {
  return FromCallback<T>("an operation", std::move(start), std::move(on_cancel));
}
template <typename T, typename Start>
  requires std::invocable<Start&, Completion<T>>
auto FromCallback(Start start) {
  return FromCallback<T>("an operation", std::move(start));
}

}  // namespace pelton

#endif  // PELTON_SCHED_CALLBACK_FROM_CALLBACK_H_
