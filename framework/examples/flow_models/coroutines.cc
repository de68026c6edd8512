// Coroutines: `co_await` where one waits. The models that follow do their work as tasks, too.

#include "framework/base/status.h"
#include "framework/examples/flow_models/measure.h"
#include "framework/examples/flow_models/model.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"

namespace pelton::models {
namespace {

Task<absl::Status> SleepThenNote(absl::Duration timer, Journal* journal) {
  PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(timer));
  journal->TimerEnded(timer);
  co_return absl::OkStatus();
}

Task<absl::Status> InSequence(const ThreadWaits&, std::span<const absl::Duration> timers,
                              Journal& journal) {
  for (const absl::Duration timer : timers) {
    PELTON_CO_RETURN_IF_ERROR(co_await SleepThenNote(timer, &journal));
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Concurrently(const ThreadWaits&, std::span<const absl::Duration> timers,
                                Journal& journal) {
  TaskScope scope;
  // NOLINTNEXTLINE(pelton-await-free-loop): one round for each timer.
  for (const absl::Duration timer : timers) scope.Spawn(SleepThenNote(timer, &journal));
  co_return co_await scope.Join();
}

Task<absl::Status> AwaitOther(const ThreadWaits&, Task<absl::Status> other) {
  co_return co_await std::move(other);
}

Task<absl::Status> SleepLong() { co_return co_await SleepFor(kLongSleep); }

Task<absl::StatusOr<Cost>> Measure(const ThreadWaits&, int waiters) {
  co_return co_await MeasureSleepers(waiters, [](TaskScope& scope) { scope.Spawn(SleepLong()); });
}

}  // namespace

constinit const Model kCoroutines = {.name = "coroutines",
                                     .means = "co_await, TaskScope",
                                     .in_sequence = &InSequence,
                                     .concurrently = &Concurrently,
                                     .await = &AwaitOther,
                                     .measure = &Measure};

}  // namespace pelton::models
