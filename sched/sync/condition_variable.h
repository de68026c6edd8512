// ConditionVariable: waits, under a Mutex, until another task says that something has changed.
//
//   Mutex::Guard guard = ...;
//   PELTON_CO_RETURN_IF_ERROR(co_await changed.Wait(guard, [&] { return !queue.empty(); }));
//   // elsewhere, with the mutex held:   queue.push_back(job); changed.NotifyOne();
//
// Where no await lies between the look at the state and the wait, no mutex is needed on a shard: an
// Event or a Channel is simpler then.
//
// Shard affinity: the owning shard alone.
// Ownership: outlives the waits, a wait that was notified included until it has returned (checked).
// Invariants: 1. OK: the guard holds the mutex. An error: the task was told to stop, and the guard
// holds nothing, since a stop must not wait for somebody's mutex; 2. waiters are notified in the
// order of their arrival, and move into the line of the mutex without running in between: no stampede;
// 3. a task that is told to stop after NotifyOne() chose it, and before it got the mutex, passes the
// notification on to the next; 4. once the mutex was handed over, a stop comes too late.
// Cost: a wait and its notification make one task ready once; no allocation. The form with a
// predicate is a Task: one frame of the pool.

#ifndef PELTON_SCHED_SYNC_CONDITION_VARIABLE_H_
#define PELTON_SCHED_SYNC_CONDITION_VARIABLE_H_

#include <cstddef>
#include <ostream>
#include <source_location>
#include <utility>

#include "absl/status/status.h"
#include "framework/base/status.h"
#include "sched/deadline.h"
#include "sched/sync/internal/wait_queue.h"
#include "sched/sync/mutex.h"
#include "sched/task.h"

namespace pelton {

class ConditionVariable {
 public:
  ConditionVariable() = default;
  ConditionVariable(const ConditionVariable&) = delete;
  ConditionVariable& operator=(const ConditionVariable&) = delete;
  ~ConditionVariable();

  // Unlocks, waits to be notified, and locks again. `co_await` yields an absl::Status: see invariant 1.
  // Look at the state again afterwards: others may have had the mutex in between.
  // REQUIRES: `guard` holds a mutex, and stays where it is.
  [[nodiscard]] auto Wait(Mutex::Guard& guard,
                          std::source_location location = std::source_location::current()) {
    return WaitAwaiter(*this, guard, location);
  }

  // Waits until `predicate()` holds, which is evaluated with the mutex held. Does not wait when it
  // holds already.
  template <typename Predicate>
  Task<absl::Status> Wait(Mutex::Guard& guard, Predicate predicate) {
    if (StopRequested()) {
      guard.Unlock();
      co_return Scheduler::Current()->current_context().StopStatus();
    }
    while (!predicate()) PELTON_CO_RETURN_IF_ERROR(co_await Wait(guard));
    co_return absl::OkStatus();
  }

  // Wakes the task that has waited longest; nobody when none waits. The caller may hold the mutex.
  void NotifyOne();
  // Wakes all that wait now.
  void NotifyAll();

 private:
  class [[nodiscard("co_await it")]] WaitAwaiter final : public Mutex::Place {
   public:
    WaitAwaiter(ConditionVariable& condition, Mutex::Guard& guard, std::source_location location)
        : condition_(condition), guard_(guard) {
      location_ = location;
    }
    bool await_ready() const noexcept { return false; }
    template <PeltonPromise Promise>
    void await_suspend(std::coroutine_handle<Promise> task) {
      PELTON_CHECK(guard_.holds()) << "ConditionVariable::Wait() without the mutex";
      ++condition_.waits_;
      if (StoppedBeforeWaiting()) [[unlikely]] {
        LeaveLine();
        guard_.Unlock();
        return Requeue(task.promise());
      }
      condition_.line_.PushBack(*this);
      Suspend(task.promise());
      mutex_ = std::exchange(guard_.mutex_, nullptr);
      mutex_->HandOver();
    }
    absl::Status await_resume() {
      --condition_.waits_;
      if (!stopped()) [[likely]]
        guard_.mutex_ = mutex_;
      return Outcome();
    }
    void Describe(std::ostream& out) const override;

    // Goes on to the mutex. REQUIRES: was taken out of the line.
    void Notify(bool alone) {
      notification_ = alone ? Notification::kAlone : Notification::kWithAll;
      mutex_->GiveOrQueue(*this);
    }

   private:
    enum class Notification : unsigned char { kNone, kAlone, kWithAll };

    void Interrupt() override {
      LeaveLine();
      Resume();
      if (notification_ == Notification::kAlone) condition_.NotifyOne();
    }

    ConditionVariable& condition_;
    Mutex::Guard& guard_;
    Mutex* mutex_ = nullptr;
    Notification notification_ = Notification::kNone;
  };

  sched_internal::WaitQueue line_;
  size_t waits_ = 0;  // that have not returned
};

}  // namespace pelton

#endif  // PELTON_SCHED_SYNC_CONDITION_VARIABLE_H_
