// StartWithCallback: starts a task, or anything that can be awaited, for code that wants to be
// called back.
//
//   StartWithCallback(scope, Fetch(url), [](absl::StatusOr<Page> page) { ... });
//   StartWithCallback(scope, [] { return SleepFor(absl::Seconds(1)); }, [](absl::Status) { ... });
//
// The work runs as a child of the scope: cancelled with it, joined by it. The callback is called
// exactly once, also when the work is cancelled, at the end of the child, and never inside
// StartWithCallback(). It gets the work's error or exception (INTERNAL with its text); the scope
// gets neither. An exception that leaves the callback is the scope's.
//
// Shard affinity: the scope's shard. Cost: the two frames of a child.

#ifndef PELTON_SCHED_CALLBACK_START_WITH_CALLBACK_H_
#define PELTON_SCHED_CALLBACK_START_WITH_CALLBACK_H_

#include <coroutine>
#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include "sched/awaitable.h"
#include "sched/future/outcome.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {

namespace sched_internal {

// What is awaited for `work`: itself, or what it returns when it is a function.
template <typename Work>
struct AwaitedOf {
  using type = std::invoke_result_t<Work&>;
};
template <Awaitable Work>
struct AwaitedOf<Work> {
  using type = Work;
};

template <typename Work, typename Callback>
Task<void> AwaitThenCall(Work work, Callback callback) {
  using Awaited = typename AwaitedOf<Work>::type;
  using T = std::remove_cvref_t<AwaitResult<Awaited>>;
  std::optional<Outcome<T>> outcome;
  try {
    if constexpr (Awaitable<Work>) {
      if constexpr (std::is_void_v<T>) {
        co_await std::move(work);
        outcome.emplace(absl::OkStatus());
      } else {
        outcome.emplace(co_await std::move(work));
      }
    } else {
      if constexpr (std::is_void_v<T>) {
        co_await work();
        outcome.emplace(absl::OkStatus());
      } else {
        outcome.emplace(co_await work());
      }
    }
  } catch (...) {
    outcome.emplace(ExceptionToStatus("a task", std::current_exception()));
  }
  std::invoke(std::move(callback), *std::move(outcome));
}

}  // namespace sched_internal

// Starts `work` as a child of `scope` and calls `callback(outcome)` when it has ended: with an
// absl::Status for work that yields nothing or a status, else with an absl::StatusOr of its value.
// `work` is a Task, a Future or another awaitable that can be moved, or a function that returns any
// awaitable; the function lives until the callback was called. REQUIRES: room in the scope.
template <typename Work, typename Callback>
void StartWithCallback(TaskScope& scope, Work work, Callback callback) {
  scope.Spawn(sched_internal::AwaitThenCall(std::move(work), std::move(callback)));
}

}  // namespace pelton

#endif  // PELTON_SCHED_CALLBACK_START_WITH_CALLBACK_H_
