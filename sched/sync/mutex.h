// Mutex: one task at a time, across awaits.
//
//   PELTON_CO_ASSIGN_OR_RETURN(Mutex::Guard guard, co_await mutex.Lock());
//   co_await ReadModifyWrite();      // the guard unlocks at the end of the block
//
// Code between two awaits needs no lock: nothing else runs on the shard. Not recursive: a task that
// locks twice waits for itself.
//
// Shard affinity: the owning shard alone.
// Ownership: outlives its guards and the tasks that wait for it (checked).
// Invariants: 1. granted in the order of arrival; unlocking hands over to the first in line, so that
// nobody overtakes; 2. a free mutex has nobody in line; 3. when a hand-over and a stop meet,
// the first wins: who was handed the mutex gets it, who was told to stop before gets its stop status.
// Cost: a few ns when free, no allocation; a hand-over makes one task ready.

#ifndef PELTON_SCHED_SYNC_MUTEX_H_
#define PELTON_SCHED_SYNC_MUTEX_H_

#include <optional>
#include <ostream>
#include <source_location>
#include <utility>

#include "absl/status/statusor.h"
#include "sched/sync/internal/wait_queue.h"

namespace pelton {

class Mutex {
 public:
  // Holds the mutex until it dies. Move-only; the mutex may be passed on to another task with it.
  class [[nodiscard]] Guard {
   public:
    // A guard that holds nothing, to be assigned to.
    Guard() = default;
    Guard(Guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Guard& operator=(Guard&& other) noexcept {
      if (this != &other) {
        Unlock();
        mutex_ = std::exchange(other.mutex_, nullptr);
      }
      return *this;
    }
    ~Guard() { Unlock(); }

    // Unlocks now. Does nothing when the guard holds nothing.
    void Unlock() {
      if (mutex_ != nullptr) std::exchange(mutex_, nullptr)->HandOver();
    }
    bool holds() const { return mutex_ != nullptr; }

   private:
    friend class ConditionVariable;
    friend class Mutex;
    explicit Guard(Mutex& mutex) : mutex_(&mutex) {}

    Mutex* mutex_ = nullptr;
  };

  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  ~Mutex();

  // `co_await` yields an absl::StatusOr<Guard>: the guard once it is this task's turn, or the stop
  // status of a task that is told to stop. The location is told to those who wait for the mutex.
  [[nodiscard]] auto Lock(std::source_location location = std::source_location::current()) {
    return LockAwaiter(*this, location);
  }

  // Locks when the mutex is free. Never waits.
  std::optional<Guard> TryLock(std::source_location location = std::source_location::current()) {
    if (locked_) return std::nullopt;
    Take(RunningTask(), location);
    return Guard(*this);
  }

  bool locked() const { return locked_; }

 private:
  friend class ConditionVariable;

  // A task in line for the mutex, and where it asked for it.
  class Place : public sched_internal::Waiter {
   public:
    const std::source_location& location() const { return location_; }

   protected:
    ~Place() = default;
    std::source_location location_;
  };

  class [[nodiscard("co_await it")]] LockAwaiter final
      : public sched_internal::QueuedAwaiter<LockAwaiter, Place> {
   public:
    LockAwaiter(Mutex& mutex, std::source_location location) : mutex_(mutex) {
      location_ = location;
    }
    absl::StatusOr<Guard> await_resume() {
      if (stopped()) [[unlikely]]
        return Outcome();
      return Guard(mutex_);
    }
    void Describe(std::ostream& out) const override { mutex_.Describe(out); }

   private:
    friend class sched_internal::QueuedAwaiter<LockAwaiter, Place>;
    bool TryFinish() {
      if (mutex_.locked_) return false;
      mutex_.Take(&Scheduler::Current()->current_context(), location_);
      return true;
    }
    sched_internal::WaitQueue& line() { return mutex_.line_; }

    Mutex& mutex_;
  };

  // Null in code that no task runs.
  static const TaskContext* RunningTask() {
    Scheduler* const scheduler = Scheduler::Current();
    return scheduler != nullptr && scheduler->InTask() ? &scheduler->current_context() : nullptr;
  }
  void Take(const TaskContext* context, std::source_location location) {
    locked_ = true;
    holder_ = FlowOf(context);
    locked_at_ = location;
  }
  // The outermost context of a flow, by which task dumps call it: those nested in it, of deadlines,
  // may end before the mutex is unlocked.
  static const TaskContext* FlowOf(const TaskContext* context) {
    if (context == nullptr) return nullptr;
    while (context->parent() != nullptr && context->parent()->holds_flow()) {
      context = context->parent();
    }
    return context;
  }
  // Unlocks, and gives the mutex to the first in line.
  void HandOver() {
    locked_ = false;
    if (!line_.empty()) [[unlikely]]
      Give(*static_cast<Place*>(line_.PopFront()));
  }
  void Give(Place& place) {
    Take(place.context(), place.location());
    sched_internal::WaitQueue::Wake(place);
  }
  // Gives the mutex to one who waited elsewhere, now or in its turn.
  void GiveOrQueue(Place& place) { locked_ ? line_.PushBack(place) : Give(place); }
  void Describe(std::ostream& out) const;

  bool locked_ = false;
  // Which task locked it last, and where: for messages, never followed.
  const TaskContext* holder_ = nullptr;
  std::source_location locked_at_;
  sched_internal::WaitQueue line_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_SYNC_MUTEX_H_
