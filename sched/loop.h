// Loops that compute much and await little: they give way to the shard's other tasks, and end when
// their task is told to stop.
//
//   PELTON_CO_RETURN_IF_ERROR(co_await ForEach(rows, [&](const Row& row) { index.Add(row); }));
//
//   YieldingLoop loop;
//   while (co_await loop && Improve(solution)) {}
//   PELTON_CO_RETURN_IF_ERROR(loop.status());
//
// Shard affinity: the running task's. COST: about a nanosecond an iteration when nothing is due.

#ifndef PELTON_SCHED_LOOP_H_
#define PELTON_SCHED_LOOP_H_

#include <concepts>
#include <coroutine>
#include <functional>
#include <ranges>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "framework/base/status.h"
#include "sched/awaitable.h"
#include "sched/promise.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_context.h"

namespace pelton {

// `co_await loop` passes a preemption point, and yields whether the loop should go on: false once
// the task was told to stop everything.
class YieldingLoop {
 public:
  // OK, or the stop status once the task was told to stop. REQUIRES: called from the task.
  absl::Status status() const {
    const TaskContext& flow = Scheduler::Current()->current_context();
    return flow.StoppedFrom(StopPhase::kEverything) ? flow.StopStatus() : absl::OkStatus();
  }

  bool await_ready() const noexcept { return !Scheduler::Current()->Due(); }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) const noexcept {
    Scheduler::Current()->Requeue(task.promise());
  }
  [[nodiscard("the task may have been told to stop")]] bool await_resume() const {
    return !Scheduler::Current()->current_context().StoppedFrom(StopPhase::kEverything);
  }
};

namespace sched_internal {

// R is a reference for a range that is the caller's.
template <typename R, typename F>
Task<absl::Status> RunForEach(R range, F function) {
  using Returned = std::invoke_result_t<F&, std::ranges::range_reference_t<R>>;
  YieldingLoop loop;
  for (auto&& element : range) {
    if (!co_await loop) co_return loop.status();
    if constexpr (std::is_void_v<Returned>) {
      std::invoke(function, std::forward<decltype(element)>(element));
    } else if constexpr (std::convertible_to<Returned, absl::Status>) {
      PELTON_CO_RETURN_IF_ERROR(std::invoke(function, std::forward<decltype(element)>(element)));
    } else {
      static_assert(Awaitable<Returned>,
                    "ForEach() takes a function that returns void, an absl::Status, or a Task");
      if constexpr (std::is_void_v<AwaitResult<Returned>>) {
        co_await std::invoke(function, std::forward<decltype(element)>(element));
      } else {
        PELTON_CO_RETURN_IF_ERROR(
            co_await std::invoke(function, std::forward<decltype(element)>(element)));
      }
    }
  }
  co_return absl::OkStatus();
}

}  // namespace sched_internal

// Calls `function(element)` for each element in order, with a preemption point before each. The
// function returns void, an absl::Status (an error ends the loop), or an awaitable that yields one
// of these, such as a Task, which is awaited. Yields the first error, the stop status when the task
// is told to stop before the last element, or OK. A range that is an lvalue is the caller's and
// stays as it is meanwhile; another is moved in.
// COST: one frame.
template <std::ranges::input_range R, typename F>
  requires std::invocable<F&, std::ranges::range_reference_t<R>>
Task<absl::Status> ForEach(R&& range, F function) {
  return sched_internal::RunForEach<R, F>(std::forward<R>(range), std::move(function));
}

}  // namespace pelton

#endif  // PELTON_SCHED_LOOP_H_
