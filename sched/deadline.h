// Bounds the time that a task may take.
//
//   auto reply = co_await WithTimeout(absl::Milliseconds(200), Call(request));   // DEADLINE_EXCEEDED when it is late
//
// When the deadline passes, the task is told to stop: what it waits for returns DEADLINE_EXCEEDED,
// and so does everything that it awaits from then on. The task itself is always awaited to its end.
// Deadlines nest; the tighter one wins, and the operations below can ask for it by
// CurrentDeadline().

#ifndef PELTON_SCHED_DEADLINE_H_
#define PELTON_SCHED_DEADLINE_H_

#include <algorithm>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "sched/scheduler.h"
#include "sched/task.h"

namespace pelton {

// A deadline on the rest of a coroutine's scope, which can be put off: the building block of
// WithDeadline(), and for time-outs that every bit of progress restarts.
//
//   ScopedDeadline idle(absl::Seconds(60));
//   while (...) { co_await ...; idle.Restart(absl::Seconds(60)); }
//
// Everything that is awaited while it lives is stopped when it expires. It stays expired: Restart()
// has no effect then.
// REQUIRES: a local variable of a coroutine. COST: a timer; Restart() with a later deadline is two
// stores.
class ScopedDeadline final : private Timer {
 public:
  explicit ScopedDeadline(Timestamp deadline)
      : outer_(Scheduler::Current()->current_context()), context_(&outer_) {
    context_.TightenDeadline(deadline);
    if (!deadline.infinite()) Scheduler::Current()->timers().Arm(*this, deadline.nanoseconds());
    Scheduler::Current()->SwitchContext(context_);
  }
  explicit ScopedDeadline(absl::Duration timeout)
      : ScopedDeadline(Scheduler::Current()->PreciseNow() + timeout) {}
  ~ScopedDeadline() {
    Scheduler& scheduler = *Scheduler::Current();
    PELTON_DCHECK(&scheduler.current_context() == &context_)
        << "scopes of deadlines end in the opposite order of their beginning";
    if (armed()) scheduler.timers().Cancel(*this);
    scheduler.SwitchContext(outer_);
  }

  // Counts `timeout` anew, from the beginning of this turn of the loop.
  void Restart(absl::Duration timeout) {
    if (expired_) return;
    Scheduler& scheduler = *Scheduler::Current();
    const Timestamp deadline = scheduler.now() + timeout;
    context_.ReplaceDeadline(std::min(deadline, outer_.deadline()));
    scheduler.timers().Rearm(*this, deadline.nanoseconds());
  }

  bool expired() const { return expired_; }

 private:
  void Fire() override {
    expired_ = true;
    context_.Stop(StopPhase::kEverything, StopReason::kDeadline);
  }

  bool expired_ = false;
  TaskContext& outer_;
  TaskContext context_;
};

namespace sched_internal {

template <typename T>
struct DeadlineResult {
  using type = absl::StatusOr<T>;
};
template <>
struct DeadlineResult<void> {
  using type = absl::Status;
};
template <>
struct DeadlineResult<absl::Status> {
  using type = absl::Status;
};
template <typename T>
struct DeadlineResult<absl::StatusOr<T>> {
  using type = absl::StatusOr<T>;
};

}  // namespace sched_internal

// Runs `task` and yields what it yields, as an absl::Status (for void and Status) or an
// absl::StatusOr (for others). When the deadline passed first, an error of the task becomes
// DEADLINE_EXCEEDED; a task that succeeds in spite of it keeps its value.
// COST: one frame, one timer.
template <typename T>
Task<typename sched_internal::DeadlineResult<T>::type> WithDeadline(Timestamp deadline,
                                                                    Task<T> task) {
  using Result = typename sched_internal::DeadlineResult<T>::type;
  ScopedDeadline context(deadline);
  if constexpr (std::is_void_v<T>) {
    co_await std::move(task);
    co_return context.expired() ? absl::DeadlineExceededError("the task's deadline passed")
                                : absl::OkStatus();
  } else {
    Result result = co_await std::move(task);
    if (context.expired() && !result.ok()) {
      co_return absl::DeadlineExceededError("the task's deadline passed");
    }
    co_return result;
  }
}

// The same with a duration, counted from this moment.
template <typename T>
auto WithTimeout(absl::Duration timeout, Task<T> task) {
  return WithDeadline(Scheduler::Current()->PreciseNow() + timeout, std::move(task));
}

// The tightest deadline of the running task; InfiniteFuture() when it has none. REQUIRES: called
// from a task.
inline Timestamp CurrentDeadline() { return Scheduler::Current()->current_context().deadline(); }

// Whether the running task was told to stop everything. For loops that await nothing. REQUIRES:
// called from a task.
inline bool StopRequested() {
  return Scheduler::Current()->current_context().StoppedFrom(StopPhase::kEverything);
}

}  // namespace pelton

#endif  // PELTON_SCHED_DEADLINE_H_
