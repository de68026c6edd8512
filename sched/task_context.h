// What the scheduler knows about one flow of execution: who resumes next, what it waits for, and
// whether it was told to stop.
//
// A flow is a chain of tasks that await each other; only its innermost task can be suspended. So
// one TaskContext per flow holds everything that scheduling and cancelling need, and tasks hold
// none of it. Contexts form a tree: a spawned task's context is a child of its scope's, and a
// scope's is a child of the context that it was created in. A deadline is a context, too, nested in
// the same flow.
//
// Shard affinity: the owning shard alone.
// Ownership: contexts live in coroutine frames; a context outlives its children (checked).
// Invariants: 1. a context waits for at most one Suspension; 2. it is in the ready queue at most
// once; 3. a child that is not shielded has reached every stop phase that its parent has.

#ifndef PELTON_SCHED_TASK_CONTEXT_H_
#define PELTON_SCHED_TASK_CONTEXT_H_

#include <cstdint>
#include <iosfwd>

#include "absl/status/status.h"
#include "framework/base/intrusive_list.h"
#include "sched/timestamp.h"

namespace pelton {

class PromiseBase;
class Scheduler;
class TaskContext;
namespace sched_internal {
struct DebugAccess;
}  // namespace sched_internal

// How far a flow has been told to stop. Each phase includes those before it; a wait says from which
// phase on it is interrupted. The first two make a drain graceful: work that has begun goes on
// until kEverything.
enum class StopPhase : uint8_t {
  kNone,
  kAccepting,   // take no new work: accepting is interrupted
  kIdle,        // waiting for a peer to begin something new is interrupted
  kEverything,  // every wait is interrupted
};

// Why a flow was told to stop; decides which error the interrupted waits return.
enum class StopReason : uint8_t {
  kNone,
  kCancelled,  // CANCELLED
  kDeadline,   // DEADLINE_EXCEEDED
  kDraining,   // UNAVAILABLE
};

// Which stops of a context pass over a child of it; see shield.h.
enum class Shielding : uint8_t {
  kNone,              // every stop reaches it
  kUntilServiceEnds,  // only kEverything of a root does: the end of a shard's grace period
  kAlways,            // none does
};

// Something a task waits for. Lives in the awaiter, so in the frame of the waiting task.
class Suspension {
 public:
  explicit Suspension(StopPhase interrupted_from = StopPhase::kEverything)
      : interrupted_from_(interrupted_from) {}
  Suspension(const Suspension&) = delete;
  Suspension& operator=(const Suspension&) = delete;

  // Asks the wait to end early. Must lead to exactly one Resume(), now or later; the task runs in a
  // later turn of the ready queue, never inside this call. Called at most once per stop phase.
  virtual void Interrupt() = 0;

  // Says in a phrase what the task waits for, for people: "timer due in 3ms". Called while it waits,
  // on its shard.
  virtual void Describe(std::ostream& out) const = 0;

  StopPhase interrupted_from() const { return interrupted_from_; }
  TaskContext* context() const { return context_; }

 protected:
  ~Suspension() = default;

  // Whether the current flow has been told to stop, so that this wait should not begin.
  bool StoppedBeforeWaiting() const;
  // Puts the current flow to sleep: `leaf` is the promise of the task that suspends.
  void Suspend(PromiseBase& leaf);
  // Makes the waiting flow ready. REQUIRES: it waits for this.
  void Resume();
  // Like Suspend and Resume at once: gives way to the tasks that are ready.
  static void Requeue(PromiseBase& leaf);

 private:
  TaskContext* context_ = nullptr;
  StopPhase interrupted_from_;
};

class TaskContext : private ListHook<TaskContext> {
 public:
  // Where a flow is. A context that only groups others (a scope) stays kDetached.
  enum class State : uint8_t { kDetached, kReady, kRunning, kSuspended };

  // `parent` may be null: the root of a shard.
  explicit TaskContext(TaskContext* parent, Shielding shielding = Shielding::kNone);
  ~TaskContext();
  TaskContext(const TaskContext&) = delete;
  TaskContext& operator=(const TaskContext&) = delete;

  // Tells this flow and all below it to stop, but for what is shielded from it. Idempotent; a lower
  // phase than the one reached changes nothing.
  // COST: linear in the number of contexts below that have not reached the phase (of all contexts
  // for kEverything of a root). Resumes nothing itself.
  void Stop(StopPhase phase, StopReason reason);

  StopPhase stop_phase() const { return stop_phase_; }
  StopReason stop_reason() const { return stop_reason_; }
  bool StoppedFrom(StopPhase phase) const { return stop_phase_ >= phase; }
  // The error that waits of this flow return once it is stopped. REQUIRES: stop_phase() is not
  // kNone.
  absl::Status StopStatus() const;

  // When this flow's work should be done; inherited from the parent, and only ever tightened.
  Timestamp deadline() const { return deadline_; }
  void TightenDeadline(Timestamp deadline) {
    if (deadline < deadline_) deadline_ = deadline;
  }

  void ReplaceDeadline(Timestamp deadline) { deadline_ = deadline; }

  TaskContext* parent() const { return parent_; }
  // The first flow or scope below this one, and the one beside it; null when there is none.
  const TaskContext* first_child() const { return children_.front(); }
  const TaskContext* next_sibling() const { return parent_->children_.Next(*this); }
  State state() const { return state_; }
  // Whether this is a flow, or nested in one; false for what only groups others.
  bool holds_flow() const { return holds_flow_; }
  const Suspension* waiting_for() const { return waiting_for_; }
  // The innermost task of the flow. REQUIRES: kReady or kSuspended.
  PromiseBase* leaf() const { return leaf_; }
  // The index of the scheduling group that the flow belongs to.
  uint8_t group() const { return group_; }

  // The unit of started_at(): 2^20 ns, about a millisecond.
  static constexpr int kAgeShift = 20;
  // When the flow was started, on the shard's clock, modulo 2^32 units: 52 days.
  uint32_t started_at() const { return started_at_; }

 private:
  friend class Scheduler;
  friend class Suspension;
  friend class IntrusiveList<TaskContext>;
  friend struct sched_internal::DebugAccess;

  // Whether a stop from above passes over this context.
  bool ShieldedFrom(bool service_ends) const {
    return shielding_ == Shielding::kAlways ||
           (shielding_ == Shielding::kUntilServiceEnds && !service_ends);
  }
  // Whether the root has been told to stop everything and a context of this shielding under
  // `parent` is to obey. COST: linear in the depth.
  static bool ServiceEnded(const TaskContext* parent, Shielding shielding);
  // The next context of a walk over the tree below `root` in pre-order; `descend` says whether to
  // visit `at`'s children.
  static TaskContext* NextInWalk(TaskContext* at, TaskContext* root, bool descend);

  TaskContext* next_ready_ = nullptr;  // link in the ready queue
  PromiseBase* leaf_ = nullptr;        // the task to resume; stale while running
  Suspension* waiting_for_ = nullptr;  // null while ready or running
  State state_ = State::kDetached;     // a byte of its own: it changes with every switch
  StopPhase stop_phase_ = StopPhase::kNone;
  StopReason stop_reason_ : 4 = StopReason::kNone;
  const Shielding shielding_ : 3;
  bool holds_flow_ : 1 = false;
  uint8_t group_ = 0;
  uint32_t started_at_ = 0;
  TaskContext* parent_;
  Timestamp deadline_ = Timestamp::InfiniteFuture();
  IntrusiveList<TaskContext> children_;
};

static_assert(sizeof(TaskContext) <= 88, "two of these per connection: keep it small");

}  // namespace pelton

#endif  // PELTON_SCHED_TASK_CONTEXT_H_
