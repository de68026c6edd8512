// Awaitables that tests of stopping need.

#ifndef PELTON_TESTS_SUPPORT_WAITS_H_
#define PELTON_TESTS_SUPPORT_WAITS_H_

#include <coroutine>
#include <ostream>

#include "absl/status/status.h"
#include "sched/promise.h"
#include "sched/scheduler.h"
#include "sched/task_context.h"

namespace pelton::testing {

// Waits until the flow is told to stop from `phase` on, and yields the stop status.
class StopWait : private Suspension {
 public:
  explicit StopWait(StopPhase phase) : Suspension(phase) {}
  bool await_ready() const noexcept { return StoppedBeforeWaiting(); }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    Suspend(task.promise());
  }
  absl::Status await_resume() const { return Scheduler::Current()->current_context().StopStatus(); }

 private:
  void Interrupt() override { Resume(); }
  void Describe(std::ostream& out) const override { out << "a stop"; }
};

// Waits for what never comes, and cannot be interrupted: a defect on purpose.
class EndlessWait : private Suspension {
 public:
  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    Suspend(task.promise());
  }
  void await_resume() const noexcept {}

 private:
  void Interrupt() override {}
  void Describe(std::ostream& out) const override { out << "what never comes"; }
};

}  // namespace pelton::testing

#endif  // PELTON_TESTS_SUPPORT_WAITS_H_
