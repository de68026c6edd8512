#include "sched/task_context.h"

#include "framework/base/check.h"

namespace pelton {

TaskContext::TaskContext(TaskContext* parent, Shielding shielding)
    : shielding_(shielding), parent_(parent) {
  if (parent == nullptr) return;
  if (shielding == Shielding::kNone || ServiceEnded(parent, shielding)) {
    stop_phase_ = parent->stop_phase_;
    stop_reason_ = parent->stop_reason_;
  }
  if (shielding == Shielding::kNone) deadline_ = parent->deadline_;
  group_ = parent->group_;
  parent->children_.PushBack(*this);
}

TaskContext::~TaskContext() {
  PELTON_CHECK(children_.empty()) << "a task context was destroyed before the tasks below it";
  PELTON_DCHECK(state_ != State::kReady && state_ != State::kSuspended)
      << "a task was destroyed while it was suspended";
  if (parent_ != nullptr) Unlink();
}

bool TaskContext::ServiceEnded(const TaskContext* parent, Shielding shielding) {
  for (const TaskContext* at = parent; shielding != Shielding::kAlways; at = at->parent_) {
    if (at->parent_ == nullptr) return at->StoppedFrom(StopPhase::kEverything);
    shielding = at->shielding_;
  }
  return false;
}

TaskContext* TaskContext::NextInWalk(TaskContext* at, TaskContext* root, bool descend) {
  if (descend && at->children_.front() != nullptr) return at->children_.front();
  while (at != root) {
    if (TaskContext* sibling = at->parent_->children_.Next(*at)) return sibling;
    at = at->parent_;
  }
  return nullptr;
}

void TaskContext::Stop(StopPhase phase, StopReason reason) {
  // Then the walk also goes below what has stopped already: something that was shielded until now
  // may be there.
  const bool service_ends = parent_ == nullptr && phase == StopPhase::kEverything;
  // A loop and not a recursion: the tree may be deeper than the stack. Interrupt() resumes nothing
  // and destroys nothing, so the tree stands still during the walk.
  for (TaskContext* at = this; at != nullptr;) {
    const bool passed_over = at != this && at->ShieldedFrom(service_ends);
    const bool news = !passed_over && at->stop_phase_ < phase;
    if (news) {
      at->stop_phase_ = phase;
      at->stop_reason_ = reason;
      if (at->waiting_for_ != nullptr && at->waiting_for_->interrupted_from() <= phase) {
        at->waiting_for_->Interrupt();
      }
    }
    at = NextInWalk(at, this, /*descend=*/news || (service_ends && !passed_over));
  }
}

absl::Status TaskContext::StopStatus() const {
  switch (stop_reason_) {
    case StopReason::kCancelled:
      return absl::CancelledError("the task was cancelled");
    case StopReason::kDeadline:
      return absl::DeadlineExceededError("the task's deadline passed");
    case StopReason::kDraining:
      return absl::UnavailableError("the service is draining");
    case StopReason::kNone:
      break;
  }
  PELTON_FATAL() << "StopStatus() of a task that was not stopped";
}

}  // namespace pelton
