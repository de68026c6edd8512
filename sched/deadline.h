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

#include <algorithm>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "sched/awaitable.h"
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

// Awaits an awaiter in the awaiting task itself, in a context that has a deadline.
template <typename A>
class DeadlineAwaiter {
  using T = AwaitResult<A>;
  using Result = typename DeadlineResult<T>::type;

 public:
  DeadlineAwaiter(Timestamp deadline, A&& awaitable)
      : deadline_(deadline), awaiter_(GetAwaiter(std::forward<A>(awaitable))) {}
  DeadlineAwaiter(const DeadlineAwaiter&) = delete;
  DeadlineAwaiter& operator=(const DeadlineAwaiter&) = delete;

  bool await_ready() {
    context_.emplace(deadline_);
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
  // Ends the deadline with the wait, also by an exception. The end of the expression would be too
  // late: temporaries die in another order than that in which nested deadlines began.
  struct Leaving {
    std::optional<ScopedDeadline>& context;
    bool now = true;
    ~Leaving() {
      if (now) context.reset();
    }
  };

  const Timestamp deadline_;
  AwaiterOf<A> awaiter_;
  std::optional<ScopedDeadline> context_;  // while this is awaited
};

}  // namespace sched_internal

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
  return sched_internal::DeadlineAwaiter<A>(deadline, std::forward<A>(awaitable));
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
