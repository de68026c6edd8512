// Clean-up that has to await: what a destructor cannot do.
//
//   co_await WithDefer([&](Defer& defer) -> Task<absl::Status> {
//     Lease lease = co_await Acquire();
//     defer.Add([&] { return lease.Release(); });          // a Task, or another awaitable
//     co_return co_await Work(lease);
//   });
//
// What was added runs when the body has ended, in reverse order, one after the other, whatever the
// body's end was: a value, an error, an exception, a cancellation. It is shielded (see shield.h):
// the cancellation that ended the body does not reach it, and each has a time limit of its own.
//
// The body's locals are gone by then. So what clean-up needs is captured by value, or belongs to
// somebody outside of the body.
//
// Shard affinity: the awaiting task's. Ownership: Defer owns the functions until they have run.
// Cost: a frame each; no other allocation for the first eight.

#ifndef PELTON_SCHED_DEFER_H_
#define PELTON_SCHED_DEFER_H_

#include <concepts>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "sched/awaitable.h"
#include "sched/nested_context.h"
#include "sched/shield.h"
#include "sched/task.h"

namespace pelton {

class Defer {
 public:
  // `options` holds for each function; its limit begins with the function.
  explicit Defer(const ShieldOptions& options = {}) : options_(options) {}
  Defer(const Defer&) = delete;
  Defer& operator=(const Defer&) = delete;
  // REQUIRES: Run() has been awaited since the last Add() (checked).
  ~Defer();

  // Will call `function()`, which returns void, an absl::Status, or an awaitable that yields one of
  // these, such as a Task. The function is moved in; it may Add() more, which runs next.
  template <typename F>
    requires std::invocable<F&>
  void Add(F function) {
    functions_.push_back(Call(std::move(function)));
  }

  // How many functions wait to be run.
  size_t size() const { return functions_.size(); }

  // Runs the functions, the last one first, all of them whatever becomes of the others. Yields the
  // first error or rethrows the first exception. WithDefer() does this by itself.
  Task<absl::Status> Run();

 private:
  template <typename F>
  static Task<absl::Status> Call(F function) {
    using Returned = std::invoke_result_t<F&>;
    if constexpr (std::is_void_v<Returned>) {
      std::invoke(function);
    } else if constexpr (std::convertible_to<Returned, absl::Status>) {
      co_return std::invoke(function);
    } else {
      static_assert(Awaitable<Returned>,
                    "Defer takes functions that return void, an absl::Status, "
                    "or a Task of these");
      if constexpr (std::is_void_v<AwaitResult<Returned>>) {
        co_await std::invoke(function);
      } else {
        co_return co_await std::invoke(function);
      }
    }
    co_return absl::OkStatus();
  }

  const ShieldOptions options_;
  absl::InlinedVector<Task<absl::Status>, 8> functions_;
};

// Calls `body(defer)`, which returns a Task, and runs what it added to `defer` when that task has
// ended. Yields what the task yields, as an absl::Status (for void and Status) or an
// absl::StatusOr (for others). An error or exception of the body comes before one of the clean-up,
// and that before the body's value.
template <typename Body>
auto WithDefer(Body body, ShieldOptions options = {})
    -> Task<typename sched_internal::DeadlineResult<
        AwaitResult<std::invoke_result_t<Body&, Defer&>>>::type> {
  using T = AwaitResult<std::invoke_result_t<Body&, Defer&>>;
  using Result = typename sched_internal::DeadlineResult<T>::type;
  Defer defer(options);
  Result result = absl::UnknownError("the body has thrown");
  std::exception_ptr exception;
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::invoke(body, defer);
      result = absl::OkStatus();
    } else {
      result = co_await std::invoke(body, defer);
    }
  } catch (...) {
    exception = std::current_exception();
  }
  absl::Status cleaned;
  std::exception_ptr cleaning_exception;
  try {
    cleaned = co_await defer.Run();
  } catch (...) {
    cleaning_exception = std::current_exception();
  }
  if (exception) std::rethrow_exception(exception);
  if (!result.ok()) co_return result;
  if (cleaning_exception) std::rethrow_exception(cleaning_exception);
  if (!cleaned.ok()) co_return cleaned;
  co_return result;
}

}  // namespace pelton

#endif  // PELTON_SCHED_DEFER_H_
