#include "sched/task_scope.h"

#include "absl/strings/str_cat.h"
#include "sched/backtrace.h"

namespace pelton {

TaskScope::TaskScope() : TaskScope(Options()) {}

TaskScope::TaskScope(const Options& options)
    : TaskScope(&Scheduler::Current()->current_context(), options) {}

TaskScope::TaskScope(TaskContext* parent, const Options& options)
    : context_(parent), options_(options) {}

TaskScope::~TaskScope() {
  PELTON_CHECK(live_ == 0) << "a TaskScope was destroyed with " << live_
                           << " live children; co_await Join() on every path, or use "
                              "WithTaskScope()";
}

void TaskScope::Stop(StopPhase phase, StopReason reason) {
  if (phase == StopPhase::kEverything && reason == StopReason::kCancelled) {
    cancelled_by_owner_ = true;
  }
  context_.Stop(phase, reason);
}

void TaskScope::CountChild() {
  PELTON_CHECK(HasRoom()) << "Spawn() into a TaskScope that holds its limit of "
                          << options_.max_children << " children; co_await WaitForRoom() first";
  ++live_;
}

void TaskScope::StopWith(const TaskContext& joiner) {
  // Below the joiner, the walk that stops it comes to the children by itself. Elsewhere the joiner
  // has to see to it: when it joins under a deadline of its own, say.
  if (context_.parent() == &joiner) return;
  context_.Stop(StopPhase::kEverything, joiner.stop_reason());
}

void TaskScope::OnError(const absl::Status& status) {
  if (cancelled_by_owner_ && absl::IsCancelled(status)) return;
  if (failed()) return;
  first_error_ = status;
  StopForFailure();
}

void TaskScope::StopForFailure() {
  context_.Stop(StopPhase::kEverything, StopReason::kCancelled);
  if (body_ != nullptr) body_->StopForFailure();
}

void TaskScope::Contain(const absl::Status& status) {
  if (cancelled_by_owner_ && absl::IsCancelled(status)) return;
  ++contained_errors_;
  if (options_.observer != nullptr) options_.observer(options_.observer_argument, status);
}

void TaskScope::ContainException(const std::exception_ptr& exception) {
  Contain(absl::InternalError(
      absl::StrCat("a task ended by an exception: ", DescribeException(exception))));
}

void TaskScope::OnBranchException(std::exception_ptr exception) {
  if (failed()) return;
  first_exception_ = std::move(exception);
  StopForFailure();
}

void TaskScope::OnBranchEnd() {
  --live_;
  if (RoomWaiter* first = room_waiters_.front()) first->Wake();
  if (live_ == 0 && joiner_ != nullptr) std::exchange(joiner_, nullptr)->ChildrenEnded();
}

Task<absl::Status> TaskScope::WaitForRoom() {
  RoomWaiter waiter(*this);
  while (waiter.MustWait()) co_await waiter;
  const TaskContext& flow = Scheduler::Current()->current_context();
  co_return flow.StoppedFrom(waiter.interrupted_from()) ? flow.StopStatus() : absl::OkStatus();
}

TaskScope::RoomWaiter::~RoomWaiter() {
  Unlink();
  // There may be room for the next one, too, and also when this one does not use it.
  if (RoomWaiter* first = scope_.room_waiters_.front()) first->Wake();
}

bool TaskScope::RoomWaiter::MustWait() {
  if (StoppedBeforeWaiting()) return false;
  return scope_.room_waiters_.front() != this || !scope_.HasRoom();
}

void TaskScope::RoomWaiter::Wake() {
  if (std::exchange(asleep_, false)) Resume();
}

absl::Status TaskScope::TakeOutcome() {
  if (first_exception_) std::rethrow_exception(std::exchange(first_exception_, nullptr));
  return std::exchange(first_error_, absl::OkStatus());
}

}  // namespace pelton
