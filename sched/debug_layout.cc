#include "sched/debug_layout.h"

#include "sched/promise.h"
#include "sched/scheduler.h"
#include "sched/sleep.h"
#include "sched/task_context.h"

namespace pelton {

// offsetof of a class that is not of standard layout is conditionally supported; clang and GCC
// support it.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

struct sched_internal::DebugAccess {
  static constexpr DebugLayout Layout() {
    return {.version = 1,
            .scheduler_shard = offsetof(Scheduler, options_) + offsetof(Scheduler::Options, shard),
            .scheduler_root = offsetof(Scheduler, root_),
            .scheduler_running = offsetof(Scheduler, running_),
            .scheduler_leaf = offsetof(Scheduler, leaf_),
            .scheduler_now = offsetof(Scheduler, now_),
            .context_hook = 0,
            .context_children = offsetof(TaskContext, children_),
            .context_parent = offsetof(TaskContext, parent_),
            .context_leaf = offsetof(TaskContext, leaf_),
            .context_waiting_for = offsetof(TaskContext, waiting_for_),
            .context_state = offsetof(TaskContext, state_),
            // A bit-field has no offset of its own: it is the byte before.
            .context_flags = offsetof(TaskContext, group_) - 1,
            .context_group = offsetof(TaskContext, group_),
            .context_started_at = offsetof(TaskContext, started_at_),
            .context_age_shift = TaskContext::kAgeShift,
            .promise_parent = offsetof(PromiseBase, parent_),
            .promise_location = offsetof(PromiseBase, awaiting_at_),
            .sleep_suspension = 0,
            .sleep_deadline = offsetof(SleepUntil, deadline_ns_)};
  }
};

#pragma GCC diagnostic pop

extern "C" {
constexpr DebugLayout pelton_debug_layout = sched_internal::DebugAccess::Layout();
constinit std::atomic<Scheduler*> pelton_debug_schedulers[sched_internal::kDebugSchedulers] = {};
}

void sched_internal::EnterDebugList(Scheduler& scheduler) {
  for (std::atomic<Scheduler*>& slot : pelton_debug_schedulers) {
    Scheduler* free = nullptr;
    if (slot.compare_exchange_strong(free, &scheduler)) return;
  }
}

void sched_internal::LeaveDebugList(Scheduler& scheduler) {
  for (std::atomic<Scheduler*>& slot : pelton_debug_schedulers) {
    Scheduler* self = &scheduler;
    if (slot.compare_exchange_strong(self, nullptr)) return;
  }
}

}  // namespace pelton
