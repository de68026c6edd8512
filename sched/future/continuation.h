// Continuations: the functions that futures call when they are settled, and the queue from which
// they run. Futures use it; users never see it.
//
// The rule: a continuation never runs inside the call that makes it ready (Fulfil(), Then(), a
// destructor), but later, from the scheduler's ready queue, in a flow of its shard. So nobody is
// re-entered, a chain of any length takes no stack, and a long one gives way to other tasks.
//
// Shard affinity: the shard that makes the continuation ready runs it.
// Ownership: the queue owns nothing. A runner lives while there is something to run.
// Invariants: 1. continuations of a shard run in the order in which they became ready; 2. each
// passes a preemption point; 3. a shard has at most one runner.
// Cost: the first continuation starts a runner, one frame of the pool; those that follow until it
// has run dry are two stores each.

#ifndef PELTON_SCHED_FUTURE_CONTINUATION_H_
#define PELTON_SCHED_FUTURE_CONTINUATION_H_

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
  ~Continuation() = default;

 private:
  friend class ContinuationRunner;
  Continuation* next_ = nullptr;
};

class ContinuationRunnerPromise;
struct ContinuationRunnerFlow;

// The continuations of one shard that are ready. Lives in the frame of the flow that runs them.
class ContinuationRunner {
 public:
  using Queue = IntrusiveQueue<Continuation, &Continuation::next_>;

  ContinuationRunner() : scheduler_(Scheduler::Current()) {}
  ContinuationRunner(const ContinuationRunner&) = delete;
  ContinuationRunner& operator=(const ContinuationRunner&) = delete;

  // The current shard's.
  static ContinuationRunner& OfThisShard() {
    ContinuationRunner* const recent = recent_;
    if (recent == nullptr || recent->scheduler_ != Scheduler::Current()) [[unlikely]]
      return FindOrStart();
    return *recent;
  }

  void Add(Continuation& continuation) { queue_.PushBack(continuation); }

 private:
  friend class ContinuationRunnerPromise;
  static ContinuationRunnerFlow RunAll();
  static ContinuationRunner& FindOrStart();
  // Makes this the runner that its shard finds.
  void Register();
  void Unregister();

  // The runners of this thread, the one used last in front. There are several when a stepped
  // runtime runs many shards on one thread.
  static inline PELTON_SHARD_LOCAL ContinuationRunner* recent_ = nullptr;

  Queue queue_;
  Scheduler* const scheduler_;
  ContinuationRunner* next_ = nullptr;
};

inline void Continuation::Enqueue() { ContinuationRunner::OfThisShard().Add(*this); }

}  // namespace pelton::sched_internal

#endif  // PELTON_SCHED_FUTURE_CONTINUATION_H_
