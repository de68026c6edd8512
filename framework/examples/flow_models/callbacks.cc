// Callbacks: what comes next is a function that is called with the outcome.

#include "framework/base/status.h"
#include "framework/examples/flow_models/measure.h"
#include "framework/examples/flow_models/model.h"
#include "sched/callback/from_callback.h"
#include "sched/callback/start_with_callback.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"

namespace pelton::models {
namespace {

// Calls `callback(absl::Status)` when the time has come.
template <typename Callback>
void CallAfter(TaskScope& scope, absl::Duration timer, Callback callback) {
  StartWithCallback(scope, [timer] { return SleepFor(timer); }, std::move(callback));
}

// Runs one timer after the other, and then calls `done`.
void RunTimers(TaskScope& scope, std::span<const absl::Duration> timers, Journal& journal,
               const Completion<void>& done) {
  if (timers.empty()) return done();
  CallAfter(scope, timers.front(), [&scope, timers, &journal, done](const absl::Status& status) {
    if (!status.ok()) return done(status);
    journal.TimerEnded(timers.front());
    RunTimers(scope, timers.subspan(1), journal, done);
  });
}

// Calls `start(scope, done)` and waits until `done` was called and nothing runs in the scope.
template <typename Start>
Task<absl::Status> UntilDone(Start start) {
  TaskScope scope;
  const absl::Status status = co_await FromCallback<void>(
      "the timers", [&](const Completion<void>& done) { start(scope, done); },
      [&scope] { scope.Cancel(); });
  const absl::Status joined = co_await scope.Join();
  co_return status.ok() ? joined : status;
}

Task<absl::Status> InSequence(const ThreadWaits&, std::span<const absl::Duration> timers,
                              Journal& journal) {
  co_return co_await UntilDone([&](TaskScope& scope, const Completion<void>& done) {
    RunTimers(scope, timers, journal, done);
  });
}

Task<absl::Status> Concurrently(const ThreadWaits&, std::span<const absl::Duration> timers,
                                Journal& journal) {
  size_t pending = timers.size();
  absl::Status outcome;
  co_return co_await UntilDone([&](TaskScope& scope, const Completion<void>& done) {
    for (const absl::Duration timer : timers) {
      CallAfter(scope, timer, [&, timer, done](const absl::Status& status) {
        if (status.ok()) journal.TimerEnded(timer);
        outcome.Update(status);
        if (--pending == 0) done(outcome);
      });
    }
  });
}

Task<absl::Status> AwaitOther(const ThreadWaits&, Task<absl::Status> other) {
  co_return co_await UntilDone([&other](TaskScope& scope, const Completion<void>& done) {
    StartWithCallback(scope, std::move(other),
                      [done](absl::Status status) { done(std::move(status)); });
  });
}

Task<absl::StatusOr<Cost>> Measure(const ThreadWaits&, int waiters) {
  co_return co_await MeasureSleepers(
      waiters, [](TaskScope& scope) { CallAfter(scope, kLongSleep, [](const absl::Status&) {}); });
}

}  // namespace

constinit const Model kCallbacks = {.name = "callbacks",
                                    .means = "StartWithCallback, FromCallback",
                                    .in_sequence = &InSequence,
                                    .concurrently = &Concurrently,
                                    .await = &AwaitOther,
                                    .measure = &Measure};

}  // namespace pelton::models
