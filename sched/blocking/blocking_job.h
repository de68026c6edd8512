// BlockingJob: one call that waits for a thread of a BlockingPool, runs there, and comes home. The
// base of the awaiters of run_blocking.h; users never see it.
//
// Shard affinity: made, begun, interrupted and destroyed on its home shard; Run() on a thread of the
// pool. Between Begin() and its delivery the pool's threads own what the shard does not.
// Ownership: lives in the awaiting task's frame, which stays until the job is home again.
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

class BlockingJob : protected Suspension, private ForeignNode, private ListHook<BlockingJob> {
 public:
  // What a job does when the pool's queue is full.
  enum class WhenFull : uint8_t { kWait, kFail };

 protected:
  BlockingJob(BlockingPool& pool, WhenFull when_full) : pool_(pool), when_full_(when_full) {}
  ~BlockingJob() = default;

  // Suspends the running task until the job is home. One that is refused, or whose task was told to
  // stop before, comes home at once.
  void Begin(PromiseBase& leaf);

  // Calls the function and keeps what comes of it. On a thread of the pool.
  virtual void Run() noexcept = 0;

  // Whether Run() has run. On the shard, when the job is home.
  bool ran() const { return claim_.load(std::memory_order_relaxed) == Claim::kStarted; }
  // Why Run() has not run. REQUIRES: on the shard, the job is home, !ran().
  absl::Status WhyItDidNotRun() const;

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
  // Pushes the job to its home's inbox, or ends its wait when this is its home. It may be gone when
  // this returns.
  void SendHome();
  static void Arrive(ForeignNode* node);

  void Interrupt() override;
  void Describe(std::ostream& out) const override;

  BlockingPool& pool_;
  Scheduler* home_ = nullptr;
  BlockingJob* next_submitted_ = nullptr;  // links of the pool's lists
  BlockingJob* next_withdrawn_ = nullptr;
  absl::Status refusal_;  // set before it is sent home, when the pool cannot run it
  StopFlag stop_;
  std::atomic<Claim> claim_ = Claim::kNone;
  const WhenFull when_full_;
};

}  // namespace sched_internal
}  // namespace pelton

#endif  // PELTON_SCHED_BLOCKING_BLOCKING_JOB_H_
