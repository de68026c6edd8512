// Tries something again when it fails, waiting longer each time.
//
//   absl::StatusOr<Reply> reply = co_await Retry({.attempts = 5}, [&] { return Call(request); });
//
// Only errors that may pass are tried again: UNAVAILABLE unless `retryable` says otherwise. The last
// error comes back with the number of attempts in front of its message. Nothing is tried again once
// the task was told to stop, and when the wait would last past the task's deadline the last error
// comes back at once. An exception is no error: it ends the retries and leaves Retry().
//
// The waits grow by `multiplier` from `initial_backoff` up to `max_backoff`. Each is shortened by a
// random part of up to `jitter`, so that clients that failed together do not come back together; it
// is drawn from Scheduler::random(), which tests seed.
//
// Shard affinity: the awaiting task's. COST: a frame; a timer a wait.
// Source: the AWS Architecture Blog's "Exponential Backoff and Jitter" (2015), for why.

#ifndef PELTON_SCHED_RETRY_H_
#define PELTON_SCHED_RETRY_H_

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "sched/awaitable.h"
#include "sched/deadline.h"
#include "sched/random.h"
#include "sched/scheduler.h"
#include "sched/sleep.h"
#include "sched/task.h"

namespace pelton {

struct RetryOptions {
  // How often it is tried in all; at least once.
  int attempts = 3;
  absl::Duration initial_backoff = absl::Milliseconds(100);
  // By what each wait is longer than the one before; at least 1.
  double multiplier = 2;
  absl::Duration max_backoff = absl::Seconds(10);
  // How much of a wait is random, from 0 (none) to 1 (all).
  double jitter = 0.5;
  // Whether an error may pass.
  bool (*retryable)(const absl::Status&) = absl::IsUnavailable;
};

// The waits between attempts, for loops that Retry() does not fit, such as one that reconnects.
class Backoff {
 public:
  // REQUIRES: what RetryOptions says of its fields (checked). `attempts` and `retryable` do not
  // matter here.
  explicit Backoff(const RetryOptions& options);

  // How long to wait before the next attempt; grows with each call.
  absl::Duration Next(Random& random);
  // Begins anew, after a success.
  void Reset() { backoff_ = initial_; }

 private:
  absl::Duration initial_;
  absl::Duration max_;
  double multiplier_;
  double jitter_;
  absl::Duration backoff_;
};

namespace sched_internal {

// `error`, which the last of `attempts` attempts has yielded, with the reason why there are no
// more. Keeps code and payloads.
absl::Status GaveUp(const absl::Status& error, int attempts, const char* reason);

template <typename F>
using RetryResult = std::remove_cvref_t<AwaitResult<std::invoke_result_t<F&>>>;

}  // namespace sched_internal

// Calls `function()`, which returns a Task (or another awaitable) that yields an absl::Status or an
// absl::StatusOr, and awaits it, until it succeeds or options say to give up. Yields what the last
// attempt yielded. When the task is stopped during a wait, yields the stop status.
template <typename F>
  requires std::invocable<F&> && Awaitable<std::invoke_result_t<F&>>
Task<sched_internal::RetryResult<F>> Retry(RetryOptions options, F function) {
  PELTON_CHECK(options.attempts > 0) << "Retry() of " << options.attempts << " attempts";
  Backoff backoff(options);
  for (int attempt = 1;; ++attempt) {
    sched_internal::RetryResult<F> result = co_await std::invoke(function);
    if (result.ok()) [[likely]]
      co_return result;
    const absl::Status& error = base_internal::StatusOf(result);
    if (StopRequested() || !options.retryable(error)) co_return result;
    if (attempt == options.attempts) {
      co_return sched_internal::GaveUp(error, attempt, "no attempt is left");
    }
    const Timestamp next =
        Scheduler::Current()->PreciseNow() + backoff.Next(Scheduler::Current()->random());
    if (next >= CurrentDeadline()) {
      co_return sched_internal::GaveUp(error, attempt, "the deadline leaves no time for another");
    }
    PELTON_CO_RETURN_IF_ERROR(co_await SleepUntil(next));
  }
}

}  // namespace pelton

#endif  // PELTON_SCHED_RETRY_H_
