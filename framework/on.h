// Runs a task on another shard and brings its result back.
//
//   int sum = co_await On(ShardId(3), [=]() -> Task<int> { co_return co_await Sum(first, last); });
//
// The function is moved into the awaiting task's frame, and runs there in memory while its task
// runs on the other shard, so what it captures by value needs no copy and what it captures by
// reference is the caller's: the caller does not run meanwhile. Its result is moved to the awaiting
// task. An exception that leaves the task is rethrown at the await; DescribeException() tells here,
// too, where it was thrown there.
//
// The remote task inherits the awaiting task's deadline, and is stopped from the beginning when
// that one is stopped already. Cancelling the awaiting task later sends a request to cancel after
// it; the await returns when the remote task has ended.
//
// Shard affinity: any shard's tasks. COST: two messages; two frames of the other shard's pool; no
// other allocation.

#ifndef PELTON_FRAMEWORK_ON_H_
#define PELTON_FRAMEWORK_ON_H_

#include <memory>
#include <optional>
#include <ostream>
#include <type_traits>
#include <utility>
#include <variant>

#include "framework/base/check.h"
#include "framework/base/shard_id.h"
#include "framework/mail.h"
#include "framework/shard.h"
#include "sched/backtrace.h"
#include "sched/task.h"

namespace pelton {

namespace framework_internal {

// The part of an awaited remote call that does not depend on its types. The request goes there, a
// cancellation may follow it, and both come back before the caller goes on: then nobody refers to
// its frame any more.
class RemoteCall : protected Suspension {
 public:
  explicit RemoteCall(ShardId target) : origin_(Shard::Current()->id()), target_(target) {
    PELTON_CHECK(target.index() < Shard::Current()->shards())
        << "On(" << target << "): there are " << Shard::Current()->shards() << " shards";
  }

 protected:
  ~RemoteCall() = default;

  // On the target: spawns the task that ends in SendReply().
  virtual void SpawnRemoteTask() = 0;

  // REQUIRES: the awaiting task was suspended before.
  void SendRequest(PromiseBase& caller);
  // On the target: calls SpawnRemoteTask() in the caller's scheduling group.
  void StartRemoteTask();
  // On the target, from the task: it runs in `context` until it has ended.
  void RemoteTaskRuns(TaskContext& context);
  // On the target: the task has ended.
  void SendReply();

 private:
  struct Node : MailNode {
    RemoteCall* call;
  };

  void Interrupt() override;
  void Describe(std::ostream& out) const override;
  void Arrived() {
    if (--outstanding_ == 0) Resume();
  }

  const ShardId origin_;
  const ShardId target_;
  int outstanding_ = 1;  // messages that must come back; the origin's
  bool cancel_sent_ = false;
  // The caller's; the target reads them after the message that followed their change.
  Timestamp deadline_;
  SchedulingGroup group_;
  StopReason stop_reason_ = StopReason::kNone;
  // Whether the task is to be stopped as soon as it runs; the target's, once the request was sent.
  bool cancel_arrived_early_ = false;
  PromiseBase* caller_ = nullptr;          // the origin's, suspended
  TaskContext* remote_context_ = nullptr;  // the target's
  Node request_;                           // also the reply
  Node cancel_;
};

template <typename Function>
class OnAwaiter final : private RemoteCall {
  using Returned = std::invoke_result_t<Function>;
  static_assert(AnyTask<Returned>, "On() takes a function that returns a Task");
  using T = typename Returned::value_type;
  static_assert(!std::is_reference_v<T>, "a reference to another shard's memory must not travel");
  using Stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

 public:
  OnAwaiter(ShardId target, Function function)
      : RemoteCall(target), function_(std::move(function)) {}

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    Suspend(task.promise());
    SendRequest(task.promise());
  }
  T await_resume() {
    if (failure_ != nullptr) [[unlikely]]
      failure_->Rethrow();
    if constexpr (!std::is_void_v<T>) return *std::move(result_);
  }

 private:
  void SpawnRemoteTask() override { Shard::Current()->visitors().Spawn(&OnAwaiter::Run, this); }

  static Task<void> Run(OnAwaiter* self) {
    self->RemoteTaskRuns(Scheduler::Current()->current_context());
    try {
      if constexpr (std::is_void_v<T>) {
        co_await self->function_();
      } else {
        self->result_.emplace(co_await self->function_());
      }
    } catch (...) {
      self->failure_ = std::make_unique<sched_internal::TravellingException>();
    }
    self->SendReply();
  }

  Function function_;
  std::optional<Stored> result_;
  std::unique_ptr<sched_internal::TravellingException> failure_;
};

}  // namespace framework_internal

// Calls `function()`, which returns a Task<T>, on `shard`, awaits the task there and yields its T
// here. `shard` may be the current one. REQUIRES: awaited at once.
template <typename Function>
[[nodiscard("co_await it")]] auto On(ShardId shard, Function function) {
  return framework_internal::OnAwaiter<Function>(shard, std::move(function));
}

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_ON_H_
