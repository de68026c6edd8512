// What a model's waiters cost, counted while they wait.

#ifndef PELTON_FRAMEWORK_EXAMPLES_FLOW_MODELS_MEASURE_H_
#define PELTON_FRAMEWORK_EXAMPLES_FLOW_MODELS_MEASURE_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "alloc/frame_pool.h"
#include "alloc/thread_allocations.h"
#include "framework/base/status.h"
#include "framework/examples/flow_models/model.h"
#include "sched/preemption.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton::models {

// How long a waiter would sleep; it is cancelled as soon as it was counted.
inline constexpr absl::Duration kLongSleep = absl::Hours(1);

// How much of the calling thread's stack is in memory.
size_t ResidentStackBytes();

// Gives way until every other flow of the running one's group waits for something.
Task<void> UntilOthersWait();

// Takes the difference between two moments.
class Meter {
 public:
  Meter();
  // Since this was made, for each of so many waiters.
  Cost PerWaiter(int waiters) const;

 private:
  const uint64_t frame_bytes_;
  const uint64_t malloc_bytes_;
};

// Calls `start(scope)` for each waiter, which sleeps in it for kLongSleep, and counts.
template <typename Start>
Task<absl::StatusOr<Cost>> MeasureSleepers(int waiters, Start start) {
  TaskScope scope;
  const Meter meter;
  // NOLINTNEXTLINE(pelton-await-free-loop): starts the waiters that are measured.
  for (int i = 0; i < waiters; ++i) start(scope);
  co_await UntilOthersWait();
  const Cost cost = meter.PerWaiter(waiters);
  scope.Cancel();
  PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
  co_return cost;
}

}  // namespace pelton::models

#endif  // PELTON_FRAMEWORK_EXAMPLES_FLOW_MODELS_MEASURE_H_
