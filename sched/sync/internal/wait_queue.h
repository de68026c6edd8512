// What the primitives of this room are made of: a task in line, and the line.
//
// Shard affinity: the owning shard alone.
// Ownership: a Waiter lives in the awaiter, so in the frame of the waiting task; a WaitQueue owns
// nothing, and its primitive checks that it is empty when it dies.
// Invariants: 1. a line is first in, first out; 2. whoever is taken out of a line by Wake() has
// what it waited for: a stop that comes later, even before the task runs, changes nothing; 3. whoever
// leaves because it was told to stop has taken nothing, and the primitive looks at once whether
// those behind it can go on.
// Cost: O(1) each, no allocation.

#ifndef PELTON_SCHED_SYNC_INTERNAL_WAIT_QUEUE_H_
#define PELTON_SCHED_SYNC_INTERNAL_WAIT_QUEUE_H_

#include <coroutine>
#include <cstddef>

#include "absl/status/status.h"
#include "framework/base/check.h"
#include "framework/base/compiler.h"
#include "framework/base/intrusive_list.h"
#include "sched/promise.h"
#include "sched/scheduler.h"
#include "sched/task_context.h"

namespace pelton::sched_internal {

// A task that may stand in line.
class Waiter : public Suspension, private ListHook<Waiter> {
 public:
  // Whether the wait ended because the task was told to stop.
  bool stopped() const { return stopped_; }
  bool in_line() const { return linked(); }

 protected:
  ~Waiter() = default;

  // Notes that the wait ends because the task was told to stop, and takes it out of its line.
  void LeaveLine() {
    stopped_ = true;
    if (linked()) Unlink();
  }
  // The result of the wait. REQUIRES: the task runs again.
  absl::Status Outcome() const {
    if (!stopped_) [[likely]]
      return absl::OkStatus();
    return Scheduler::Current()->current_context().StopStatus();
  }

 private:
  friend class WaitQueue;
  friend class IntrusiveList<Waiter>;
  friend class ListHook<Waiter>;

  bool stopped_ = false;
};

// The tasks that wait for one thing, in the order of their arrival.
class WaitQueue {
 public:
  bool empty() const { return waiters_.empty(); }
  Waiter* front() { return waiters_.front(); }
  // COST: linear; for messages.
  size_t Count();

  void PushBack(Waiter& waiter) { waiters_.PushBack(waiter); }
  // Takes the first out of the line, without waking it; null when nobody is in line.
  Waiter* PopFront() { return waiters_.PopFront(); }
  // Takes the first out and makes it ready to run. REQUIRES: somebody is in line.
  void WakeFront() { waiters_.PopFront()->Resume(); }
  void WakeAll() {
    while (!empty()) WakeFront();
  }
  // Makes a waiter ready that PopFront() took out.
  static void Wake(Waiter& waiter) { waiter.Resume(); }

  // For the destructor of the primitive, whose name it takes.
  void CheckEmpty(const char* primitive) {
    if (!empty()) [[unlikely]]
      DieNotEmpty(primitive);
  }

 private:
  [[noreturn]] PELTON_COLD void DieNotEmpty(const char* primitive);

  IntrusiveList<Waiter> waiters_;
};

// The awaiter of everything here that is waited for in line. Derived has
//   bool TryFinish();     takes what it waits for if it may have it now; changes nothing when not
//   WaitQueue& line();    where it waits
// and may have
//   void Enqueue();       enters the line
//   void GaveUp();        sees to those behind, after it was told to stop and has left the line
// `Base` is Waiter or derived from it.
//
// A flow that was told to stop takes nothing, not even what is there: so a loop around such an await
// ends, however much there is to take.
template <typename Derived, typename Base = Waiter>
class QueuedAwaiter : public Base {
 public:
  bool await_ready() {
    if (Scheduler::Current()->Due() || this->StoppedBeforeWaiting()) [[unlikely]]
      return false;
    return self().TryFinish();
  }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (this->StoppedBeforeWaiting()) [[unlikely]] {
      this->LeaveLine();
      return this->Requeue(task.promise());
    }
    if (self().TryFinish()) return this->Requeue(task.promise());
    self().Enqueue();
    this->Suspend(task.promise());
  }

 protected:
  ~QueuedAwaiter() = default;

  void Enqueue() { self().line().PushBack(*this); }
  void GaveUp() {}

 private:
  void Interrupt() final {
    this->LeaveLine();
    this->Resume();
    self().GaveUp();
  }
  Derived& self() { return static_cast<Derived&>(*this); }
};

}  // namespace pelton::sched_internal

#endif  // PELTON_SCHED_SYNC_INTERNAL_WAIT_QUEUE_H_
