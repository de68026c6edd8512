#include "sched/blocking/blocking_job.h"

#include "sched/blocking/blocking_pool.h"

namespace pelton::sched_internal {

bool BlockingJob::Submit() {
  claim_.store(Claim::kNone, std::memory_order_relaxed);
  if (!pool_.Admit(*this)) return false;
  home_ = Scheduler::Current();
  deliver = &BlockingJob::Arrive;
  home_->BeginExternal();
  pool_.Submit(*this);
  return true;
}

void BlockingJob::Withdraw() {
  stop_.Request();
  // One that runs ends when its function returns.
  if (ClaimAs(Claim::kWithdrawn)) pool_.Withdraw(*this);
}

void BlockingJob::SendHome() {
  // What the shard itself withdraws is home within the turn.
  if (home_ == Scheduler::Current()) return Arrive(this);
  home_->foreign_inbox().Push(*this);
}

void BlockingJob::Arrive(ForeignNode* node) {
  BlockingJob* const job = static_cast<BlockingJob*>(node);
  job->home_->EndExternal();
  job->OnHome();
}

void AwaitedJob::Begin(PromiseBase& leaf) {
  if (StoppedBeforeWaiting()) return Requeue(leaf);
  Suspend(leaf);
  if (!Submit()) Resume();
}

absl::Status AwaitedJob::WhyItDidNotRun() const {
  if (!refusal().ok()) return refusal();
  return Scheduler::Current()->current_context().StopStatus();
}

void AwaitedJob::Describe(std::ostream& out) const {
  out << (ran() ? "a function on a thread of" : "a thread of") << " the blocking pool \""
      << pool().name() << '"';
}

}  // namespace pelton::sched_internal
