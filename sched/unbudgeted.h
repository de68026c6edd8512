// Lets a task keep the shard for a while: no preemption point makes it give way.
//
//   {
//     Unbudgeted whole(absl::Milliseconds(2));
//     for (const Edge& edge : edges) co_await Apply(edge);   // no other task runs in between
//   }
//
// For work that must not be torn apart or must be done at once. It delays every other task, timer
// and connection of the shard, so it is bounded: after `limit` the task gives way as every other
// does, and the overrun is reported in one line on stderr (one a second at most per shard's
// thread). Other tasks run all the same when the task has to wait: Unbudgeted is no lock, and ends
// at the first await that suspends.
//
// Shard affinity: the running task's. COST: two clock readings; one more for each 16 awaits that
// pass when the budget is spent.

#ifndef PELTON_SCHED_UNBUDGETED_H_
#define PELTON_SCHED_UNBUDGETED_H_

#include <source_location>

#include "absl/time/time.h"
#include "sched/scheduler.h"

namespace pelton {

// REQUIRES: a local variable of a coroutine; they do not nest.
class [[nodiscard("it ends with its scope")]] Unbudgeted {
 public:
  explicit Unbudgeted(absl::Duration limit,
                      std::source_location location = std::source_location::current())
      : end_(Scheduler::Current()->PreciseNow() + limit),
        resumption_(Scheduler::Current()->current_resumption()),
        location_(location) {
    Scheduler::Current()->SetUnbudgeted(end_);
  }
  ~Unbudgeted();
  Unbudgeted(const Unbudgeted&) = delete;
  Unbudgeted& operator=(const Unbudgeted&) = delete;

  // Whether it has ended before its scope: the limit has passed, or the task was suspended.
  bool ended() const;

 private:
  bool suspended() const { return Scheduler::Current()->current_resumption() != resumption_; }

  const Timestamp end_;
  const uint64_t resumption_;  // the task has not been suspended as long as this is the last one
  const std::source_location location_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_UNBUDGETED_H_
