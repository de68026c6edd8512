// TaskBranch: the root of a flow that runs one task, which was made before. Does what a Branch
// (branch.h) does, in less memory: a coroutine would keep, beside its promise, its arguments, an
// awaiter, and where it stands, 40 bytes that this knows without keeping them. A task that sleeps
// takes 256 bytes with it, and 320 with a coroutine.
//
// It is no coroutine, but its memory begins as a coroutine's frame does: with the function that
// resumes it, the one that destroys it, and the promise. GCC and Clang lay frames out so, and agree
// to keep it that way (std::noop_coroutine of libstdc++ is made by hand, too). So the task can
// return to it like to any task that awaits it, and scheduler and backtraces see nothing special.
//
// Shard affinity: the owner's shard. Ownership: a started branch owns itself and its task, and
// destroys both when the task has ended, before it tells the owner; the owner outlives its branches
// and waits for them. Cost: 128 bytes of the pool.

#ifndef PELTON_SCHED_TASK_BRANCH_H_
#define PELTON_SCHED_TASK_BRANCH_H_

#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>

#include "alloc/frame_pool.h"
#include "framework/base/check.h"
#include "sched/backtrace.h"
#include "sched/promise.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_context.h"

namespace pelton::sched_internal {

// `Owner` has OnResult(T), unless T is void, OnBranchException(std::exception_ptr), and
// OnBranchEnd(), which follows either.
template <typename Owner, typename T>
class TaskBranch final {
 public:
  static void* operator new(size_t bytes) { return FramePool::Allocate(bytes); }
  static void operator delete(void* memory, size_t bytes) { FramePool::Free(memory, bytes); }

  TaskBranch(Owner& owner, TaskContext& parent, Task<T> task)
      : context_(&parent), owner_(owner), task_(std::move(task)) {
// offsetof of a class that is not of standard layout is conditionally supported; Clang and GCC
// support it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
    static_assert(offsetof(TaskBranch, resume_) == 0 &&
                  offsetof(TaskBranch, promise_) == 2 * sizeof(void*));
#pragma GCC diagnostic pop
    static_assert(sizeof(TaskBranch) <= 128, "a size class of the frame pool");
    PELTON_DCHECK(task_.valid() && !task_.handle_.done()) << "a task was spawned twice";
    task_.handle_.promise().set_parent(&promise_);
  }
  TaskBranch(const TaskBranch&) = delete;
  TaskBranch& operator=(const TaskBranch&) = delete;

  // Makes the task ready to run. REQUIRES: called once; this was made by new.
  void Start() { Scheduler::Current()->Start(context_, task_.handle_.promise()); }

 private:
  struct Promise final : PromiseBase {};

  // The task has ended and passes control to here.
  static void End(TaskBranch* self) {
    Owner& owner = self->owner_;
    try {
      if constexpr (std::is_void_v<T>) {
        self->task_.handle_.promise().Take();
      } else {
        owner.OnResult(self->task_.handle_.promise().Take());
      }
    } catch (...) {
      RecordException(std::current_exception());
      owner.OnBranchException(std::current_exception());
    }
    Scheduler::Current()->FlowEnds(self->context_);
    delete self;
    owner.OnBranchEnd();
  }

  // As in a coroutine's frame.
  void (*const resume_)(TaskBranch*) = &End;
  void (*const destroy_)(TaskBranch*) = nullptr;  // nobody destroys a flow from outside
  Promise promise_;

  TaskContext context_;
  Owner& owner_;
  Task<T> task_;
};

}  // namespace pelton::sched_internal

#endif  // PELTON_SCHED_TASK_BRANCH_H_
