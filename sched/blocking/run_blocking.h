// Calls a function that blocks its thread, on a thread of a pool, and brings its result back.
//
//   PELTON_CO_ASSIGN_OR_RETURN(Image image, co_await RunBlocking(pool, [&] { return Decode(bytes); }));
//
// The function is called with no argument, or with a `const StopFlag&` if it takes one. It stays in
// the awaiting task's frame: what it captures by reference is the caller's, who does not run
// meanwhile. It is called on the pool's thread, and destroyed, as its result is used, on the shard.
// It runs on no shard: it must not await, spawn or touch anything of a shard but what it captured.
//
// Yields the function's result as an absl::Status (for void and Status) or an absl::StatusOr (for
// others). An exception that leaves the function is rethrown at the await.
//
// Cancellation and deadlines: a function that has not started is withdrawn and never called; the
// await yields CANCELLED or DEADLINE_EXCEEDED within a turn. One that runs cannot be stopped: its
// StopFlag is raised, the await ends when it returns, and its result is kept.
//
// ERRORS: RESOURCE_EXHAUSTED when the pool has no thread and none can be started; for
// TryRunBlocking() also when the queue is full.
// Shard affinity: any shard's tasks. COST: no allocation; two atomic hand-overs and, mostly, two
// wake-ups of a thread: some 10 µs. Not for functions that take less.

#ifndef PELTON_SCHED_BLOCKING_RUN_BLOCKING_H_
#define PELTON_SCHED_BLOCKING_RUN_BLOCKING_H_

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/blocking/blocking_job.h"
#include "sched/blocking/blocking_pool.h"
#include "sched/blocking/stop_flag.h"
#include "sched/deadline.h"

namespace pelton {

namespace sched_internal {

template <typename Function, bool kTakesStopFlag>
struct BlockingReturn {
  using type = std::invoke_result_t<Function&>;
};
template <typename Function>
struct BlockingReturn<Function, true> {
  using type = std::invoke_result_t<Function&, const StopFlag&>;
};

template <typename Function>
class BlockingAwaiter final : private AwaitedJob {
  static constexpr bool kTakesStopFlag = std::is_invocable_v<Function&, const StopFlag&>;
  static_assert(kTakesStopFlag || std::is_invocable_v<Function&>,
                "RunBlocking() takes a function of no argument, or of a const StopFlag&");
  using Returned = typename BlockingReturn<Function, kTakesStopFlag>::type;
  static_assert(!std::is_reference_v<Returned>,
                "RunBlocking() of a function that returns a reference");
  static_assert(!AnyTask<Returned>,
                "RunBlocking() of a coroutine: it would run on no shard; use On()");
  using Result = typename DeadlineResult<Returned>::type;

 public:
  BlockingAwaiter(BlockingPool& pool, WhenFull when_full, Function function)
      : AwaitedJob(pool, when_full), function_(std::move(function)) {}

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    Begin(task.promise());
  }
  Result await_resume() {
    if (!ran()) [[unlikely]]
      return WhyItDidNotRun();
    if (exception_) [[unlikely]]
      std::rethrow_exception(exception_);
    return *std::move(result_);
  }

 private:
  decltype(auto) Call() {
    if constexpr (kTakesStopFlag) {
      return function_(stop());
    } else {
      return function_();
    }
  }
  void Run() noexcept override {
    try {
      if constexpr (std::is_void_v<Returned>) {
        Call();
        result_.emplace(absl::OkStatus());
      } else {
        result_.emplace(Call());
      }
    } catch (...) {
      exception_ = std::current_exception();
    }
  }

  Function function_;
  std::optional<Result> result_;
  std::exception_ptr exception_;
};

}  // namespace sched_internal

// Calls `function` on a thread of `pool`. When the pool's queue is full, waits its turn behind it,
// in order of arrival. REQUIRES: awaited at once; `pool` outlives the await.
template <typename Function>
[[nodiscard("co_await it")]] auto RunBlocking(BlockingPool& pool, Function function) {
  using sched_internal::BlockingJob;
  return sched_internal::BlockingAwaiter<Function>(pool, BlockingJob::WhenFull::kWait,
                                                   std::move(function));
}

// The same, but yields RESOURCE_EXHAUSTED at once when the queue is full: for work that is better
// refused than late.
template <typename Function>
[[nodiscard("co_await it")]] auto TryRunBlocking(BlockingPool& pool, Function function) {
  using sched_internal::BlockingJob;
  return sched_internal::BlockingAwaiter<Function>(pool, BlockingJob::WhenFull::kFail,
                                                   std::move(function));
}

}  // namespace pelton

#endif  // PELTON_SCHED_BLOCKING_RUN_BLOCKING_H_
