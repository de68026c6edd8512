// A shard's worth of scheduling on the thread of a benchmark, on the real clock.

#ifndef PELTON_BENCH_SCHED_BENCHMARK_SHARD_H_
#define PELTON_BENCH_SCHED_BENCHMARK_SHARD_H_

#include <optional>
#include <utility>

#include "alloc/frame_pool.h"
#include "sched/clock.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {

class BenchmarkShard {
 public:
  BenchmarkShard() : scheduler_(clock_), binding_(&scheduler_, &frames_) {
    scope_.emplace(&scheduler_.root(), TaskScope::Options{});
  }

  // Runs `task` to its end, turn by turn, and what became ready by then.
  void Run(Task<void> task) {
    scope_->Spawn(std::move(task));
    while (scope_->live() > 0 || scheduler_.HasReady()) {
      scheduler_.BeginTurn();
      scheduler_.RunReady();
      scheduler_.foreign_inbox().Deliver();
      scheduler_.FireTimers();
    }
  }

  FramePool& frames() { return frames_; }

 private:
  FramePool frames_;
  const MonotonicClock clock_;
  Scheduler scheduler_;
  SchedulerBinding binding_;
  std::optional<TaskScope> scope_;
};

}  // namespace pelton

#endif  // PELTON_BENCH_SCHED_BENCHMARK_SHARD_H_
