// Runs the ready tasks of one shard, within a budget and by the shares of their groups, and fires
// its timers. Knows nothing of I/O.
//
// Shard affinity: one Scheduler per shard, touched by that shard alone. Current() is a pointer that
// the runtime switches, not a fact of the OS thread: a stepped runtime runs many schedulers on one
// thread.
// Invariants: 1. only RunReady() resumes tasks; 2. the ready queue of a group is first in, first
// out; 3. a task that never suspends passes a preemption point in every await, and gives way after
// its operation budget or when the turn's time quota is spent; 4. the group that runs has the least
// virtual run time of those that were ready when it was chosen.
// Cost: no allocation, no atomics. A preemption point is a decrement and a branch; every 16th reads
// the cycle counter, and so does every change of the group.

#ifndef PELTON_SCHED_SCHEDULER_H_
#define PELTON_SCHED_SCHEDULER_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/time/time.h"
#include "framework/base/cache_line.h"
#include "framework/base/check.h"
#include "framework/base/compiler.h"
#include "framework/base/intrusive_list.h"
#include "sched/clock.h"
#include "sched/cycle_counter.h"
#include "sched/foreign_inbox.h"
#include "sched/promise.h"
#include "sched/random.h"
#include "sched/scheduling_group.h"
#include "sched/task_context.h"
#include "sched/timer_wheel.h"

namespace pelton {

// A timer of the shard's wheel. Derived classes say what happens when it is due.
class Timer : public TimerNode {
 public:
  using TimerNode::TimerNode;

  // Called once, from the loop, after the timer left the wheel. May arm and cancel timers; resumes
  // no task itself.
  virtual void Fire() = 0;

 protected:
  ~Timer() = default;
};

namespace sched_internal {
class ExceptionTraces;
struct DebugAccess;
}  // namespace sched_internal

class Scheduler {
 public:
  struct Options {
    // How long a turn may run tasks before I/O, timers and mailboxes get theirs.
    absl::Duration time_quota = absl::Microseconds(500);
    // After how many awaits in a row a task that never has to wait gives way. Rounded up to a
    // multiple of 16.
    uint32_t operation_budget = 256;
    // How many awaits one turn may take on a virtual clock, where there is no time to measure; a
    // resumption counts as four.
    uint32_t virtual_quota = 4096;
    // The number of the shard, which dumps and debuggers show.
    uint32_t shard = 0;
    // Takes ready tasks in a random order drawn from this seed, for tests that look for orders that
    // break something. COST: up to 16 steps a resumption.
    std::optional<uint64_t> shuffle_seed;
    // Where random() begins; by default somewhere else in each scheduler on a real clock, and the
    // same everywhere on a virtual one.
    std::optional<uint64_t> random_seed;
  };

  struct Statistics {
    uint64_t resumptions = 0;  // tasks taken from the ready queue
    uint64_t preemptions = 0;  // tasks that gave way at a preemption point
    uint64_t timers_fired = 0;
  };

  // What a group has had of this shard, since the beginning.
  struct GroupStatistics {
    absl::Duration run_time;   // of its tasks; on a virtual clock a nominal 100 ns an await
    absl::Duration wait_time;  // of its tasks, ready and not running, added up
    uint64_t resumptions = 0;  // wait_time / resumptions is what one waits on average
    size_t ready = 0;          // flows that are ready now
    size_t live = 0;           // flows that have not ended
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
  bool HasReady() const { return ready_groups_ != 0; }

  // The time at the beginning of this turn.
  Timestamp now() const { return now_; }
  // The time at this moment. COST: a clock reading.
  Timestamp PreciseNow() const { return clock_.Now(); }
  const Clock& clock() const { return clock_; }
  const Options& options() const { return options_; }

  // A preemption point: whether the running task should give way. COST: a decrement and a branch,
  // mostly.
  bool Due() {
    if (--checks_left_ > 0) [[likely]]
      return false;
    return DueSlow();
  }

  // Lets the running task pass every preemption point until it suspends or `until` has come; see
  // unbudgeted.h. A time in the past ends that.
  void SetUnbudgeted(Timestamp until) {
    unbudgeted_until_ = until;
    unbudgeted_resumption_ = current_resumption();
  }
  // Changes whenever a task is resumed: a task that sees the same number again has not been
  // suspended. REQUIRES: called from a task.
  uint64_t current_resumption() const {
    return groups_[running_group_].resumptions * SchedulingGroup::kMaxGroups + running_group_;
  }

  // The context of the running task. REQUIRES: called from a task.
  TaskContext& current_context() {
    PELTON_DCHECK(running_ != nullptr) << "called from outside a task";
    return *running_;
  }
  bool InTask() const { return running_ != nullptr; }
  // The innermost task of the running flow: the one whose code runs now. REQUIRES: InTask().
  PromiseBase& leaf() const { return *leaf_; }
  // Says that control passes to another task of the running flow. Whatever starts a coroutine of
  // Pelton, or returns to one, other than through the ready queue, calls this.
  void SetLeaf(PromiseBase& leaf) { leaf_ = &leaf; }
  // Above every flow of the shard; where walks over them begin.
  TaskContext& root() { return root_; }
  // Nests `context` in the running flow, or leaves it again. For deadlines.
  void SwitchContext(TaskContext& context) {
    PELTON_DCHECK(running_ != nullptr);
    running_->state_ = TaskContext::State::kDetached;
    context.state_ = TaskContext::State::kRunning;
    context.holds_flow_ = true;
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
    Group& group = groups_[context.group_];
    group.ready.PushBack(context);
    ++group.made_ready;
    if ((ready_groups_ >> context.group_ & 1) == 0) [[unlikely]]
      WakeGroup(context.group_);
  }
  // Puts the running flow at the end of the ready queue; it goes on at `leaf`.
  void Requeue(PromiseBase& leaf) {
    Suspend(nullptr, leaf);
    MakeReady(*running_);
  }
  // Makes a new flow ready to start at `root`, in the running flow's group; outside of tasks in
  // that of ExchangeSpawnGroup().
  void Start(TaskContext& context, PromiseBase& root) {
    context.group_ = running_ != nullptr ? running_->group_ : spawn_group_;
    context.started_at_ = static_cast<uint32_t>(now_.nanoseconds() >> TaskContext::kAgeShift);
    ++groups_[context.group_].live;
    context.holds_flow_ = true;
    context.leaf_ = &root;
    context.state_ = TaskContext::State::kSuspended;
    MakeReady(context);
  }
  // Sets the group of flows that are started outside of tasks, such as by a message, and returns
  // the one that was set.
  SchedulingGroup ExchangeSpawnGroup(SchedulingGroup group) {
    return SchedulingGroup::FromIndex(
        std::exchange(spawn_group_, static_cast<uint8_t>(group.index())));
  }
  // The running flow, which was started in `context`, has come to its end.
  void FlowEnds(const TaskContext& context) {
    --groups_[context.group_].live;
    // Its frame dies now, and a signal handler may ask who runs.
    running_ = nullptr;
    leaf_ = nullptr;
    std::atomic_signal_fence(std::memory_order_release);
  }
  // Moves the running flow to another group, from its next turn in the ready queue on.
  void SwitchGroup(SchedulingGroup group) {
    --groups_[current_context().group_].live;
    running_->group_ = static_cast<uint8_t>(group.index());
    ++groups_[running_->group_].live;
  }
  // Preempts the running flow before it starts the child task `child`.
  PELTON_COLD std::coroutine_handle<> Preempt(PromiseBase& child) {
    Requeue(child);
    return std::noop_coroutine();
  }

  TimerWheel& timers() { return timers_; }
  Random& random() { return random_; }
  // COST: adds up all groups.
  Statistics statistics() const;
  GroupStatistics group_statistics(SchedulingGroup group) const;

  // Where other threads leave what is for this shard.
  ForeignInbox& foreign_inbox() { return foreign_inbox_; }
  const ForeignInbox& foreign_inbox() const { return foreign_inbox_; }
  // Counts work for this shard's tasks that goes on outside of it, and ends by a push to the inbox:
  // until then the shard does not end, and a virtual clock does not pass it by.
  void BeginExternal() { ++external_; }
  void EndExternal() {
    PELTON_DCHECK(external_ > 0);
    --external_;
  }
  size_t external() const { return external_; }

  // Where the last exceptions left their tasks; see backtrace.h.
  sched_internal::ExceptionTraces& exception_traces();

 private:
  friend struct sched_internal::DebugAccess;

  // A group's part of this shard. Ticks are those of AccountingNow().
  struct alignas(kCacheLineBytes) Group {
    IntrusiveQueue<TaskContext, &TaskContext::next_ready_> ready;
    // Run time divided by shares; compared by signed difference, as it may wrap.
    uint64_t virtual_time = 0;
    uint64_t run_ticks = 0;
    uint64_t wait_ticks = 0;  // ready flows, over time
    uint64_t made_ready = 0;
    uint64_t resumptions = 0;
    uint64_t live = 0;

    size_t ready_count() const { return made_ready - resumptions; }
  };
  static_assert(sizeof(Group) == kCacheLineBytes);

  // How many preemption points share one reading of the cycle counter.
  static constexpr int kCheckInterval = 16;
  // A resumption counts as this many: between two of them a task may run long without an await.
  static constexpr int kChecksPerResumption = 4;
  // How many timers one turn fires or moves at most.
  static constexpr size_t kTimerBudget = 256;
  // From how many ready flows one is drawn when they are shuffled.
  static constexpr size_t kShuffleWindow = 16;
  // What an await takes on a virtual clock.
  static constexpr uint64_t kVirtualCheckNs = 100;

  PELTON_COLD bool DueSlow();
  // Whether the running task may pass the preemption points. COST: a clock reading when it asked to.
  bool Unbudgeted() const {
    return unbudgeted_resumption_ == current_resumption() && clock_.Now() < unbudgeted_until_;
  }
  // Charges the preemption points that were passed to the turn and to the running task. Returns
  // whether one of them has spent its share.
  PELTON_COLD bool ChargeInterval();
  bool QuotaSpent();
  // A group has its first ready flow.
  void WakeGroup(uint8_t index);
  uint8_t LeastGroup() const;
  uint64_t TurnOf(int index) const;
  // Runs the flows of a group until none is ready or the slice ends.
  void RunSlice(Group& group);
  TaskContext* TakeReady(Group& group) {
    if (options_.shuffle_seed.has_value() && !group.ready.empty()) [[unlikely]]
      return group.ready.PopAt(
          shuffle_.Below(std::min<size_t>(group.ready_count(), kShuffleWindow)));
    return group.ready.PopFront();
  }
  // Reads the ticks, and charges the groups for what their ready flows have waited since.
  void AdvanceTicks();
  // Charges the time since the last call to the group that ran.
  void Account(Group& group, uint32_t shares);
  // Cycles, or nanoseconds on a virtual clock.
  uint64_t AccountingNow() const;
  absl::Duration FromTicks(uint64_t ticks) const;

  static inline PELTON_SHARD_LOCAL Scheduler* current_ = nullptr;

  int checks_left_ = kCheckInterval;
  int checks_granted_ = kCheckInterval;  // what checks_left_ began at
  uint32_t operations_used_ = 0;         // by the running task since it was resumed
  uint8_t running_group_ = 0;
  uint8_t spawn_group_ = 0;
  bool in_slice_ = false;
  bool slice_ended_ = false;  // by the quota, or by a group that must not wait
  bool quota_spent_ = false;
  TaskContext* running_ = nullptr;
  PromiseBase* leaf_ = nullptr;
  uint64_t ready_groups_ = 0;  // a bit for each group with ready flows
  uint64_t ticks_ = 0;         // AccountingNow() when it was read last: a few awaits ago
  uint64_t quota_end_ticks_ = 0;
  uint64_t accounted_at_ = 0;  // the ticks at the last accounting
  Timestamp now_;
  Statistics statistics_;
  uint64_t virtual_checks_ = 0;  // on a virtual clock: passed since the beginning
  uint32_t turn_operations_ = 0;
  size_t external_ = 0;
  uint64_t least_virtual_time_ = 0;     // never decreases
  uint64_t unbudgeted_resumption_ = 0;  // the one that SetUnbudgeted() is good for
  Timestamp unbudgeted_until_;

  const Clock& clock_;
  const Options options_;
  const uint64_t quota_ticks_;
  Random random_;
  Random shuffle_;
  TaskContext root_{nullptr};
  std::array<Group, SchedulingGroup::kMaxGroups> groups_;
  std::unique_ptr<sched_internal::ExceptionTraces> exception_traces_;
  ForeignInbox foreign_inbox_;
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
