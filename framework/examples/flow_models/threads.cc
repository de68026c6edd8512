// OS threads: functions that block run on the pool of threads, and tasks await them.

#include <algorithm>
#include <numeric>
#include <vector>

#include "framework/base/status.h"
#include "framework/blocking.h"
#include "framework/examples/flow_models/measure.h"
#include "framework/examples/flow_models/model.h"
#include "sched/task_scope.h"

namespace pelton::models {
namespace {

// Fewer than the pool has by default, so that all of them block at once.
constexpr int kMeasuredThreads = 8;
// Long enough to count those who block. No thread can be told to end a sleep.
constexpr absl::Duration kShortSleep = absl::Milliseconds(100);

// One thread sleeps again and again.
Task<absl::Status> InSequence(const ThreadWaits& waits, std::span<const absl::Duration> timers,
                              Journal& journal) {
  co_return co_await RunBlocking([&]() -> absl::Status {
    for (const absl::Duration timer : timers) {
      PELTON_RETURN_IF_ERROR(waits.Sleep(timer));
      journal.TimerEnded(timer);  // the shard's task waits for this function
    }
    return absl::OkStatus();
  });
}

// Threads must not share the journal, so the shard's tasks write it.
Task<absl::Status> SleepThenNote(const ThreadWaits* waits, absl::Duration timer, Journal* journal) {
  PELTON_CO_RETURN_IF_ERROR(co_await RunBlocking([=] { return waits->Sleep(timer); }));
  journal->TimerEnded(timer);
  co_return absl::OkStatus();
}

Task<absl::Status> Concurrently(const ThreadWaits& waits, std::span<const absl::Duration> timers,
                                Journal& journal) {
  TaskScope scope;
  // NOLINTNEXTLINE(pelton-await-free-loop): one round for each timer.
  for (const absl::Duration timer : timers) scope.Spawn(SleepThenNote(&waits, timer, &journal));
  co_return co_await scope.Join();
}

Task<absl::Status> AwaitOther(const ThreadWaits& waits, Task<absl::Status> other) {
  co_return co_await RunBlocking([&] { return waits.Await(std::move(other)); });
}

Task<absl::Status> SleepAndLookAtStack(const ThreadWaits* waits, size_t* stack_bytes) {
  co_return co_await RunBlocking([=]() -> absl::Status {
    PELTON_RETURN_IF_ERROR(waits->Sleep(kShortSleep));
    *stack_bytes = ResidentStackBytes();
    return absl::OkStatus();
  });
}

Task<absl::StatusOr<Cost>> Measure(const ThreadWaits& waits, int waiters) {
  const int threads = std::min(waiters, kMeasuredThreads);
  std::vector<size_t> stack_bytes(static_cast<size_t>(threads));
  TaskScope scope;
  const Meter meter;
  // NOLINTNEXTLINE(pelton-await-free-loop): one round for each timer.
  for (size_t& bytes : stack_bytes) scope.Spawn(SleepAndLookAtStack(&waits, &bytes));
  co_await UntilOthersWait();
  Cost cost = meter.PerWaiter(threads);
  PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
  cost.threads = 1;
  cost.stack_bytes =
      static_cast<double>(std::accumulate(stack_bytes.begin(), stack_bytes.end(), size_t{0})) /
      threads;
  co_return cost;
}

}  // namespace

constinit const Model kThreads = {.name = "OS threads",
                                  .means = "RunBlocking, ShardHandle",
                                  .in_sequence = &InSequence,
                                  .concurrently = &Concurrently,
                                  .await = &AwaitOther,
                                  .measure = &Measure};

}  // namespace pelton::models
