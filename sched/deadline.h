// Bounds the time that a task, or any other awaitable, may take.
//
//   auto reply = co_await WithTimeout(absl::Milliseconds(200), Call(request));   // DEADLINE_EXCEEDED when it is late
//   auto guard = co_await WithTimeout(absl::Milliseconds(5), mutex.Lock());      // costs no frame
//
// When the deadline passes, what runs below it is told to stop: what it waits for returns
// DEADLINE_EXCEEDED, and so does everything that it awaits from then on. It is always awaited to
// its end. Deadlines nest; the tighter one wins, and the operations below can ask for it by
// CurrentDeadline().

#ifndef PELTON_SCHED_DEADLINE_H_
#define PELTON_SCHED_DEADLINE_H_

#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "sched/awaitable.h"
#include "sched/nested_context.h"
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
class ScopedDeadline final : public sched_internal::NestedContext {
 public:
  explicit ScopedDeadline(Timestamp deadline) : NestedContext(deadline, Shielding::kNone) {}
  explicit ScopedDeadline(absl::Duration timeout)
      : ScopedDeadline(Scheduler::Current()->PreciseNow() + timeout) {}

  // Counts `timeout` anew, from the beginning of this turn of the loop.
  void Restart(absl::Duration timeout) { RestartDeadline(timeout); }
};

// Runs `task` and yields what it yields, as an absl::Status (for void and Status) or an
// absl::StatusOr (for others; of a std::reference_wrapper for a reference). When the deadline
// passed first, an error of the task becomes DEADLINE_EXCEEDED; a task that succeeds in spite of it
// keeps its value.
// COST: one frame, one timer.
template <typename T>
Task<typename sched_internal::DeadlineResult<T>::type> WithDeadline(Timestamp deadline,
                                                                    Task<T> task) {
  ScopedDeadline context(deadline);
  if constexpr (std::is_void_v<T>) {
    co_await std::move(task);
    co_return context.expired() ? sched_internal::DeadlinePassed() : absl::OkStatus();
  } else {
    co_return sched_internal::JudgeByDeadline<T>(co_await std::move(task), context.expired());
  }
}

// The same for any other awaitable, in the awaiting task. REQUIRES: awaited in the expression that
// makes it; see awaitable.h. COST: a timer, no frame.
template <Awaitable A>
  requires(!AnyTask<A>)
[[nodiscard("co_await it")]] auto WithDeadline(Timestamp deadline,
                                               A&& awaitable [[clang::lifetimebound]]) {
  return sched_internal::NestedAwaiter<ScopedDeadline, Timestamp, A>(deadline,
                                                                     std::forward<A>(awaitable));
}

// The same with a duration, counted from this moment.
template <typename T>
auto WithTimeout(absl::Duration timeout, Task<T> task) {
  return WithDeadline(Scheduler::Current()->PreciseNow() + timeout, std::move(task));
}
template <Awaitable A>
  requires(!AnyTask<A>)
[[nodiscard("co_await it")]] auto WithTimeout(absl::Duration timeout,
                                              A&& awaitable [[clang::lifetimebound]]) {
  return WithDeadline(Scheduler::Current()->PreciseNow() + timeout, std::forward<A>(awaitable));
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
