#include "sched/future/continuation.h"

#include <coroutine>
#include <exception>

#include "framework/base/check.h"
#include "sched/in_group.h"
#include "sched/preemption.h"
#include "sched/promise.h"
#include "sched/task_context.h"

namespace pelton::sched_internal {

// The flow that runs continuations. Nobody waits for it, so it hangs from the shard's root.
struct ContinuationRunnerFlow {
  using promise_type = ContinuationRunnerPromise;
  ContinuationRunnerPromise& promise;
};

class ContinuationRunnerPromise final : public PromiseBase {
 public:
  // Of the coroutine's argument.
  explicit ContinuationRunnerPromise(uint8_t group)
      : runner_(group), context_(&Scheduler::Current()->root()) {}

  ContinuationRunnerFlow get_return_object() { return {*this}; }
  void return_void() noexcept {}
  // Continuations turn exceptions into errors themselves.
  void unhandled_exception() noexcept { std::terminate(); }

  struct End {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<ContinuationRunnerPromise> flow) const noexcept {
      Scheduler::Current()->FlowEnds(flow.promise().context_);
      flow.destroy();
    }
    void await_resume() const noexcept {}
  };
  End final_suspend() const noexcept { return {}; }

  ContinuationRunner& Start() {
    runner_.Register();
    runner_.scheduler_->Start(context_, *this);
    return runner_;
  }

 private:
  ContinuationRunner runner_;
  TaskContext context_;
};

ContinuationRunnerFlow ContinuationRunner::RunAll(uint8_t group) {
  // Whoever made the first continuation ready may belong to another group.
  co_await GroupSwitch(SchedulingGroup::FromIndex(group));
  ContinuationRunner& runner = Of(group);
  do {
    while (Continuation* const continuation = runner.queue_.PopFront()) {
      continuation->Run();
      co_await PreemptionPoint();
    }
    // On a busy shard more of them follow soon: wait for one round of the ready queue.
    co_await Yield();
  } while (!runner.queue_.empty());
  runner.Unregister();
}

ContinuationRunner& ContinuationRunner::FindOrStart(uint8_t group) {
  Scheduler* const scheduler = Scheduler::Current();
  PELTON_CHECK(scheduler != nullptr)
      << "a future was used on a thread that runs no shard; use ForeignPromise there";
  for (ContinuationRunner* runner = recent_; runner != nullptr; runner = runner->next_) {
    if (!runner->Serves(scheduler, group)) continue;
    runner->Unregister();
    runner->Register();
    return *runner;
  }
  return RunAll(group).promise.Start();
}

void ContinuationRunner::Register() {
  next_ = recent_;
  recent_ = this;
}

void ContinuationRunner::Unregister() {
  ContinuationRunner** link = &recent_;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
}

}  // namespace pelton::sched_internal
