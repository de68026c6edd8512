// Waiting for time to pass.

#ifndef PELTON_SCHED_SLEEP_H_
#define PELTON_SCHED_SLEEP_H_

#include <ostream>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sched/scheduler.h"

namespace pelton {

// `PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Milliseconds(50)));` suspends until the time
// has come. Never wakes early; wakes within a tick of the timer wheel (16 µs) of the deadline, plus
// what runs before it. Yields OK, or at once the stop status (CANCELLED, DEADLINE_EXCEEDED) when
// the task is told to stop: a loop around a sleep must look at it. COST: O(1), no allocation.
class [[nodiscard("co_await it")]] SleepUntil : private Suspension, private Timer {
 public:
  explicit SleepUntil(Timestamp deadline) : Timer(deadline.nanoseconds()) {}

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (StoppedBeforeWaiting()) {
      interrupted_ = true;
      Requeue(task.promise());
      return;
    }
    Suspend(task.promise());
    Scheduler::Current()->timers().Arm(*this, deadline_ns());
  }
  absl::Status await_resume() const {
    if (!interrupted_) [[likely]]
      return absl::OkStatus();
    return Scheduler::Current()->current_context().StopStatus();
  }

 private:
  friend struct sched_internal::DebugAccess;

  void Fire() override { Resume(); }
  void Interrupt() override {
    interrupted_ = true;
    Scheduler::Current()->timers().Cancel(*this);
    Resume();
  }
  void Describe(std::ostream& out) const override;

  bool interrupted_ = false;
};

// Suspends for `duration`, counted from this moment. A class and not a function, so that
// absl::SleepFor, which blocks the thread, is never found by the argument's namespace instead.
class [[nodiscard("co_await it")]] SleepFor final : public SleepUntil {
 public:
  explicit SleepFor(absl::Duration duration)
      : SleepUntil(Scheduler::Current()->PreciseNow() + duration) {}
};

}  // namespace pelton

#endif  // PELTON_SCHED_SLEEP_H_
