#include "sched/scheduler.h"

namespace pelton {

Scheduler::Scheduler(const Clock& clock) : Scheduler(clock, Options()) {}

Scheduler::Scheduler(const Clock& clock, const Options& options)
    : now_(clock.Now()),
      clock_(clock),
      options_(options),
      quota_cycles_(CycleCounter::FromNanoseconds(absl::ToInt64Nanoseconds(options.time_quota))),
      timers_(now_.nanoseconds()) {
  BeginTurn();
}

Scheduler::~Scheduler() {
  PELTON_CHECK(ready_.empty()) << "a scheduler was destroyed with tasks that are ready to run";
  PELTON_CHECK(timers_.size() == 0) << "a scheduler was destroyed with armed timers";
}

void Scheduler::BeginTurn() {
  now_ = clock_.Now();
  quota_spent_ = false;
  checks_left_ = kCheckInterval;
  turn_operations_ = 0;
  if (!clock_.is_virtual()) quota_end_cycles_ = CycleCounter::Now() + quota_cycles_;
}

bool Scheduler::RunReady() {
  while (TaskContext* context = ready_.PopFront()) {
    if (const TaskContext* next = ready_.front()) __builtin_prefetch(next->leaf_);
    operations_used_ = 0;
    running_ = context;
    context->state_ = TaskContext::State::kRunning;
    ++statistics_.resumptions;
    context->leaf_->handle().resume();
    checks_left_ -= kChecksPerResumption;
    if (checks_left_ <= 0) {
      ChargeInterval();
      if (quota_spent_) [[unlikely]]
        break;
    }
  }
  running_ = nullptr;
  return !ready_.empty();
}

bool Scheduler::DueSlow() {
  const bool due = ChargeInterval();
  if (due) ++statistics_.preemptions;
  return due;
}

bool Scheduler::ChargeInterval() {
  checks_left_ = kCheckInterval;
  operations_used_ += kCheckInterval;
  turn_operations_ += kCheckInterval;
  const bool spent = clock_.is_virtual() ? turn_operations_ >= options_.virtual_quota
                                         : CycleCounter::Now() >= quota_end_cycles_;
  if (spent) {
    quota_spent_ = true;
    checks_left_ = 1;  // every preemption point is due until the next turn
  }
  return spent || operations_used_ >= options_.operation_budget;
}

size_t Scheduler::FireTimers() {
  const size_t fired = timers_.Advance(now_.nanoseconds(), kTimerBudget,
                                       [](TimerNode& node) { static_cast<Timer&>(node).Fire(); });
  statistics_.timers_fired += fired;
  return fired;
}

}  // namespace pelton
