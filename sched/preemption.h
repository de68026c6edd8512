// Places where a task gives way to the others of its shard.

#ifndef PELTON_SCHED_PREEMPTION_H_
#define PELTON_SCHED_PREEMPTION_H_

#include <coroutine>

#include "sched/promise.h"
#include "sched/scheduler.h"

namespace pelton {

// `co_await PreemptionPoint();` gives way when the task's budget or the turn's quota is spent, and
// goes straight on when not. For loops that compute without awaiting anything; every other await
// contains one. COST: about a nanosecond when not due.
class [[nodiscard("co_await it")]] PreemptionPoint {
 public:
  bool await_ready() const noexcept { return !Scheduler::Current()->Due(); }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) const noexcept {
    Scheduler::Current()->Requeue(task.promise());
  }
  void await_resume() const noexcept {}
};

// `co_await Yield();` goes to the end of the ready queue: every task that is ready now runs first.
class [[nodiscard("co_await it")]] Yield {
 public:
  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) const noexcept {
    Scheduler::Current()->Requeue(task.promise());
  }
  void await_resume() const noexcept {}
};

}  // namespace pelton

#endif  // PELTON_SCHED_PREEMPTION_H_
