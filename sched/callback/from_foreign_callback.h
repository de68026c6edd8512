// FromForeignCallback: awaits an API that calls back on threads of its own.
//
//   absl::StatusOr<Row> row = co_await FromForeignCallback<Row>(
//       "query", [&](ForeignCompletion<Row> done) { database.Query(text, std::move(done)); });
//   absl::StatusOr<int> n = co_await FromForeignCallback<int>([&](ForeignCompletion<int> done) {
//     const CCallback<int> c = std::move(done).AsCCallback();      // for C, or for a std::function
//     if (c_library_start(c.function, c.argument) != 0) c.Drop();
//   });
//
// As FromCallback(), with these differences. The completion may be called, moved and dropped on any
// thread; one thread at a time. It cannot be copied: plain-data copies are what AsCCallback() is
// for. The task runs in its shard's next turn after the call. Until the completion was called or
// dropped the shard does not end, and a virtual clock does not pass it by.
//
// Cost: one allocation of the pool, and a push to the shard's foreign inbox.

#ifndef PELTON_SCHED_CALLBACK_FROM_FOREIGN_CALLBACK_H_
#define PELTON_SCHED_CALLBACK_FROM_FOREIGN_CALLBACK_H_

#include <concepts>
#include <ostream>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "sched/callback/completion.h"
#include "sched/callback/from_callback.h"
#include "sched/future/foreign_promise.h"
#include "sched/future/future.h"
#include "sched/future/outcome.h"
#include "sched/promise.h"
#include "sched/scheduler.h"

namespace pelton {

// The completion of FromForeignCallback(). Takes an absl::StatusOr<T> (absl::Status for void), and
// so a plain T or an error, too.
template <typename T>
class ForeignCompletion {
 public:
  // The library's.
  explicit ForeignCompletion(ForeignPromise<T> promise) : promise_(std::move(promise)) {}

  // Ends the wait, from any thread. REQUIRES: not called before, not moved away (checked).
  void operator()(Outcome<T> outcome) { promise_.Settle(std::move(outcome)); }
  void operator()()
    requires std::is_void_v<T>
  {
    promise_.Fulfil();
  }

  // The same completion for a C library. See CCallback.
  CCallback<T> AsCCallback() && {
    return {.function = CFunction(),
            .argument = std::move(promise_).Release(),
            .drop = [](void* argument) { ForeignPromise<T>::FromReleased(argument); }};
  }

 private:
  static auto CFunction() {
    if constexpr (std::is_void_v<T>) {
      return [](void* argument) { ForeignPromise<T>::FromReleased(argument).Fulfil(); };
    } else {
      return [](void* argument, T value) {
        ForeignPromise<T>::FromReleased(argument).Fulfil(std::move(value));
      };
    }
  }

  ForeignPromise<T> promise_;
};

namespace sched_internal {

template <typename T, typename Start, typename OnCancel>
class [[nodiscard("co_await it")]] ForeignCallbackAwaiter final : public Suspension,
                                                                  private FutureConsumer {
 public:
  ForeignCallbackAwaiter(std::string_view what, Start start, OnCancel on_cancel,
                         const std::source_location& location)
      : what_(what),
        location_(location),
        start_(std::move(start)),
        on_cancel_(std::move(on_cancel)) {}
  ~ForeignCallbackAwaiter() {
    // A late outcome is of no interest to anybody.
    if (state_ != nullptr) state_->DropConsumer(/*looked=*/true);
  }

  // Starts the operation, so that an exception takes its plain way.
  bool await_ready() {
    if (!StoppedBeforeWaiting()) {
      ForeignPromise<T> promise(location_);
      state_ = promise.future().ReleaseState();
      start_(ForeignCompletion<T>(std::move(promise)));
    }
    return !MustWait() && !Scheduler::Current()->Due();
  }
  template <PeltonPromise AwaitingPromise>
  void await_suspend(std::coroutine_handle<AwaitingPromise> task) {
    // The start function may have stopped its own task.
    if (!MustWait() || (StoppedBeforeWaiting() && !AskToCancel())) {
      return Requeue(task.promise());
    }
    state_->set_consumer(this);
    Suspend(task.promise());
  }
  Outcome<T> await_resume() {
    if (state_ == nullptr || state_->pending()) [[unlikely]]
      return Scheduler::Current()->current_context().StopStatus();
    Outcome<T> outcome = state_->TakeOutcome();
    if (asked_to_cancel_ && absl::IsAborted(base_internal::StatusOf(outcome))) [[unlikely]]
      return Scheduler::Current()->current_context().StopStatus();
    return outcome;
  }

 private:
  bool MustWait() const { return state_ != nullptr && state_->pending(); }

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
  void OnSettled() override { Resume(); }
  void Interrupt() override {
    if (AskToCancel()) return;
    state_->set_consumer(nullptr);
    Resume();
  }
  void Describe(std::ostream& out) const override {
    out << "callback of " << what_ << " on another thread";
    if (asked_to_cancel_) out << ", which was asked to cancel";
  }

  const std::string_view what_;
  const std::source_location location_;
  Start start_;
  OnCancel on_cancel_;
  FutureState<T>* state_ = nullptr;
  bool asked_to_cancel_ = false;
};

}  // namespace sched_internal

// Calls `start(ForeignCompletion<T>)` and suspends until the completion is called. Everything else
// as for FromCallback(); a broken completion is named by the line of this call.
template <typename T, typename Start, typename OnCancel>
  requires std::invocable<Start&, ForeignCompletion<T>> && std::invocable<OnCancel&>
auto FromForeignCallback(std::string_view what, Start start, OnCancel on_cancel,
                         std::source_location location = std::source_location::current()) {
  return sched_internal::ForeignCallbackAwaiter<T, Start, OnCancel>(what, std::move(start),
                                                                    std::move(on_cancel), location);
}
template <typename T, typename Start>
  requires std::invocable<Start&, ForeignCompletion<T>>
auto FromForeignCallback(std::string_view what, Start start,
                         std::source_location location = std::source_location::current()) {
  return sched_internal::ForeignCallbackAwaiter<T, Start, sched_internal::NoCancel>(
      what, std::move(start), sched_internal::NoCancel(), location);
}
template <typename T, typename Start, typename OnCancel>
  requires std::invocable<Start&, ForeignCompletion<T>> && std::invocable<OnCancel&>
auto FromForeignCallback(Start start, OnCancel on_cancel,
                         std::source_location location = std::source_location::current()) {
  return FromForeignCallback<T>("an operation", std::move(start), std::move(on_cancel), location);
}
template <typename T, typename Start>
  requires std::invocable<Start&, ForeignCompletion<T>>
auto FromForeignCallback(Start start,
                         std::source_location location = std::source_location::current()) {
  return FromForeignCallback<T>("an operation", std::move(start), location);
}

}  // namespace pelton

#endif  // PELTON_SCHED_CALLBACK_FROM_FOREIGN_CALLBACK_H_
