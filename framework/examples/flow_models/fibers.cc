// Stackful fibers: code that waits like a thread's, on a stack of its own, without blocking the
// shard.

#include <numeric>
#include <vector>

#include "framework/base/status.h"
#include "framework/examples/flow_models/measure.h"
#include "framework/examples/flow_models/model.h"
#include "sched/fiber/fiber.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"

namespace pelton::models {
namespace {

// A plain function. It may be called at any depth of a fiber's calls.
absl::Status SleepThenNote(absl::Duration timer, Journal& journal) {
  PELTON_RETURN_IF_ERROR(Await(SleepFor(timer)));
  journal.TimerEnded(timer);
  return absl::OkStatus();
}

Task<absl::Status> InSequence(const ThreadWaits&, std::span<const absl::Duration> timers,
                              Journal& journal) {
  co_return co_await RunFiber([&]() -> absl::Status {
    for (const absl::Duration timer : timers) {
      PELTON_RETURN_IF_ERROR(SleepThenNote(timer, journal));
    }
    return absl::OkStatus();
  });
}

Task<absl::Status> Concurrently(const ThreadWaits&, std::span<const absl::Duration> timers,
                                Journal& journal) {
  TaskScope scope;
  // NOLINTNEXTLINE(pelton-await-free-loop): one round for each timer.
  for (const absl::Duration timer : timers) {
    scope.Spawn(RunFiber([timer, &journal] { return SleepThenNote(timer, journal); }));
  }
  co_return co_await scope.Join();
}

Task<absl::Status> AwaitOther(const ThreadWaits&, Task<absl::Status> other) {
  co_return co_await RunFiber([&other] { return Await(std::move(other)); });
}

Task<absl::StatusOr<Cost>> Measure(const ThreadWaits&, int waiters) {
  std::vector<size_t> stack_bytes(static_cast<size_t>(waiters));
  size_t next = 0;
  PELTON_CO_ASSIGN_OR_RETURN(
      Cost cost, co_await MeasureSleepers(waiters, [&](TaskScope& scope) {
        scope.Spawn(RunFiber([] { return Await(SleepFor(kLongSleep)); },
                             {.name = "sleeper", .stack_used_bytes = &stack_bytes[next++]}));
      }));
  cost.stack_bytes =
      static_cast<double>(std::accumulate(stack_bytes.begin(), stack_bytes.end(), size_t{0})) /
      waiters;
  co_return cost;
}

}  // namespace

constinit const Model kFibers = {.name = "stackful fibers",
                                 .means = "RunFiber, Await",
                                 .in_sequence = &InSequence,
                                 .concurrently = &Concurrently,
                                 .await = &AwaitOther,
                                 .measure = &Measure};

}  // namespace pelton::models
