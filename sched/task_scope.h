// TaskScope: owns the tasks that it spawns, and is joined before it dies (structured concurrency).
//
//   TaskScope scope;
//   for (const Item& item : items) scope.Spawn(Process, item);
//   PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());     // the first error, after all children have ended
//
// The first child that fails cancels the others; its error, or its exception, comes out of Join().
// The failure of a child that was spawned by SpawnContained() stays its own: it is counted and
// handed to the scope's observer.
//
// Shard affinity: the shard of the task that creates it; children run there, too.
// Ownership: the scope owns its children. It must be joined before it is destroyed (checked):
// `co_await scope.Join()` on every path, or WithTaskScope(), which joins by itself.
// Cost: a child costs two frames of the pool (its branch and its task).

#ifndef PELTON_SCHED_TASK_SCOPE_H_
#define PELTON_SCHED_TASK_SCOPE_H_

#include <cstddef>
#include <exception>
#include <limits>
#include <ostream>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/intrusive_list.h"
#include "framework/base/status.h"
#include "sched/branch.h"
#include "sched/nested_context.h"
#include "sched/task.h"
#include "sched/task_branch.h"

namespace pelton {

namespace sched_internal {
class ScopeBody;
}  // namespace sched_internal

class TaskScope final : private sched_internal::BranchOwner {
 public:
  struct Options {
    // How many children may live at once.
    size_t max_children = std::numeric_limits<size_t>::max();
    // Told each contained failure; an exception arrives as an INTERNAL error with its text. May be
    // null.
    void (*observer)(void* argument, const absl::Status& error) = nullptr;
    void* observer_argument = nullptr;
  };

  // REQUIRES: called from a task. Children inherit that task's cancellation and deadline.
  TaskScope();
  explicit TaskScope(const Options& options);
  // Children of an explicit context: for the root of a shard, which no task creates.
  TaskScope(TaskContext* parent, const Options& options);
  ~TaskScope();

  // Starts a child: calls `function(arguments...)`, which returns a Task<void>, Task<absl::Status>
  // or Task<absl::StatusOr<T>> (whose value is dropped), at the child's first turn. The function
  // and its arguments are moved into the child, so a lambda's captures live as long as the child.
  // Never runs the child inside the call.
  // REQUIRES: live() < max_children; see WaitForRoom().
  template <typename Function, typename... Arguments>
  void Spawn(Function function, Arguments... arguments) {
    Admit(Run(*this, context_, std::move(function), std::move(arguments)...));
  }
  // The same for a child whose failure harms nobody else, such as the handler of one connection.
  template <typename Function, typename... Arguments>
  void SpawnContained(Function function, Arguments... arguments) {
    Admit(RunContained(*this, context_, std::move(function), std::move(arguments)...));
  }
  // Starts a task that was made before. COST: 128 bytes beside the task's frame; the least.
  template <typename T>
  void Spawn(Task<T> task) {
    auto* child = new sched_internal::TaskBranch<TaskScope, T>(*this, context_, std::move(task));
    CountChild();
    child->Start();
  }

  // Suspends until another child may be spawned. Returns the stop status when the waiting task is
  // told to stop; OK otherwise. Tasks get room in the order in which they asked for it. Room is not
  // kept: when several tasks spawn into the scope, each does so before its next await.
  // COST: one frame.
  Task<absl::Status> WaitForRoom();

  // Suspends until every child has ended. Yields the first error, or rethrows the first exception,
  // of a child; OK when there was none. Cancelling the joining task stops the children and does not
  // end the join early. One task at a time may join.
  [[nodiscard]] auto Join() { return JoinAwaiter(*this); }

  // Tells every child to stop. They still have to be joined. The CANCELLED errors that follow are
  // not failures.
  void Cancel() { Stop(StopPhase::kEverything, StopReason::kCancelled); }
  // Tells every child to stop from `phase` on.
  void Stop(StopPhase phase, StopReason reason);

  // Whether a child has failed, and Join() has not told yet.
  bool failed() const { return !first_error_.ok() || first_exception_ != nullptr; }
  // How many children have not ended.
  size_t live() const { return live_; }
  // How many children's failures were contained.
  uint64_t contained_errors() const { return contained_errors_; }
  const TaskContext& context() const { return context_; }

 private:
  friend class sched_internal::ScopeBody;
  template <typename Owner, typename T>
  friend class sched_internal::TaskBranch;

  // Waits for the children to end.
  class JoinAwaiter final : public Suspension {
   public:
    explicit JoinAwaiter(TaskScope& scope) : scope_(scope) {}
    bool await_ready() const noexcept { return scope_.live_ == 0 && !Scheduler::Current()->Due(); }
    template <PeltonPromise Promise>
    void await_suspend(std::coroutine_handle<Promise> task) {
      if (scope_.live_ == 0) return Requeue(task.promise());
      PELTON_CHECK(scope_.joiner_ == nullptr) << "two tasks join one TaskScope";
      scope_.joiner_ = this;
      if (StoppedBeforeWaiting()) scope_.StopWith(Scheduler::Current()->current_context());
      Suspend(task.promise());
    }
    absl::Status await_resume() { return scope_.TakeOutcome(); }
    void Interrupt() override { scope_.StopWith(*context()); }
    void Describe(std::ostream& out) const override {
      out << scope_.live_ << " children of a scope to end";
    }
    void ChildrenEnded() { Resume(); }

   private:
    TaskScope& scope_;
  };

  // A task that waits for room, from its arrival until it has got some or gives up.
  class RoomWaiter final : public Suspension, public ListHook<RoomWaiter> {
   public:
    explicit RoomWaiter(TaskScope& scope) : Suspension(StopPhase::kAccepting), scope_(scope) {
      scope_.room_waiters_.PushBack(*this);
    }
    ~RoomWaiter();
    bool MustWait();
    void Wake();

    bool await_ready() const noexcept { return false; }
    template <PeltonPromise Promise>
    void await_suspend(std::coroutine_handle<Promise> task) {
      Suspend(task.promise());
      asleep_ = true;
    }
    void await_resume() const noexcept {}

   private:
    void Interrupt() override { Wake(); }
    void Describe(std::ostream& out) const override {
      out << "room in a scope that holds its limit of " << scope_.options_.max_children
          << " children";
    }

    TaskScope& scope_;
    bool asleep_ = false;
  };

  template <typename Function, typename... Arguments>
  static sched_internal::Branch Run(TaskScope& scope, TaskContext&, Function function,
                                    Arguments... arguments) {
    using Returned = std::invoke_result_t<Function, Arguments...>;
    static_assert(AnyTask<Returned>, "Spawn() takes a function that returns a Task");
    if constexpr (std::is_void_v<typename Returned::value_type>) {
      co_await std::invoke(std::move(function), std::move(arguments)...);
    } else {
      scope.OnResult(co_await std::invoke(std::move(function), std::move(arguments)...));
    }
  }
  template <typename Function, typename... Arguments>
  static sched_internal::Branch RunContained(TaskScope& scope, TaskContext&, Function function,
                                             Arguments... arguments) {
    using Returned = std::invoke_result_t<Function, Arguments...>;
    static_assert(AnyTask<Returned>, "SpawnContained() takes a function that returns a Task");
    try {
      if constexpr (std::is_void_v<typename Returned::value_type>) {
        co_await std::invoke(std::move(function), std::move(arguments)...);
      } else {
        const auto result = co_await std::invoke(std::move(function), std::move(arguments)...);
        if (!result.ok()) [[unlikely]]
          scope.Contain(base_internal::StatusOf(result));
      }
    } catch (...) {
      scope.ContainException(std::current_exception());
    }
  }
  bool HasRoom() const { return live_ < options_.max_children; }
  // Counts a child that is about to be started. It is made already: if making it throws, the scope
  // waits for nobody.
  void CountChild();
  void Admit(sched_internal::Branch child) {
    CountChild();
    child.Start();
  }
  void OnResult(const absl::Status& status) {
    if (!status.ok()) [[unlikely]]
      OnError(status);
  }
  template <typename T>
  void OnResult(const absl::StatusOr<T>& result) {
    if (!result.ok()) [[unlikely]]
      OnError(result.status());
  }
  void OnError(const absl::Status& status);
  // Stops the children, and the body of WithTaskScope(), because a child has failed.
  void StopForFailure();
  // Stops the children for the reason that `joiner` was stopped for.
  void StopWith(const TaskContext& joiner);
  void Contain(const absl::Status& status);
  void ContainException(const std::exception_ptr& exception);
  void OnBranchException(std::exception_ptr exception) override;
  void OnBranchEnd() override;
  absl::Status TakeOutcome();

  TaskContext context_;
  const Options options_;
  size_t live_ = 0;
  bool cancelled_by_owner_ = false;
  uint64_t contained_errors_ = 0;
  JoinAwaiter* joiner_ = nullptr;
  IntrusiveList<RoomWaiter> room_waiters_;
  absl::Status first_error_;
  std::exception_ptr first_exception_;
  sched_internal::ScopeBody* body_ = nullptr;  // of WithTaskScope(), while it runs
};

namespace sched_internal {

// The context that the body of a WithTaskScope() runs in: beside the children, so that the owner's
// Cancel() does not reach it, and a child's failure does.
class ScopeBody final : public NestedContext {
 public:
  explicit ScopeBody(TaskScope& scope)
      : NestedContext(Timestamp::InfiniteFuture(), Shielding::kNone), scope_(scope) {
    scope_.body_ = this;
  }
  ~ScopeBody() { scope_.body_ = nullptr; }
  void StopForFailure() { context().Stop(StopPhase::kEverything, StopReason::kCancelled); }

 private:
  TaskScope& scope_;
};

}  // namespace sched_internal

// Calls `body(scope)`, which returns a Task<absl::Status>, and joins the scope whatever the
// outcome. What fails first, or throws, cancels everything else: the body the children, and a child
// the other children and the body. Yields that first error or rethrows that exception; an error
// that a body returns after a child has failed counts as a consequence.
template <typename Body>
Task<absl::Status> WithTaskScope(Body body, TaskScope::Options options = {}) {
  TaskScope scope(options);
  absl::Status status;
  std::exception_ptr exception;
  try {
    const sched_internal::ScopeBody context(scope);
    status = co_await body(scope);
  } catch (...) {
    exception = std::current_exception();
  }
  const bool body_failed_first = (!status.ok() || exception) && !scope.failed();
  if (!status.ok() || exception) scope.Cancel();
  absl::Status joined;
  std::exception_ptr joined_exception;
  try {
    joined = co_await scope.Join();
  } catch (...) {
    joined_exception = std::current_exception();
  }
  if (body_failed_first && exception) std::rethrow_exception(exception);
  if (body_failed_first) co_return status;
  if (joined_exception) std::rethrow_exception(joined_exception);
  co_return joined;
}

}  // namespace pelton

#endif  // PELTON_SCHED_TASK_SCOPE_H_
