// BlockingJob: one call that waits for a thread of a BlockingPool, runs there, and comes home.
// AwaitedJob is one that a task waits for, the base of the awaiters of run_blocking.h. Drivers run
// other ones for operations that the kernel cannot do without blocking. Users see neither.
//
// Shard affinity: made, submitted, withdrawn and destroyed on its home shard; Run() on a thread of
// the pool. Between Submit() and OnHome() the pool's threads own what the shard does not.
// Ownership: whoever submits it keeps it until it is home again.
// Invariants: 1. a job is claimed once: by a thread that starts it, or by the shard that withdraws
// it; 2. either way it is sent home once, and nothing touches it on a foreign thread after that.
// Cost: no allocation.

#ifndef PELTON_SCHED_BLOCKING_BLOCKING_JOB_H_
#define PELTON_SCHED_BLOCKING_BLOCKING_JOB_H_

#include <atomic>
#include <cstdint>
#include <ostream>

#include "absl/status/status.h"
#include "framework/base/intrusive_list.h"
#include "sched/blocking/stop_flag.h"
#include "sched/foreign_inbox.h"
#include "sched/promise.h"
#include "sched/scheduler.h"

namespace pelton {

class BlockingPool;

namespace sched_internal {

class BlockingJob : private ForeignNode, private ListHook<BlockingJob> {
 public:
  // What a job does when the pool's queue is full.
  enum class WhenFull : uint8_t { kWait, kFail };

 protected:
  BlockingJob(BlockingPool& pool, WhenFull when_full) : pool_(pool), when_full_(when_full) {}
  ~BlockingJob() = default;

  // Hands the job in; OnHome() follows, at the earliest in the shard's next turn. Returns false,
  // and nothing follows, when the pool refuses it: see refusal().
  bool Submit();
  // Asks a job that was submitted not to run, or to end soon. One that has not started comes home
  // within this turn, perhaps before this returns.
  void Withdraw();

  // Calls the function and keeps what comes of it. On a thread of the pool.
  virtual void Run() noexcept = 0;
  // The job is home: it may be submitted again or destroyed. On the shard.
  virtual void OnHome() = 0;

  // Whether a thread has begun to run it; when the job is home: whether it has run. On the shard.
  bool ran() const { return claim_.load(std::memory_order_relaxed) == Claim::kStarted; }
  // Why the pool did not run it; OK when it ran or was withdrawn. On the shard, when it is home.
  const absl::Status& refusal() const { return refusal_; }

  BlockingPool& pool() const { return pool_; }
  const StopFlag& stop() const { return stop_; }

 private:
  friend class pelton::BlockingPool;
  friend class IntrusiveList<BlockingJob>;

  enum class Claim : uint8_t { kNone, kStarted, kWithdrawn };

  // Whether the caller is the first to claim the job.
  bool ClaimAs(Claim claim) {
    Claim expected = Claim::kNone;
    return claim_.compare_exchange_strong(expected, claim, std::memory_order_acq_rel);
  }
  // Pushes the job to its home's inbox, or delivers it when this is its home. It may be gone when
  // this returns.
  void SendHome();
  static void Arrive(ForeignNode* node);

  BlockingPool& pool_;
  Scheduler* home_ = nullptr;
  BlockingJob* next_submitted_ = nullptr;  // links of the pool's lists
  BlockingJob* next_withdrawn_ = nullptr;
  absl::Status refusal_;  // set before it is sent home, when the pool cannot run it
  StopFlag stop_;
  std::atomic<Claim> claim_ = Claim::kNone;
  const WhenFull when_full_;
};

// A job that a task awaits: it lies in the task's frame, which stays until it is home.
class AwaitedJob : protected Suspension, protected BlockingJob {
 protected:
  using BlockingJob::BlockingJob;
  ~AwaitedJob() = default;

  // Suspends the running task until the job is home. One that is refused, or whose task was told to
  // stop before, comes home at once.
  void Begin(PromiseBase& leaf);
  // Why Run() has not run. REQUIRES: on the shard, the job is home, !ran().
  absl::Status WhyItDidNotRun() const;

 private:
  void OnHome() override { Resume(); }
  void Interrupt() override { Withdraw(); }
  void Describe(std::ostream& out) const override;
};

}  // namespace sched_internal
}  // namespace pelton

#endif  // PELTON_SCHED_BLOCKING_BLOCKING_JOB_H_
