// A context of its own, with a deadline, for a part of a running task: what deadlines and shields
// are made of. Users see deadline.h and shield.h.
//
// Shard affinity: the running task's. Ownership: the nested context lives in the task's frame, and
// is left in the opposite order of entering (checked). COST: a timer when the deadline is finite.

#ifndef PELTON_SCHED_NESTED_CONTEXT_H_
#define PELTON_SCHED_NESTED_CONTEXT_H_

#include <algorithm>
#include <coroutine>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "sched/awaitable.h"
#include "sched/scheduler.h"
#include "sched/task_context.h"

namespace pelton::sched_internal {

// The running flow is in this context as long as the object lives.
class NestedContext : private Timer {
 public:
  // Whether the deadline has passed.
  bool expired() const { return expired_; }

 protected:
  NestedContext(Timestamp deadline, Shielding shielding)
      : outer_(Scheduler::Current()->current_context()), context_(&outer_, shielding) {
    context_.TightenDeadline(deadline);
    if (!deadline.infinite()) Scheduler::Current()->timers().Arm(*this, deadline.nanoseconds());
    Scheduler::Current()->SwitchContext(context_);
  }
  ~NestedContext() {
    Scheduler& scheduler = *Scheduler::Current();
    PELTON_DCHECK(&scheduler.current_context() == &context_)
        << "scopes of deadlines end in the opposite order of their beginning";
    if (armed()) scheduler.timers().Cancel(*this);
    scheduler.SwitchContext(outer_);
  }

  TaskContext& context() { return context_; }

  // Counts anew from the beginning of this turn, unless it has expired.
  void RestartDeadline(absl::Duration timeout) {
    if (expired_) return;
    Scheduler& scheduler = *Scheduler::Current();
    const Timestamp deadline = scheduler.now() + timeout;
    context_.ReplaceDeadline(std::min(deadline, outer_.deadline()));
    scheduler.timers().Rearm(*this, deadline.nanoseconds());
  }

 private:
  void Fire() override {
    expired_ = true;
    context_.Stop(StopPhase::kEverything, StopReason::kDeadline);
  }

  bool expired_ = false;
  TaskContext& outer_;
  TaskContext context_;
};

// What an awaitable that yields T yields under a deadline.
template <typename T>
struct DeadlineResult {
  using type = absl::StatusOr<Stored<T>>;
};
template <typename T>
  requires std::is_void_v<T> || std::is_same_v<std::remove_cvref_t<T>, absl::Status>
struct DeadlineResult<T> {
  using type = absl::Status;
};
template <typename T>
struct DeadlineResult<absl::StatusOr<T>> {
  using type = absl::StatusOr<T>;
};

inline absl::Status DeadlinePassed() {
  return absl::DeadlineExceededError("the task's deadline passed");
}

// The result of something that has ended, given whether its deadline had passed by then.
template <typename T>
typename DeadlineResult<T>::type JudgeByDeadline(typename DeadlineResult<T>::type result,
                                                 bool expired) {
  if (expired && !result.ok()) [[unlikely]]
    return DeadlinePassed();
  return result;
}

// Awaits an awaiter in the awaiting task itself, within a `Scope` (a NestedContext that is made of
// an Argument).
template <typename Scope, typename Argument, typename A>
class NestedAwaiter {
  using T = AwaitResult<A>;
  using Result = typename DeadlineResult<T>::type;

 public:
  NestedAwaiter(const Argument& argument, A&& awaitable)
      : argument_(argument), awaiter_(GetAwaiter(std::forward<A>(awaitable))) {}
  NestedAwaiter(const NestedAwaiter&) = delete;
  NestedAwaiter& operator=(const NestedAwaiter&) = delete;

  bool await_ready() {
    context_.emplace(argument_);
    Leaving leaving{context_};
    const bool ready{awaiter_.await_ready()};
    leaving.now = false;
    return ready;
  }
  template <PeltonPromise Promise>
  auto await_suspend(std::coroutine_handle<Promise> task) {
    Leaving leaving{context_};
    if constexpr (std::is_void_v<decltype(awaiter_.await_suspend(task))>) {
      awaiter_.await_suspend(task);
      leaving.now = false;
    } else {
      const auto next = awaiter_.await_suspend(task);
      leaving.now = false;
      return next;
    }
  }
  Result await_resume() {
    const Leaving leaving{context_};
    if constexpr (std::is_void_v<T>) {
      awaiter_.await_resume();
      return context_->expired() ? DeadlinePassed() : absl::OkStatus();
    } else {
      return JudgeByDeadline<T>(awaiter_.await_resume(), context_->expired());
    }
  }

 private:
  // Ends the scope with the wait, also by an exception. The end of the expression would be too
  // late: temporaries die in another order than that in which nested scopes began.
  struct Leaving {
    std::optional<Scope>& context;
    bool now = true;
    ~Leaving() {
      if (now) context.reset();
    }
  };

  const Argument argument_;
  AwaiterOf<A> awaiter_;
  std::optional<Scope> context_;  // while this is awaited
};

}  // namespace pelton::sched_internal

#endif  // PELTON_SCHED_NESTED_CONTEXT_H_
