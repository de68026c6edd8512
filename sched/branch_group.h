// BranchGroup: a task that waits for several branches. WhenAll(), WhenAny() and Race() are awaiters
// that derive from it; users never see it.
//
// Shard affinity: the awaiting task's.
// Ownership: the group's context lives from the await's beginning to its end, below the context
// that awaits: what stops the awaiting task, a deadline around the await also, stops the branches.
// Cost: one frame for each branch, as branch.h says.

#ifndef PELTON_SCHED_BRANCH_GROUP_H_
#define PELTON_SCHED_BRANCH_GROUP_H_

#include <cstddef>
#include <exception>
#include <iterator>
#include <optional>
#include <ostream>
#include <type_traits>
#include <utility>

#include "framework/base/check.h"
#include "sched/awaitable.h"
#include "sched/branch.h"
#include "sched/scheduler.h"
#include "sched/task.h"

namespace pelton::sched_internal {

// How a combination of awaitables keeps one until it is awaited: a task by value, so that the
// combination may be kept, too; another by reference, since awaiters cannot be moved.
template <typename A>
using Held = std::conditional_t<AnyTask<A>, std::remove_cvref_t<A>, A&&>;

class BranchGroup : protected BranchOwner, protected Suspension {
 protected:
  BranchGroup() = default;
  ~BranchGroup() = default;

  // Calls make(context), which yields a container of branches in that context, then suspends
  // `waiter` and starts them. All are made before the first one starts: when one cannot be made,
  // none has to be waited for.
  template <typename Make>
  void StartAll(PromiseBase& waiter, Make make) {
    ContextUntilStarted until_started{*this};
    context_.emplace(&Scheduler::Current()->current_context());
    auto branches = make(*context_);
    until_started.started = true;
    PELTON_DCHECK(!std::empty(branches));
    remaining_ = std::size(branches);
    Suspend(waiter);
    for (Branch& branch : branches) branch.Start();
  }
  // All branches have ended; rethrows the first exception.
  void EndAll() {
    context_.reset();
    if (exception_) [[unlikely]]
      std::rethrow_exception(std::exchange(exception_, nullptr));
  }

  void CancelOthers() { context_->Stop(StopPhase::kEverything, StopReason::kCancelled); }
  // For those who go on when a branch throws; the first one stays.
  void KeepException(std::exception_ptr exception) {
    if (!exception_) exception_ = std::move(exception);
  }
  void DropException() { exception_ = nullptr; }
  // Whether a branch has thrown.
  bool threw() const { return exception_ != nullptr; }
  const TaskContext& group_context() const { return *context_; }

  // The others are cancelled when a branch throws, unless a derived class decides otherwise.
  void OnBranchException(std::exception_ptr exception) override {
    KeepException(std::move(exception));
    CancelOthers();
  }

 private:
  // The context may not outlive the await, also when making a branch throws.
  struct ContextUntilStarted {
    BranchGroup& group;
    bool started = false;
    ~ContextUntilStarted() {
      if (!started) group.context_.reset();
    }
  };

  void OnBranchEnd() final {
    if (--remaining_ == 0) Resume();
  }
  // Stopping the awaiting task has stopped the branches; their end ends the wait.
  void Interrupt() final {}
  void Describe(std::ostream& out) const final { out << remaining_ << " concurrent tasks to end"; }

  size_t remaining_ = 0;
  std::optional<TaskContext> context_;
  std::exception_ptr exception_;
};

}  // namespace pelton::sched_internal

#endif  // PELTON_SCHED_BRANCH_GROUP_H_
