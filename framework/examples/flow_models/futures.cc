// Promises and futures: a value that comes later, and Then() for what comes next.

#include <vector>

#include "framework/base/status.h"
#include "framework/examples/flow_models/measure.h"
#include "framework/examples/flow_models/model.h"
#include "sched/future/future.h"
#include "sched/future/gather.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"

namespace pelton::models {
namespace {

Task<absl::Status> SleepTask(absl::Duration timer) { co_return co_await SleepFor(timer); }

// A future that is fulfilled when the time has come.
Future<void> After(TaskScope& scope, absl::Duration timer) {
  return SpawnFuture(scope, SleepTask(timer));
}

// Waits for `future`, whose work runs in `scope`, and until nothing refers to the scope.
Task<absl::Status> AwaitAndJoin(TaskScope& scope, Future<void> future) {
  const absl::Status status = co_await future;
  absl::Status joined = co_await scope.Join();
  // A task that was told to stop no longer waits for the future, whose continuations still run.
  while (future.valid() && future.phase() == FuturePhase::kPending) {
    co_await Yield();
    joined.Update(co_await scope.Join());
  }
  if (future.valid()) std::move(future).Ignore();
  co_return status.ok() ? joined : status;
}

Task<absl::Status> InSequence(const ThreadWaits&, std::span<const absl::Duration> timers,
                              Journal& journal) {
  TaskScope scope;
  Future<void> chain = FulfilledFuture();
  // NOLINTNEXTLINE(pelton-await-free-loop): one round for each timer.
  for (const absl::Duration timer : timers) {
    chain = std::move(chain)
                .Then([&scope, timer] { return After(scope, timer); })
                .Then([&journal, timer] { journal.TimerEnded(timer); });
  }
  co_return co_await AwaitAndJoin(scope, std::move(chain));
}

Task<absl::Status> Concurrently(const ThreadWaits&, std::span<const absl::Duration> timers,
                                Journal& journal) {
  TaskScope scope;
  std::vector<Future<void>> futures;
  // NOLINTNEXTLINE(pelton-await-free-loop): one round for each timer.
  for (const absl::Duration timer : timers) {
    futures.push_back(After(scope, timer).Then([&journal, timer] { journal.TimerEnded(timer); }));
  }
  co_return co_await AwaitAndJoin(scope, Gather(std::move(futures)));
}

Task<absl::Status> AwaitOther(const ThreadWaits&, Task<absl::Status> other) {
  TaskScope scope;
  co_return co_await AwaitAndJoin(scope, SpawnFuture(scope, std::move(other)).Then([] {}));
}

Task<absl::StatusOr<Cost>> Measure(const ThreadWaits&, int waiters) {
  co_return co_await MeasureSleepers(
      waiters, [](TaskScope& scope) { After(scope, kLongSleep).Then([] {}).Ignore(); });
}

}  // namespace

constinit const Model kFutures = {.name = "promises and futures",
                                  .means = "SpawnFuture, Then, Gather",
                                  .in_sequence = &InSequence,
                                  .concurrently = &Concurrently,
                                  .await = &AwaitOther,
                                  .measure = &Measure};

}  // namespace pelton::models
