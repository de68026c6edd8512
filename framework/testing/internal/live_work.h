// What is alive on a shard: counted, told to people, and brought to an end.
//
// Shard affinity: the shard in question is bound to this thread, or may be.
// Cost: walks over every context.

#ifndef PELTON_FRAMEWORK_TESTING_INTERNAL_LIVE_WORK_H_
#define PELTON_FRAMEWORK_TESTING_INTERNAL_LIVE_WORK_H_

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "framework/shard.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_context.h"

namespace pelton::testing_internal {

// What has not ended. The running task does not count.
struct LiveWork {
  size_t tasks = 0;         // flows that are ready or wait
  size_t timers = 0;        // those of sleeping tasks are among them
  uint64_t operations = 0;  // handed to the reactor and not completed

  uint64_t connections = 0;  // streams that were not destroyed, or have not closed yet
  size_t scopes = 0;         // made below the root, beside the shard's own; with tasks or without

  // Whether something is alive that runs or may run.
  bool any() const { return tasks > 0 || timers > 0 || operations > 0 || connections > 0; }
  LiveWork& operator+=(const LiveWork& other);
  // "2 tasks, 1 timer, 1 operation and 0 connections".
  std::string ToString() const;
};

LiveWork InspectShard(Shard& shard);

// How many flows below `above` are ready or wait.
size_t CountTasks(const TaskContext& above);

// The asynchronous backtraces of the shard's tasks.
std::string DumpShard(Shard& shard);

// Cancels every flow below `above` but for `spared` and those above it.
void StopBelow(TaskContext& above, TaskContext& spared);

// Cancels every flow below `above` but for the running one, and waits until they have ended. Yields
// false when some have not after hours of virtual time or seconds of real time. REQUIRES: `above`
// is the running flow's context or above it.
Task<bool> EndTasksBelow(TaskContext& above);

// Waits for `duration` in spite of every request to stop: for clearing up after those that obey it.
class [[nodiscard("co_await it")]] Pause final : private Suspension, private Timer {
 public:
  explicit Pause(absl::Duration duration) : duration_(duration) {}

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    Suspend(task.promise());
    Scheduler& scheduler = *Scheduler::Current();
    scheduler.timers().Arm(*this, (scheduler.PreciseNow() + duration_).nanoseconds());
  }
  void await_resume() const noexcept {}

 private:
  void Fire() override { Resume(); }
  void Interrupt() override {}
  void Describe(std::ostream& out) const override { out << "the end of what a test has started"; }

  const absl::Duration duration_;
};

}  // namespace pelton::testing_internal

#endif  // PELTON_FRAMEWORK_TESTING_INTERNAL_LIVE_WORK_H_
