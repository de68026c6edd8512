// Runs several tasks at once on this shard.
//
//   auto [user, orders] = co_await WhenAll(FetchUser(id), FetchOrders(id));
//   auto first = co_await WhenAny(Primary(), Replica());     // std::variant: index() says who won
//
// Each task runs in a flow of its own, below the awaiting one: what cancels the awaiting task
// cancels them. All have ended when the await returns, the losers of WhenAny as well.
//
// Exceptions: the first one cancels the other tasks and is rethrown when all have ended.
// Cost: one frame a task, none else.

#ifndef PELTON_SCHED_WHEN_H_
#define PELTON_SCHED_WHEN_H_

#include <cstddef>
#include <exception>
#include <optional>
#include <ostream>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "sched/awaitable.h"
#include "sched/branch.h"
#include "sched/task.h"

namespace pelton {

namespace sched_internal {

// Waits for a fixed number of branches in one context.
class BranchGroup : protected BranchOwner, protected Suspension {
 protected:
  explicit BranchGroup(size_t branches)
      : remaining_(branches), context_(&Scheduler::Current()->current_context()) {}
  ~BranchGroup() = default;

  void CancelOthers() { context_.Stop(StopPhase::kEverything, StopReason::kCancelled); }
  void RethrowFirst() const {
    if (exception_) [[unlikely]]
      std::rethrow_exception(exception_);
  }
  TaskContext& context() { return context_; }
  bool failed() const { return exception_ != nullptr; }

 private:
  void OnBranchException(std::exception_ptr exception) final {
    if (!exception_) exception_ = std::move(exception);
    CancelOthers();
  }
  void OnBranchEnd() final {
    if (--remaining_ == 0) Resume();
  }
  // Stopping the awaiting task has stopped the branches; their end ends the wait.
  void Interrupt() final {}
  void Describe(std::ostream& out) const final { out << remaining_ << " concurrent tasks to end"; }

  size_t remaining_;
  TaskContext context_;
  std::exception_ptr exception_;
};

template <typename... Ts>
class WhenAllAwaiter final : private BranchGroup {
 public:
  explicit WhenAllAwaiter(Task<Ts>... tasks)
      : BranchGroup(sizeof...(Ts)), tasks_(std::move(tasks)...) {}

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    StartAll(task.promise(), std::index_sequence_for<Ts...>());
  }
  std::tuple<Stored<Ts>...> await_resume() {
    RethrowFirst();
    return std::apply(
        [](auto&... results) { return std::tuple<Stored<Ts>...>(*std::move(results)...); },
        results_);
  }

 private:
  template <size_t... Is>
  void StartAll(PromiseBase& waiter, std::index_sequence<Is...>) {
    // All are made before the first one starts: when one cannot be made, none has to be waited for.
    Branch branches[] = {Run<Is>(*this, context(), *this)...};
    Suspend(waiter);
    for (Branch& branch : branches) branch.Start();
  }
  template <size_t I>
  static Branch Run(BranchOwner&, TaskContext&, WhenAllAwaiter& self) {
    using T = typename std::tuple_element_t<I, std::tuple<std::type_identity<Ts>...>>::type;
    if constexpr (std::is_void_v<T>) {
      co_await std::move(std::get<I>(self.tasks_));
      std::get<I>(self.results_).emplace();
    } else {
      std::get<I>(self.results_).emplace(co_await std::move(std::get<I>(self.tasks_)));
    }
  }

  std::tuple<Task<Ts>...> tasks_;
  std::tuple<std::optional<Stored<Ts>>...> results_;
};

template <typename... Ts>
class WhenAnyAwaiter final : private BranchGroup {
 public:
  using Result = std::variant<Stored<Ts>...>;

  explicit WhenAnyAwaiter(Task<Ts>... tasks)
      : BranchGroup(sizeof...(Ts)), tasks_(std::move(tasks)...) {}

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    StartAll(task.promise(), std::index_sequence_for<Ts...>());
  }
  Result await_resume() {
    if (!result_.has_value()) RethrowFirst();
    return *std::move(result_);
  }

 private:
  template <size_t... Is>
  void StartAll(PromiseBase& waiter, std::index_sequence<Is...>) {
    // All are made before the first one starts: when one cannot be made, none has to be waited for.
    Branch branches[] = {Run<Is>(*this, context(), *this)...};
    Suspend(waiter);
    for (Branch& branch : branches) branch.Start();
  }
  template <size_t I>
  static Branch Run(BranchOwner&, TaskContext&, WhenAnyAwaiter& self) {
    using T = typename std::tuple_element_t<I, std::tuple<std::type_identity<Ts>...>>::type;
    if constexpr (std::is_void_v<T>) {
      co_await std::move(std::get<I>(self.tasks_));
      self.template Win<I>(std::monostate());
    } else {
      self.template Win<I>(co_await std::move(std::get<I>(self.tasks_)));
    }
  }
  template <size_t I, typename T>
  void Win(T&& value) {
    if (result_.has_value() || failed()) return;
    result_.emplace(std::in_place_index<I>, std::forward<T>(value));
    CancelOthers();
  }

  std::tuple<Task<Ts>...> tasks_;
  std::optional<Result> result_;
};

}  // namespace sched_internal

// Runs all tasks and yields a std::tuple of their results (std::monostate for void), when all have
// ended.
template <typename... Ts>
[[nodiscard("co_await it")]] auto WhenAll(Task<Ts>... tasks) {
  static_assert(sizeof...(Ts) > 0, "WhenAll() of nothing");
  return sched_internal::WhenAllAwaiter<Ts...>(std::move(tasks)...);
}

// Runs all tasks; the first one that ends, by whatever result, wins. The others are cancelled and
// awaited. Yields a std::variant of the results (std::monostate for void) at the winner's index. An
// exception that is thrown before anybody has won cancels the rest and is rethrown; one that a
// loser throws is dropped with the loser's result.
template <typename... Ts>
[[nodiscard("co_await it")]] auto WhenAny(Task<Ts>... tasks) {
  static_assert(sizeof...(Ts) > 0, "WhenAny() of nothing");
  return sched_internal::WhenAnyAwaiter<Ts...>(std::move(tasks)...);
}

}  // namespace pelton

#endif  // PELTON_SCHED_WHEN_H_
