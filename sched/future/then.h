// The continuations that Future::Then(), Recover() and OnSettled() attach. future.h uses them;
// users never see them.

#ifndef PELTON_SCHED_FUTURE_THEN_H_
#define PELTON_SCHED_FUTURE_THEN_H_

#include <exception>
#include <functional>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include "sched/future/future_state.h"
#include "sched/task.h"

namespace pelton {

template <typename T>
class Future;

namespace sched_internal {

template <typename R>
struct IsFuture : std::false_type {};
template <typename T>
struct IsFuture<Future<T>> : std::true_type {};

// The value of the future that a continuation which returns R leads to.
template <typename R>
struct ContinuationValue {
  static_assert(!AnyTask<R>,
                "the continuation returns a Task, which needs a scope to run in: call "
                "Then(scope, f) or Recover(scope, f)");
  using type = OutcomeValue<R>;
};
template <typename T>
struct ContinuationValue<Future<T>> {
  using type = T;
};

// f() or f(value).
template <typename T, typename F>
decltype(auto) InvokeWithValue(F&& f, Stored<T>& value) {
  if constexpr (std::is_void_v<T>) {
    return std::invoke(std::forward<F>(f));
  } else {
    return std::invoke(std::forward<F>(f), std::move(value));
  }
}

// What f() or f(value) returns, as a value.
template <typename T, typename F>
using ResultWithValue = std::remove_cvref_t<decltype(InvokeWithValue<T>(
    std::declval<F>(), std::declval<Stored<T>&>()))>;

// Holds the user's function until it has run, and no longer.
template <typename F>
class FunctionSlot {
 public:
  explicit FunctionSlot(F function) : function_(std::move(function)) {}
  ~FunctionSlot() {}
  F& function() { return function_; }
  void Destroy() { function_.~F(); }

 private:
  union {
    F function_;
  };
};

// A derived state with a function that leads to its outcome.
template <typename U, typename F>
class FunctionState : public DerivedState<U> {
 protected:
  FunctionState(FutureStateBase& source, F function, const std::source_location& made_at)
      : DerivedState<U>(source, made_at), slot_(std::move(function)) {}
  ~FunctionState() override = default;

  // Settles this by what `call(function)` returns or throws. The function and the source are gone
  // before anybody is told. May destroy this state.
  template <typename Call>
  void SettleBy(Call&& call) {
    using R = std::invoke_result_t<Call, F&&>;
    FuturePhase phase = FuturePhase::kFulfilled;
    FutureState<U>* inner = nullptr;
    try {
      if constexpr (std::is_void_v<R>) {
        call(std::move(slot_.function()));
        this->Store();
      } else if constexpr (IsFuture<R>::value) {
        inner = call(std::move(slot_.function())).ReleaseState();
      } else if constexpr (std::is_same_v<OutcomeValue<R>, R>) {
        this->Store(call(std::move(slot_.function())));
      } else {
        phase = StoreOutcome(call(std::move(slot_.function())));
      }
    } catch (...) {
      this->StoreError(ExceptionToStatus("a future's continuation", std::current_exception()));
      phase = FuturePhase::kRejected;
    }
    LetGo();
    if constexpr (IsFuture<R>::value) {
      if (inner != nullptr) return this->Adopt(*inner);
    }
    this->Announce(phase);
  }

  // Settles this by the source's outcome, without the function.
  void SettleByError(absl::Status error) {
    this->StoreError(std::move(error));
    LetGo();
    this->Announce(FuturePhase::kRejected);
  }
  void SettleByValue(Stored<U>&& value) {
    this->Store(std::move(value));
    LetGo();
    this->Announce(FuturePhase::kFulfilled);
  }

 private:
  FuturePhase StoreOutcome(Outcome<U> outcome) {
    if (!outcome.ok()) {
      this->StoreError(base_internal::StatusOf(std::move(outcome)));
      return FuturePhase::kRejected;
    }
    if constexpr (std::is_void_v<U>) {
      this->Store();
    } else {
      this->Store(*std::move(outcome));
    }
    return FuturePhase::kFulfilled;
  }
  void LetGo() {
    slot_.Destroy();
    this->source().DropConsumer(/*looked=*/true);
  }

  FunctionSlot<F> slot_;
};

template <typename T, typename U, typename F>
class ThenState final : public FunctionState<U, F> {
 public:
  ThenState(FutureState<T>& source, F function, const std::source_location& made_at)
      : FunctionState<U, F>(source, std::move(function), made_at) {
    this->Attach();
  }

  void Run() override {
    if (this->adopting()) return this->TakeAdopted();
    FutureState<T>& source = static_cast<FutureState<T>&>(this->source());
    if (!source.fulfilled()) return this->SettleByError(std::move(source.error()));
    this->SettleBy([&source](F&& function) -> ResultWithValue<T, F> {
      return InvokeWithValue<T>(std::move(function), source.value());
    });
  }
};

template <typename T, typename F>
class RecoverState final : public FunctionState<T, F> {
 public:
  RecoverState(FutureState<T>& source, F function, const std::source_location& made_at)
      : FunctionState<T, F>(source, std::move(function), made_at) {
    this->Attach();
  }

  void Run() override {
    if (this->adopting()) return this->TakeAdopted();
    FutureState<T>& source = static_cast<FutureState<T>&>(this->source());
    if (source.fulfilled()) return this->SettleByValue(std::move(source.value()));
    this->SettleBy(
        [&source](F&& function) -> std::remove_cvref_t<std::invoke_result_t<F, absl::Status>> {
          return std::invoke(std::move(function), std::move(source.error()));
        });
  }
};

// The end of a chain: hands the outcome to a function, and leads to no future.
template <typename T, typename F>
class FinalContinuation final : public Continuation {
 public:
  static void* operator new(size_t bytes) { return FramePool::Allocate(bytes); }
  static void operator delete(void* memory, size_t bytes) { FramePool::Free(memory, bytes); }

  FinalContinuation(FutureState<T>& source, F function)
      : source_(source), function_(std::move(function)) {
    if (source.pending()) {
      source.set_consumer(this);
    } else {
      Enqueue();
    }
  }

  void Run() override {
    const std::unique_ptr<FinalContinuation> self(this);
    try {
      std::invoke(std::move(function_), source_.TakeOutcome());
    } catch (...) {
      ReportUnobserved(ExceptionToStatus("a future's continuation", std::current_exception()),
                       source_.made_at());
    }
    source_.DropConsumer(/*looked=*/true);
  }

 private:
  void OnSettled() override { Enqueue(); }

  FutureState<T>& source_;
  F function_;
};

}  // namespace sched_internal
}  // namespace pelton

#endif  // PELTON_SCHED_FUTURE_THEN_H_
