// Continuations: the functions that futures call when they are settled, and the queue from which
// they run. Futures use it; users never see it.
//
// The rule: a continuation never runs inside the call that makes it ready (Fulfil(), Then(), a
// destructor), but later, from the scheduler's ready queue, in a flow of its shard. So nobody is
// re-entered, a chain of any length takes no stack, and a long one gives way to other tasks.
//
// Shard affinity: the shard that makes the continuation ready runs it.
// Ownership: the queue owns nothing. A runner lives while there is something to run, and one round
// of the ready queue longer.
// Invariants: 1. a continuation runs in the scheduling group of the task that attached it; 2. those
// of a group run in the order in which they became ready; 3. each passes a preemption point; 4. a
// shard has at most one runner for each group.
// Cost: the first continuation starts a runner, one frame of the pool; those that follow until it
// has run dry are two stores each.

#ifndef PELTON_SCHED_FUTURE_CONTINUATION_H_
#define PELTON_SCHED_FUTURE_CONTINUATION_H_

#include <cstdint>

#include "framework/base/compiler.h"
#include "framework/base/intrusive_list.h"
#include "sched/scheduler.h"

namespace pelton::sched_internal {

// Whoever is told that a future was settled: a continuation, or a task that waits.
class FutureConsumer {
 public:
  // Called once, on the future's shard, inside the call that settled it. Makes something ready and
  // runs none of the user's code.
  virtual void OnSettled() = 0;
  // Whether this only hands the result on to another future.
  virtual bool Forwards() const { return false; }

 protected:
  ~FutureConsumer() = default;
};

class Continuation : public FutureConsumer {
 public:
  // Runs the user's function. It may destroy this continuation. Called once for each Enqueue().
  virtual void Run() = 0;

  // Lets Run() be called from the ready queue. REQUIRES: called on a shard; not queued already.
  inline void Enqueue();

 protected:
  // Belongs to the group of the running task; outside of tasks to the default group.
  Continuation() {
    Scheduler* const scheduler = Scheduler::Current();
    if (scheduler != nullptr && scheduler->InTask()) group_ = scheduler->current_context().group();
  }
  ~Continuation() = default;

 private:
  friend class ContinuationRunner;
  Continuation* next_ = nullptr;
  uint8_t group_ = 0;
};

class ContinuationRunnerPromise;
struct ContinuationRunnerFlow;

// The continuations of one shard and group that are ready. Lives in the frame of the flow that runs
// them.
class ContinuationRunner {
 public:
  using Queue = IntrusiveQueue<Continuation, &Continuation::next_>;

  explicit ContinuationRunner(uint8_t group) : scheduler_(Scheduler::Current()), group_(group) {}
  ContinuationRunner(const ContinuationRunner&) = delete;
  ContinuationRunner& operator=(const ContinuationRunner&) = delete;

  // The current shard's for `group`.
  static ContinuationRunner& Of(uint8_t group) {
    ContinuationRunner* const recent = recent_;
    if (recent == nullptr || !recent->Serves(Scheduler::Current(), group)) [[unlikely]]
      return FindOrStart(group);
    return *recent;
  }

  void Add(Continuation& continuation) { queue_.PushBack(continuation); }

 private:
  friend class ContinuationRunnerPromise;
  static ContinuationRunnerFlow RunAll(uint8_t group);
  static ContinuationRunner& FindOrStart(uint8_t group);
  bool Serves(const Scheduler* scheduler, uint8_t group) const {
    return scheduler_ == scheduler && group_ == group;
  }
  // Makes this the runner that its shard finds.
  void Register();
  void Unregister();

  // The runners of this thread, the one used last in front: those of its shard, or of many shards
  // in a stepped runtime.
  static inline PELTON_SHARD_LOCAL ContinuationRunner* recent_ = nullptr;

  Queue queue_;
  Scheduler* const scheduler_;
  const uint8_t group_;
  ContinuationRunner* next_ = nullptr;
};

inline void Continuation::Enqueue() { ContinuationRunner::Of(group_).Add(*this); }

}  // namespace pelton::sched_internal

#endif  // PELTON_SCHED_FUTURE_CONTINUATION_H_
