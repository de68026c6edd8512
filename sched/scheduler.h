// Runs the ready tasks of one shard, within a budget, and fires its timers. Knows nothing of I/O.
//
// Shard affinity: one Scheduler per shard, touched by that shard alone. Current() is a pointer that
// the runtime switches, not a fact of the OS thread: a stepped runtime runs many schedulers on one
// thread.
// Invariants: 1. only RunReady() resumes tasks; 2. the ready queue is first in, first out; 3. a
// task that never suspends passes a preemption point in every await, and gives way after its
// operation budget or when the turn's time quota is spent.
// Cost: no allocation, no atomics. A preemption point is a decrement and a branch; every 16th reads
// the cycle counter.

#ifndef PELTON_SCHED_SCHEDULER_H_
#define PELTON_SCHED_SCHEDULER_H_

#include <cstdint>

#include "absl/time/time.h"
#include "framework/base/check.h"
#include "framework/base/compiler.h"
#include "framework/base/intrusive_list.h"
#include "sched/clock.h"
#include "sched/cycle_counter.h"
#include "sched/promise.h"
#include "sched/task_context.h"
#include "sched/timer_wheel.h"

namespace pelton {

// A timer of the shard's wheel. Derived classes say what happens when it is due.
class Timer : public TimerNode {
 public:
  // Called once, from the loop, after the timer left the wheel. May arm and cancel timers; resumes
  // no task itself.
  virtual void Fire() = 0;

 protected:
  ~Timer() = default;
};

class Scheduler {
 public:
  struct Options {
    // How long a turn may run tasks before I/O, timers and mailboxes get theirs. Ignored on a
    // virtual clock.
    absl::Duration time_quota = absl::Microseconds(500);
    // After how many awaits in a row a task that never has to wait gives way. Rounded up to a
    // multiple of 16.
    uint32_t operation_budget = 256;
    // How many awaits one turn may take on a virtual clock, where there is no time to measure; a
    // resumption counts as four.
    uint32_t virtual_quota = 4096;
  };

  struct Statistics {
    uint64_t resumptions = 0;  // tasks taken from the ready queue
    uint64_t preemptions = 0;  // tasks that gave way at a preemption point
    uint64_t timers_fired = 0;
  };

  // `clock` must outlive the scheduler.
  explicit Scheduler(const Clock& clock);
  Scheduler(const Clock& clock, const Options& options);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // The scheduler of the shard that runs on this thread now; null on a thread that runs none.
  static Scheduler* Current() { return current_; }
  // Makes `scheduler` the current one of this thread and returns the one that was.
  static Scheduler* Exchange(Scheduler* scheduler) { return std::exchange(current_, scheduler); }

  // Begins a turn: reads the clock and renews the time quota.
  void BeginTurn();
  // Resumes ready tasks until there are none or the quota is spent. Returns whether tasks remain
  // ready.
  bool RunReady();
  // Fires the timers that are due at now(), a bounded number at a time. Returns how many fired.
  size_t FireTimers();
  // When FireTimers() should run next: InfiniteFuture() when no timer is armed, a time in the past
  // when some are due.
  Timestamp NextTimer() { return Timestamp::FromNanoseconds(timers_.NextDeadline()); }
  bool HasReady() const { return !ready_.empty(); }

  // The time at the beginning of this turn.
  Timestamp now() const { return now_; }
  // The time at this moment. COST: a clock reading.
  Timestamp PreciseNow() const { return clock_.Now(); }
  const Clock& clock() const { return clock_; }

  // A preemption point: whether the running task should give way. COST: a decrement and a branch,
  // mostly.
  bool Due() {
    if (--checks_left_ > 0) [[likely]]
      return false;
    return DueSlow();
  }

  // The context of the running task. REQUIRES: called from a task.
  TaskContext& current_context() {
    PELTON_DCHECK(running_ != nullptr) << "called from outside a task";
    return *running_;
  }
  bool InTask() const { return running_ != nullptr; }
  // Nests `context` in the running flow, or leaves it again. For deadlines.
  void SwitchContext(TaskContext& context) {
    PELTON_DCHECK(running_ != nullptr);
    running_->state_ = TaskContext::State::kDetached;
    context.state_ = TaskContext::State::kRunning;
    running_ = &context;
  }

  // Puts the running flow to sleep until MakeReady(). The awaiter returns to the run loop
  // afterwards.
  void Suspend(Suspension* reason, PromiseBase& leaf) {
    TaskContext& context = current_context();
    context.leaf_ = &leaf;
    context.waiting_for_ = reason;
    context.state_ = TaskContext::State::kSuspended;
  }
  // Puts a suspended flow at the end of the ready queue.
  void MakeReady(TaskContext& context) {
    PELTON_DCHECK(context.state_ == TaskContext::State::kSuspended);
    context.waiting_for_ = nullptr;
    context.state_ = TaskContext::State::kReady;
    ready_.PushBack(context);
  }
  // Puts the running flow at the end of the ready queue; it goes on at `leaf`.
  void Requeue(PromiseBase& leaf) {
    Suspend(nullptr, leaf);
    MakeReady(*running_);
  }
  // Makes a new flow ready to start at `root`.
  void Start(TaskContext& context, PromiseBase& root) {
    context.leaf_ = &root;
    context.state_ = TaskContext::State::kSuspended;
    MakeReady(context);
  }
  // Preempts the running flow before it starts the child task `child`.
  PELTON_COLD std::coroutine_handle<> Preempt(PromiseBase& child) {
    Requeue(child);
    return std::noop_coroutine();
  }

  TimerWheel& timers() { return timers_; }
  const Statistics& statistics() const { return statistics_; }

 private:
  // How many preemption points share one reading of the cycle counter.
  static constexpr int kCheckInterval = 16;
  // A resumption counts as this many: between two of them a task may run long without an await.
  static constexpr int kChecksPerResumption = 4;
  // How many timers one turn fires or moves at most.
  static constexpr size_t kTimerBudget = 256;

  PELTON_COLD bool DueSlow();
  // Charges kCheckInterval preemption points to the turn and to the running task. Returns whether
  // one of them has spent its share.
  PELTON_COLD bool ChargeInterval();

  static inline PELTON_SHARD_LOCAL Scheduler* current_ = nullptr;

  int checks_left_ = kCheckInterval;
  uint32_t operations_used_ = 0;  // by the running task since it was resumed
  uint64_t quota_end_cycles_ = 0;
  bool quota_spent_ = false;
  TaskContext* running_ = nullptr;
  IntrusiveQueue<TaskContext, &TaskContext::next_ready_> ready_;
  Timestamp now_;
  Statistics statistics_;
  uint32_t turn_operations_ = 0;

  const Clock& clock_;
  const Options options_;
  const uint64_t quota_cycles_;
  TimerWheel timers_;
};

inline bool Suspension::StoppedBeforeWaiting() const {
  return Scheduler::Current()->current_context().StoppedFrom(interrupted_from_);
}

inline void Suspension::Suspend(PromiseBase& leaf) {
  Scheduler& scheduler = *Scheduler::Current();
  context_ = &scheduler.current_context();
  scheduler.Suspend(this, leaf);
}

inline void Suspension::Resume() { Scheduler::Current()->MakeReady(*context_); }

inline void Suspension::Requeue(PromiseBase& leaf) { Scheduler::Current()->Requeue(leaf); }

// Binds a scheduler and its frame pool to this thread for the life of the object.
class SchedulerBinding {
 public:
  SchedulerBinding(Scheduler* scheduler, FramePool* frames)
      : scheduler_(Scheduler::Exchange(scheduler)), frames_(FramePool::Exchange(frames)) {}
  ~SchedulerBinding() {
    Scheduler::Exchange(scheduler_);
    FramePool::Exchange(frames_);
  }
  SchedulerBinding(const SchedulerBinding&) = delete;
  SchedulerBinding& operator=(const SchedulerBinding&) = delete;

 private:
  Scheduler* scheduler_;
  FramePool* frames_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_SCHEDULER_H_
