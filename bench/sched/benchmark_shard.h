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
  explicit BenchmarkShard(const Scheduler::Options& options = {})
      : scheduler_(clock_, options), binding_(&scheduler_, &frames_) {
    scope_.emplace(&scheduler_.root(), TaskScope::Options{});
  }

  // Runs `task` to its end, turn by turn, and what became ready by then.
  void Run(Task<void> task) {
    scope_->Spawn(std::move(task));
    RunToTheEnd();
  }

  // Takes turns until all tasks of the scope have ended.
  void RunToTheEnd() {
    while (scope_->live() > 0 || scheduler_.HasReady()) {
      Turn();
      scheduler_.foreign_inbox().Deliver();
      scheduler_.FireTimers();
    }
  }

  // Runs what is ready.
  void Turn() {
    scheduler_.BeginTurn();
    scheduler_.RunReady();
  }

  TaskScope& scope() { return *scope_; }
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
