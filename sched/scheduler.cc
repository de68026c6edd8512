#include "sched/scheduler.h"

#include <algorithm>
#include <bit>

#include "sched/backtrace.h"
#include "sched/debug_layout.h"

namespace pelton {
namespace {

uint64_t RandomSeed(const Clock& clock, const Scheduler::Options& options) {
  if (options.random_seed.has_value()) return *options.random_seed;
  return clock.is_virtual() ? 1 : CycleCounter::Now();
}

uint64_t VirtualTime(uint64_t ticks, uint32_t shares) {
  return ticks * SchedulingGroup::kMaxShares / shares;
}

// Virtual times wrap, but lie close together.
bool IsBefore(uint64_t left, uint64_t right) { return static_cast<int64_t>(left - right) < 0; }

uint64_t QuotaTicks(const Clock& clock, const Scheduler::Options& options) {
  const int64_t quota_ns = absl::ToInt64Nanoseconds(options.time_quota);
  return clock.is_virtual() ? static_cast<uint64_t>(quota_ns)
                            : CycleCounter::FromNanoseconds(quota_ns);
}

}  // namespace

Scheduler::Scheduler(const Clock& clock) : Scheduler(clock, Options()) {}

Scheduler::Scheduler(const Clock& clock, const Options& options)
    : now_(clock.Now()),
      clock_(clock),
      options_(options),
      quota_ticks_(QuotaTicks(clock, options)),
      random_(RandomSeed(clock, options)),
      shuffle_(options.shuffle_seed.value_or(0)),
      timers_(now_.nanoseconds()) {
  sched_internal::AnnotateFatalErrors();
  sched_internal::EnterDebugList(*this);
  BeginTurn();
}

sched_internal::ExceptionTraces& Scheduler::exception_traces() {
  if (exception_traces_ == nullptr) {
    exception_traces_ = std::make_unique<sched_internal::ExceptionTraces>();
  }
  return *exception_traces_;
}

Scheduler::~Scheduler() {
  sched_internal::LeaveDebugList(*this);
  PELTON_CHECK(ready_groups_ == 0) << "a scheduler was destroyed with tasks that are ready to run";
  PELTON_CHECK(timers_.size() == 0) << "a scheduler was destroyed with armed timers";
  PELTON_CHECK(external_ == 0) << "a scheduler was destroyed with work outside of its shard";
}

void Scheduler::BeginTurn() {
  now_ = clock_.Now();
  quota_spent_ = false;
  checks_left_ = checks_granted_ = kCheckInterval;
  turn_operations_ = 0;
  AdvanceTicks();
  accounted_at_ = ticks_;
  quota_end_ticks_ = ticks_ + quota_ticks_;
}

bool Scheduler::RunReady() {
  while (ready_groups_ != 0 && !quota_spent_) {
    const uint8_t index =
        std::has_single_bit(ready_groups_) ? std::countr_zero(ready_groups_) : LeastGroup();
    Group& group = groups_[index];
    const uint64_t turn = TurnOf(index);
    if (IsBefore(least_virtual_time_, turn)) least_virtual_time_ = turn;
    running_group_ = index;
    RunSlice(group);
    if (group.ready.empty()) ready_groups_ &= ~(uint64_t{1} << index);
    Account(group, SchedulingGroup::FromIndex(index).shares());
  }
  running_ = nullptr;
  leaf_ = nullptr;
  return ready_groups_ != 0;
}

void Scheduler::RunSlice(Group& group) {
  in_slice_ = true;
  slice_ended_ = false;
  while (TaskContext* context = TakeReady(group)) {
    if (const TaskContext* next = group.ready.front()) __builtin_prefetch(next->leaf_);
    ++group.resumptions;
    operations_used_ = 0;
    running_ = context;
    PromiseBase* const leaf = context->leaf_;
    leaf_ = leaf;
    context->state_ = TaskContext::State::kRunning;
    leaf->handle().resume();
    checks_left_ -= kChecksPerResumption;
    if (checks_left_ <= 0) {
      ChargeInterval();
      if (slice_ended_) [[unlikely]]
        break;
    }
  }
  in_slice_ = false;
}

uint8_t Scheduler::LeastGroup() const {
  uint64_t rest = ready_groups_;
  int least = std::countr_zero(rest);
  while ((rest &= rest - 1) != 0) {
    const int index = std::countr_zero(rest);
    if (IsBefore(TurnOf(index), TurnOf(least))) least = index;
  }
  return static_cast<uint8_t>(least);
}

// When it is a group's turn, in virtual time. One that is sensitive to latency may be a quota of its
// own ahead of the others.
uint64_t Scheduler::TurnOf(int index) const {
  const SchedulingGroup handle = SchedulingGroup::FromIndex(index);
  const uint64_t head_start =
      handle.latency_sensitive() ? VirtualTime(quota_ticks_, handle.shares()) : 0;
  return groups_[index].virtual_time - head_start;
}

// A group that wakes has come as far as the last one that was chosen, or further by what it ran.
void Scheduler::WakeGroup(uint8_t index) {
  // What waits from now on has not waited before.
  AdvanceTicks();
  ready_groups_ |= uint64_t{1} << index;
  Group& group = groups_[index];
  if (IsBefore(group.virtual_time, least_virtual_time_)) group.virtual_time = least_virtual_time_;
  if (!in_slice_ || !SchedulingGroup::FromIndex(index).latency_sensitive()) return;
  if (!IsBefore(TurnOf(index), TurnOf(running_group_))) return;
  // The running task gives way at its next preemption point.
  slice_ended_ = true;
  checks_granted_ -= checks_left_ - 1;
  checks_left_ = 1;
}

bool Scheduler::DueSlow() {
  if (!ChargeInterval()) return false;
  if (Unbudgeted()) [[unlikely]] {
    checks_left_ = checks_granted_ = kCheckInterval;
    return false;
  }
  ++statistics_.preemptions;
  return true;
}

bool Scheduler::ChargeInterval() {
  const uint32_t passed = static_cast<uint32_t>(checks_granted_ - checks_left_);
  operations_used_ += passed;
  turn_operations_ += passed;
  if (clock_.is_virtual()) virtual_checks_ += passed;
  checks_granted_ = checks_left_;
  quota_spent_ = quota_spent_ || QuotaSpent();
  slice_ended_ = slice_ended_ || quota_spent_;
  // Once the slice has ended, every preemption point is due.
  checks_left_ = checks_granted_ = slice_ended_ ? 1 : kCheckInterval;
  return slice_ended_ || operations_used_ >= options_.operation_budget;
}

bool Scheduler::QuotaSpent() {
  AdvanceTicks();
  if (!clock_.is_virtual()) [[likely]]
    return ticks_ >= quota_end_ticks_;
  return turn_operations_ >= options_.virtual_quota || clock_.Now() - now_ >= options_.time_quota;
}

void Scheduler::AdvanceTicks() {
  const uint64_t now = AccountingNow();
  for (uint64_t rest = ready_groups_; rest != 0; rest &= rest - 1) {
    Group& group = groups_[std::countr_zero(rest)];
    group.wait_ticks += (now - ticks_) * group.ready_count();
  }
  ticks_ = now;
}

void Scheduler::Account(Group& group, uint32_t shares) {
  AdvanceTicks();
  const uint64_t ran = ticks_ - accounted_at_;
  accounted_at_ = ticks_;
  group.run_ticks += ran;
  group.virtual_time += VirtualTime(ran, shares);
}

uint64_t Scheduler::AccountingNow() const {
  if (!clock_.is_virtual()) [[likely]]
    return CycleCounter::Now();
  const uint64_t passed = virtual_checks_ + static_cast<uint64_t>(checks_granted_ - checks_left_);
  return passed * kVirtualCheckNs + static_cast<uint64_t>(clock_.Now().nanoseconds());
}

absl::Duration Scheduler::FromTicks(uint64_t ticks) const {
  return absl::Nanoseconds(clock_.is_virtual() ? static_cast<int64_t>(ticks)
                                               : CycleCounter::ToNanoseconds(ticks));
}

Scheduler::Statistics Scheduler::statistics() const {
  Statistics statistics = statistics_;
  for (const Group& group : groups_) statistics.resumptions += group.resumptions;
  return statistics;
}

Scheduler::GroupStatistics Scheduler::group_statistics(SchedulingGroup handle) const {
  const Group& group = groups_[handle.index()];
  return {.run_time = FromTicks(group.run_ticks),
          .wait_time = FromTicks(group.wait_ticks),
          .resumptions = group.resumptions,
          .ready = group.ready_count(),
          .live = group.live};
}

size_t Scheduler::FireTimers() {
  const size_t fired = timers_.Advance(now_.nanoseconds(), kTimerBudget,
                                       [](TimerNode& node) { static_cast<Timer&>(node).Fire(); });
  statistics_.timers_fired += fired;
  return fired;
}

}  // namespace pelton
