// Runs a task in another scheduling group.

#ifndef PELTON_SCHED_IN_GROUP_H_
#define PELTON_SCHED_IN_GROUP_H_

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "sched/scheduler.h"
#include "sched/scheduling_group.h"
#include "sched/task.h"

namespace pelton {

namespace sched_internal {

// Moves the running flow to `group`: goes to the end of its ready queue, unless it is there.
class [[nodiscard("co_await it")]] GroupSwitch {
 public:
  explicit GroupSwitch(SchedulingGroup group) : group_(group) {}
  bool await_ready() const noexcept {
    Scheduler& scheduler = *Scheduler::Current();
    return scheduler.current_context().group() == group_.index() && !scheduler.Due();
  }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) const noexcept {
    Scheduler::Current()->SwitchGroup(group_);
    Scheduler::Current()->Requeue(task.promise());
  }
  void await_resume() const noexcept {}

 private:
  const SchedulingGroup group_;
};

}  // namespace sched_internal

// The group of the running task. REQUIRES: called from a task.
inline SchedulingGroup CurrentGroup() {
  return SchedulingGroup::FromIndex(Scheduler::Current()->current_context().group());
}

// Runs `task`, and what it spawns, in `group`; yields what the task yields, or rethrows its
// exception, in the group of the caller again. Suspends until the group has its turn, and
// afterwards until the caller's has. COST: one frame, two passes through the ready queue.
template <typename T>
  requires(!std::is_reference_v<T>)
Task<T> In(SchedulingGroup group, Task<T> task) {
  const SchedulingGroup before = CurrentGroup();
  std::optional<std::conditional_t<std::is_void_v<T>, std::monostate, T>> result;
  std::exception_ptr exception;
  co_await sched_internal::GroupSwitch(group);
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
    } else {
      result.emplace(co_await std::move(task));
    }
  } catch (...) {
    exception = std::current_exception();
  }
  co_await sched_internal::GroupSwitch(before);
  if (exception) std::rethrow_exception(exception);
  if constexpr (!std::is_void_v<T>) co_return *std::move(result);
}

}  // namespace pelton

#endif  // PELTON_SCHED_IN_GROUP_H_
