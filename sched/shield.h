// Lets work go on when its task is cancelled, for as long as a limit allows.
//
//   absl::Status closed = co_await Shield(connection.SayGoodbye(), {.limit = absl::Seconds(1)});
//
// What is shielded is awaited to its end, as everything is: the awaiting task goes on afterwards,
// and sees its own cancellation then. Neither the cancellation nor the deadline of the awaiting
// task, nor what it had been told before, reaches the shielded work. A limit of its own does, and
// stops it as a deadline does.
//
// The end of a service's grace period, which tells the root of the shard to stop everything, is the
// most common cancellation, so it passes over shielded work, too; a service therefore ends
// at most the limits later. Work that must not delay that says `until_service_ends`: it goes on
// when a task or a scope is cancelled and is stopped with the service. A drain's earlier phases
// (StopPhase::kAccepting, kIdle) never reach it.
//
// Shard affinity: the awaiting task's.

#ifndef PELTON_SCHED_SHIELD_H_
#define PELTON_SCHED_SHIELD_H_

#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sched/awaitable.h"
#include "sched/nested_context.h"
#include "sched/task.h"

namespace pelton {

struct ShieldOptions {
  // How long the work may take, from its beginning, before it is stopped.
  absl::Duration limit = absl::Seconds(5);
  // Whether the end of the service's grace period stops the work at once.
  bool until_service_ends = false;
};

// Shields everything that is awaited while it lives: the building block of Shield().
//
//   ScopedShield shield({.limit = absl::Seconds(1)});
//   (void)co_await log.Flush();
//
// REQUIRES: a local variable of a coroutine. COST: a timer.
class ScopedShield final : public sched_internal::NestedContext {
 public:
  explicit ScopedShield(const ShieldOptions& options = {})
      : NestedContext(
            Scheduler::Current()->PreciseNow() + options.limit,
            options.until_service_ends ? Shielding::kUntilServiceEnds : Shielding::kAlways) {}
};

// Runs `task` shielded and yields what it yields, as an absl::Status (for void and Status) or an
// absl::StatusOr (for others). When the limit passed first, an error of the task becomes
// DEADLINE_EXCEEDED.
// COST: one frame, one timer.
template <typename T>
Task<typename sched_internal::DeadlineResult<T>::type> Shield(Task<T> task,
                                                              ShieldOptions options = {}) {
  ScopedShield shield(options);
  if constexpr (std::is_void_v<T>) {
    co_await std::move(task);
    co_return shield.expired() ? sched_internal::DeadlinePassed() : absl::OkStatus();
  } else {
    co_return sched_internal::JudgeByDeadline<T>(co_await std::move(task), shield.expired());
  }
}

// The same for any other awaitable, in the awaiting task. REQUIRES: awaited in the expression that
// makes it; see awaitable.h. COST: a timer, no frame.
template <Awaitable A>
  requires(!AnyTask<A>)
[[nodiscard("co_await it")]] auto Shield(A&& awaitable [[clang::lifetimebound]],
                                         const ShieldOptions& options = {}) {
  return sched_internal::NestedAwaiter<ScopedShield, ShieldOptions, A>(options,
                                                                       std::forward<A>(awaitable));
}

}  // namespace pelton

#endif  // PELTON_SCHED_SHIELD_H_
