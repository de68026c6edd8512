// One program in each of the five models of program flow: timers, first in sequence and then
// concurrently. Every model does its work as a task, so each can await every other.
//
// Shard affinity: the shard of the task that awaits; what threads do is said where they do it.

#ifndef PELTON_FRAMEWORK_EXAMPLES_FLOW_MODELS_MODEL_H_
#define PELTON_FRAMEWORK_EXAMPLES_FLOW_MODELS_MODEL_H_

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "framework/examples/flow_models/thread_waits.h"
#include "sched/clock.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "sched/timestamp.h"

namespace pelton::models {

// Which timers have ended, and when.
class Journal {
 public:
  struct Entry {
    absl::Duration timer;
    absl::Duration at;  // since the journal was begun
  };

  // REQUIRES: called on a shard.
  Journal() : clock_(Scheduler::Current()->clock()), begin_(clock_.Now()) {}

  // A thread may call it, too, while nobody else uses the journal.
  void TimerEnded(absl::Duration timer) { entries_.push_back({timer, Elapsed()}); }
  absl::Duration Elapsed() const { return clock_.Now() - begin_; }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  const Clock& clock_;
  const Timestamp begin_;
  std::vector<Entry> entries_;
};

// What one waiter that sleeps takes beyond a timer's node, on average.
struct Cost {
  int waiters = 0;          // how many it was measured with
  double frame_bytes = 0;   // of the shard's frame pool
  double stack_bytes = 0;   // touched pages of a stack of its own
  double malloc_bytes = 0;  // what the shard's thread took from malloc
  double threads = 0;       // of the operating system
};

struct Model {
  std::string_view name;
  std::string_view means;  // by which functions of Pelton

  // Starts each timer when the one before has ended.
  Task<absl::Status> (*in_sequence)(const ThreadWaits&, std::span<const absl::Duration>, Journal&);
  // Starts all timers at once.
  Task<absl::Status> (*concurrently)(const ThreadWaits&, std::span<const absl::Duration>, Journal&);
  // Awaits `other` in code of this model, and yields its status.
  Task<absl::Status> (*await)(const ThreadWaits&, Task<absl::Status> other);
  // Measures `waiters` at a time; OS threads are measured with a few.
  Task<absl::StatusOr<Cost>> (*measure)(const ThreadWaits&, int waiters);
};

extern const Model kThreads;
extern const Model kFibers;
extern const Model kCallbacks;
extern const Model kFutures;
extern const Model kCoroutines;

inline constexpr const Model* kAllModels[] = {&kThreads, &kFibers, &kCallbacks, &kFutures,
                                              &kCoroutines};

}  // namespace pelton::models

#endif  // PELTON_FRAMEWORK_EXAMPLES_FLOW_MODELS_MODEL_H_
