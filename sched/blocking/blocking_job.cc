#include "sched/blocking/blocking_job.h"

#include "sched/blocking/blocking_pool.h"

namespace pelton::sched_internal {

void BlockingJob::Begin(PromiseBase& leaf) {
  if (StoppedBeforeWaiting() || !pool_.Admit(*this)) return Requeue(leaf);
  home_ = Scheduler::Current();
  deliver = &BlockingJob::Arrive;
  Suspend(leaf);
  home_->BeginExternal();
  pool_.Submit(*this);
}

void BlockingJob::SendHome() {
  // What the shard itself withdraws ends its wait within the turn.
  if (home_ == Scheduler::Current()) return Arrive(this);
  home_->foreign_inbox().Push(*this);
}

void BlockingJob::Arrive(ForeignNode* node) {
  BlockingJob* const job = static_cast<BlockingJob*>(node);
  job->home_->EndExternal();
  job->Resume();
}

void BlockingJob::Interrupt() {
  stop_.Request();
  // One that runs ends when its function returns.
  if (ClaimAs(Claim::kWithdrawn)) pool_.Withdraw(*this);
}

absl::Status BlockingJob::WhyItDidNotRun() const {
  if (!refusal_.ok()) return refusal_;
  return Scheduler::Current()->current_context().StopStatus();
}

void BlockingJob::Describe(std::ostream& out) const {
  const bool started = claim_.load(std::memory_order_relaxed) == Claim::kStarted;
  out << (started ? "a function on a thread of" : "a thread of") << " the blocking pool \""
      << pool_.name() << '"';
}

}  // namespace pelton::sched_internal
