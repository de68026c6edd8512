// How threads that are no shards have work done on one: a library's own threads, a main program
// around a runtime.
//
//   ShardHandle handle = shard.handle();                       // on the shard; copy it anywhere
//   absl::StatusOr<size_t> size = handle.SubmitAndWait([&] { return cache.Local().size(); });
//   ForeignResult<int> result = handle.Submit([]() -> Task<int> { co_return co_await Sum(); });
//   absl::StatusOr<int> later = result.Wait();
//
// The function is called on the shard, in a task of its visitors() scope, and destroyed there. It
// returns a Task, or a plain result. An exception that leaves it is rethrown by Wait().
//
// Bounds: Shard::Options::foreign_limit submissions of one shard may be unfinished. One more is
// refused at once with RESOURCE_EXHAUSTED: whoever submits waits for one of its results first.
// The end: a handle outlives its shard. What is submitted once all services have returned is
// refused with UNAVAILABLE; what was accepted before keeps the service from ending, and is
// cancelled as all visitors are.
// Shard affinity: handles and results any thread but a shard's (checked where one would block): a
// shard uses On(). One result is used by one thread at a time.
// Cost: a submission is one allocation, a short lock among foreign threads, and a wake-up when the
// shard sleeps.

#ifndef PELTON_FRAMEWORK_FOREIGN_H_
#define PELTON_FRAMEWORK_FOREIGN_H_

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "framework/base/shard_id.h"
#include "framework/internal/foreign_call.h"
#include "framework/internal/foreign_gate.h"
#include "framework/shard.h"
#include "sched/deadline.h"
#include "sched/task.h"

namespace pelton {

namespace framework_internal {

// What a function yields that returns a Task<T>, or a plain T.
template <typename T>
struct SubmittedValue {
  using type = T;
};
template <typename T>
struct SubmittedValue<Task<T>> {
  using type = T;
};

// A call and where its result goes.
template <typename T>
class ForeignCallOf : public ForeignCall {
 public:
  using Result = typename sched_internal::DeadlineResult<T>::type;

  using ForeignCall::ForeignCall;

  std::optional<Result> result;
  std::exception_ptr exception;
};

template <typename T, typename Function>
class ForeignFunctionCall final : public ForeignCallOf<T> {
  using Returned = std::invoke_result_t<Function&>;

 public:
  ForeignFunctionCall(std::shared_ptr<ForeignGate> gate, Function function)
      : ForeignCallOf<T>(std::move(gate)), function_(std::move(function)) {}

 private:
  void Start(std::shared_ptr<ForeignCall> self) override {
    Shard::Current()->visitors().Spawn(
        &ForeignFunctionCall::Run, std::static_pointer_cast<ForeignFunctionCall>(std::move(self)));
  }

  static Task<void> Run(std::shared_ptr<ForeignFunctionCall> self) {
    self->TaskRuns();
    try {
      if constexpr (!AnyTask<Returned> && std::is_void_v<T>) {
        (*self->function_)();
        self->result.emplace(absl::OkStatus());
      } else if constexpr (!AnyTask<Returned>) {
        self->result.emplace((*self->function_)());
      } else if constexpr (std::is_void_v<T>) {
        co_await (*self->function_)();
        self->result.emplace(absl::OkStatus());
      } else {
        self->result.emplace(co_await (*self->function_)());
      }
    } catch (...) {
      self->exception = std::current_exception();
    }
    self->function_.reset();
    co_await self->End();
  }

  std::optional<Function> function_;
};

}  // namespace framework_internal

// The result of a submission, to come. Destroying it unused tells the task to stop (what it awaits
// yields CANCELLED) and waits for nothing; Detach() lets the task go on.
template <typename T>
class [[nodiscard("dropping it cancels the task; Detach() lets it run on")]] ForeignResult {
 public:
  // The task's T as an absl::Status (for void and Status) or an absl::StatusOr (for others).
  using Result = typename framework_internal::ForeignCallOf<T>::Result;

  ForeignResult(ForeignResult&& other) noexcept = default;
  ForeignResult& operator=(ForeignResult&& other) noexcept {
    ForeignResult taken(std::move(other));
    std::swap(call_, taken.call_);
    return *this;
  }
  ~ForeignResult() {
    if (call_ != nullptr) call_->Cancel();
  }

  // Whether there is a result to wait for: not after Wait(), Detach() or a move.
  bool valid() const { return call_ != nullptr; }
  // Whether Wait() would return at once. REQUIRES: valid().
  bool ready() const { return call_->ended(); }

  // Blocks this thread until the task has ended, and takes its result or rethrows its exception.
  // REQUIRES: valid(), and not on a shard's thread: the shard might wait for itself (both checked).
  // ERRORS: RESOURCE_EXHAUSTED and UNAVAILABLE as above, of a task that was never started.
  Result Wait() { return *WaitUntil(absl::InfiniteDuration()); }

  // The same, for no longer than `timeout`. When that has passed yields DEADLINE_EXCEEDED and takes
  // nothing: the task goes on, and one may wait again, Cancel() it, or drop it.
  Result WaitFor(absl::Duration timeout) {
    std::optional<Result> result = WaitUntil(timeout);
    if (result.has_value()) return *std::move(result);
    return absl::DeadlineExceededError("what was submitted to a shard takes longer");
  }

  // Tells the task to stop. It still has a result to wait for. REQUIRES: valid().
  void Cancel() { call_->Cancel(); }

  // Gives the result up and lets the task go on, in its shard's visitors() scope: it is cancelled
  // when the services have ended. What comes of it is dropped, an error too. REQUIRES: valid().
  void Detach() && { call_.reset(); }

 private:
  friend class ShardHandle;
  explicit ForeignResult(std::shared_ptr<framework_internal::ForeignCallOf<T>> call)
      : call_(std::move(call)) {}

  // Nothing when `timeout` passes first.
  std::optional<Result> WaitUntil(absl::Duration timeout) {
    PELTON_CHECK(valid()) << "a ForeignResult whose result was taken";
    if (!call_->Await(timeout)) return std::nullopt;
    const auto call = std::move(call_);
    if (!call->refusal().ok()) return Result(call->refusal());
    if (call->exception) std::rethrow_exception(call->exception);
    return std::move(call->result);
  }

  std::shared_ptr<framework_internal::ForeignCallOf<T>> call_;
};

// Reaches a shard from any thread. Copies refer to the same shard; made by Shard::handle().
class ShardHandle {
 public:
  // Which shard.
  ShardId id() const { return gate_->id(); }

  // Has `function()` called on the shard. Never waits for the shard; see above for when the result
  // is an error from the beginning. REQUIRES: not called on a shard's thread (checked).
  template <typename Function>
  auto Submit(Function function) const {
    using T = typename framework_internal::SubmittedValue<std::invoke_result_t<Function&>>::type;
    static_assert(!std::is_reference_v<T>, "a reference to a shard's memory must not leave it");
    auto call = std::make_shared<framework_internal::ForeignFunctionCall<T, Function>>(
        gate_, std::move(function));
    framework_internal::ForeignCall::Submit(call);
    return ForeignResult<T>(std::move(call));
  }

  // Submits `function` and blocks until it has ended. REQUIRES: as for Submit().
  template <typename Function>
  auto SubmitAndWait(Function function) const {
    return Submit(std::move(function)).Wait();
  }

 private:
  friend class Shard;
  explicit ShardHandle(std::shared_ptr<framework_internal::ForeignGate> gate)
      : gate_(std::move(gate)) {}

  std::shared_ptr<framework_internal::ForeignGate> gate_;
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_FOREIGN_H_
