// Branch: the root of a new flow of execution. TaskScope and WhenAll start flows through it; users
// never see it.
//
// A branch is a coroutine that runs one task in a context of its own and tells its owner when it
// has ended.
//
// Shard affinity: the owner's shard.
// Ownership: a started branch owns its frame and destroys it when it ends, before it tells the
// owner; the owner outlives its branches and waits for them.
// Cost: one frame from the pool.

#ifndef PELTON_SCHED_BRANCH_H_
#define PELTON_SCHED_BRANCH_H_

#include <coroutine>
#include <exception>
#include <utility>

#include "framework/base/compiler.h"
#include "sched/backtrace.h"
#include "sched/promise.h"
#include "sched/scheduler.h"
#include "sched/task_context.h"

namespace pelton::sched_internal {

// Whoever starts branches and waits for their end.
class BranchOwner {
 public:
  // An exception left the branch's task. OnBranchEnd() follows.
  virtual void OnBranchException(std::exception_ptr exception) = 0;
  // The branch has ended and its frame is gone.
  virtual void OnBranchEnd() = 0;

 protected:
  ~BranchOwner() = default;
};

class BranchPromise;

// A branch that has not started; one that never starts is destroyed with its handle.
class [[nodiscard]] Branch {
 public:
  using promise_type = BranchPromise;

  Branch(Branch&& other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
  Branch& operator=(Branch&&) = delete;
  inline ~Branch();

  // Makes the branch ready to run. REQUIRES: called at most once.
  inline void Start();

 private:
  friend BranchPromise;
  explicit Branch(BranchPromise& promise) : promise_(&promise) {}
  BranchPromise* promise_;
};

class BranchPromise final : public PromiseBase {
 public:
  // The first two parameters of every branch coroutine.
  template <typename... Rest>
  BranchPromise(BranchOwner& owner, TaskContext& parent, Rest&&...)
      : context_(&parent), owner_(owner) {}

  Branch get_return_object() { return Branch(*this); }
  void return_void() noexcept {}
  void unhandled_exception() {
    RecordException(std::current_exception());
    owner_.OnBranchException(std::current_exception());
  }

  struct End {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<BranchPromise> branch) const noexcept {
      BranchOwner& owner = branch.promise().owner_;
      Scheduler::Current()->FlowEnds(branch.promise().context_);
      branch.destroy();
      owner.OnBranchEnd();
    }
    void await_resume() const noexcept {}
  };
  End final_suspend() const noexcept { return {}; }

 private:
  friend class Branch;
  TaskContext context_;
  BranchOwner& owner_;
};

inline Branch::~Branch() {
  if (promise_ != nullptr) promise_->handle().destroy();
}

inline void Branch::Start() {
  BranchPromise& promise = *std::exchange(promise_, nullptr);
  Scheduler::Current()->Start(promise.context_, promise);
}

}  // namespace pelton::sched_internal

#endif  // PELTON_SCHED_BRANCH_H_
