// From tasks to futures: a task that runs in a scope, and a Future of its result.
//
//   Future<Page> page = SpawnFuture(scope, Fetch(url));
//   Future<Page> other = SpawnFuture(scope, [this]() -> Task<Page> { co_return co_await Make(); });
//
// The task is a child of the scope like any other: cancelled with it, joined by it. Its error, or
// its exception (INTERNAL with its text), goes to the future and not to the scope. Dropping the
// future lets the task go on.
//
// Shard affinity: the scope's shard. Cost: the two frames of a child, and the future's state.

#ifndef PELTON_SCHED_FUTURE_SPAWN_FUTURE_H_
#define PELTON_SCHED_FUTURE_SPAWN_FUTURE_H_

#include <exception>
#include <functional>
#include <source_location>
#include <type_traits>
#include <utility>

#include "framework/base/status.h"
#include "sched/future/future.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {

namespace sched_internal {

// Settles `promise` by what awaiting `task` yields or throws.
template <typename T>
Task<void> SettleByTask(Promise<OutcomeValue<T>> promise, Task<T> task) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
      promise.Fulfil();
    } else {
      promise.Settle(co_await std::move(task));
    }
  } catch (...) {
    promise.Reject(ExceptionToStatus("a task", std::current_exception()));
  }
}

// Settles `promise` by what the task that `function()` makes yields. The function outlives the task,
// since a lambda's captures belong to the lambda.
template <typename U, typename Function>
Task<void> SettleByFunction(Promise<U> promise, Function function) {
  try {
    auto task = function();
    if constexpr (std::is_void_v<typename decltype(task)::value_type>) {
      co_await std::move(task);
      promise.Fulfil();
    } else {
      promise.Settle(co_await std::move(task));
    }
  } catch (...) {
    promise.Reject(ExceptionToStatus("a task", std::current_exception()));
  }
}

// Then(scope, f): waits for `source`, then runs the task that `function` makes of its value.
template <typename T, typename U, typename F>
Task<void> SettleByThen(Promise<U> promise, Future<T> source, F function) {
  Outcome<T> outcome = co_await source;
  if (!outcome.ok()) {
    promise.Reject(base_internal::StatusOf(std::move(outcome)));
    co_return;
  }
  co_await SettleByFunction(std::move(promise), [&]() {
    if constexpr (std::is_void_v<T>) {
      return std::invoke(std::move(function));
    } else {
      return std::invoke(std::move(function), *std::move(outcome));
    }
  });
}

// Recover(scope, f).
template <typename T, typename F>
Task<void> SettleByRecover(Promise<T> promise, Future<T> source, F function) {
  Outcome<T> outcome = co_await source;
  if (outcome.ok()) {
    promise.Settle(std::move(outcome));
    co_return;
  }
  co_await SettleByFunction(std::move(promise), [&]() {
    return std::invoke(std::move(function), base_internal::StatusOf(std::move(outcome)));
  });
}

}  // namespace sched_internal

// Starts `task` as a child of `scope` and returns the future of its result: Task<T> and
// Task<absl::StatusOr<T>> lead to Future<T>, Task<void> and Task<absl::Status> to Future<void>.
// REQUIRES: room in the scope.
template <typename T>
Future<OutcomeValue<T>> SpawnFuture(
    TaskScope& scope, Task<T> task,
    std::source_location location = std::source_location::current()) {
  Promise<OutcomeValue<T>> promise(location);
  Future<OutcomeValue<T>> future = promise.future();
  scope.Spawn(sched_internal::SettleByTask(std::move(promise), std::move(task)));
  return future;
}

// The same for the task that `function()` returns, which is called at the child's first turn. The
// function lives as long as the child, and a lambda's captures with it.
template <typename Function>
  requires AnyTask<std::invoke_result_t<Function>>
auto SpawnFuture(TaskScope& scope, Function function,
                 std::source_location location = std::source_location::current()) {
  using T = typename std::invoke_result_t<Function>::value_type;
  Promise<OutcomeValue<T>> promise(location);
  Future<OutcomeValue<T>> future = promise.future();
  scope.Spawn(sched_internal::SettleByFunction(std::move(promise), std::move(function)));
  return future;
}

template <typename T>
template <typename F>
auto Future<T>::Then(TaskScope& scope, F f, std::source_location location) && {
  using Returned = sched_internal::ResultWithValue<T, F>;
  static_assert(AnyTask<Returned>, "Then(scope, f) takes a function that returns a Task");
  using U = OutcomeValue<typename Returned::value_type>;
  Promise<U> promise(location);
  Future<U> future = promise.future();
  scope.Spawn(sched_internal::SettleByThen<T>(std::move(promise), std::move(*this), std::move(f)));
  return future;
}

template <typename T>
template <typename F>
Future<T> Future<T>::Recover(TaskScope& scope, F f, std::source_location location) && {
  using Returned = std::invoke_result_t<F, absl::Status>;
  static_assert(AnyTask<Returned>, "Recover(scope, f) takes a function that returns a Task");
  static_assert(std::is_same_v<OutcomeValue<typename Returned::value_type>, T>,
                "Recover(scope, f): f must lead to the future's own type");
  Promise<T> promise(location);
  Future<T> future = promise.future();
  scope.Spawn(sched_internal::SettleByRecover(std::move(promise), std::move(*this), std::move(f)));
  return future;
}

}  // namespace pelton

#endif  // PELTON_SCHED_FUTURE_SPAWN_FUTURE_H_
