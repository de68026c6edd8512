#include "framework/testing/internal/live_work.h"

#include <sstream>

#include "absl/strings/str_cat.h"
#include "io/reactor.h"
#include "sched/backtrace.h"

namespace pelton::testing_internal {
namespace {

std::string Count(uint64_t count, const char* singular) {
  return absl::StrCat(count, " ", singular, count == 1 ? "" : "s");
}

// The next context of a walk over the tree below `root` in pre-order; null at its end.
const TaskContext* NextBelow(const TaskContext* at, const TaskContext* root) {
  if (const TaskContext* child = at->first_child()) return child;
  for (; at != root; at = at->parent()) {
    if (const TaskContext* sibling = at->next_sibling()) return sibling;
  }
  return nullptr;
}

}  // namespace

LiveWork& LiveWork::operator+=(const LiveWork& other) {
  tasks += other.tasks;
  timers += other.timers;
  operations += other.operations;
  connections += other.connections;
  scopes += other.scopes;
  return *this;
}

std::string LiveWork::ToString() const {
  return absl::StrCat(Count(tasks, "task"), ", ", Count(timers, "timer"), ", ",
                      Count(operations, "operation"), " and ", Count(connections, "connection"));
}

LiveWork InspectShard(Shard& shard) {
  // Of its service and its visitors.
  constexpr size_t kScopesOfAShard = 2;
  const TaskContext& root = shard.scheduler().root();
  const io::Reactor::Statistics& statistics = shard.reactor().statistics();
  size_t scopes = 0;
  for (const TaskContext* at = root.first_child(); at != nullptr; at = at->next_sibling()) ++scopes;
  return {.tasks = CountTasks(root),
          .timers = shard.scheduler().timers().size(),
          .operations = shard.reactor().in_flight(),
          .connections = statistics.connections_opened - statistics.connections_closed,
          .scopes = scopes - kScopesOfAShard};
}

size_t CountTasks(const TaskContext& above) {
  size_t tasks = 0;
  const TaskContext* at = NextBelow(&above, &above);
  for (; at != nullptr; at = NextBelow(at, &above)) {
    if (at->state() == TaskContext::State::kReady ||
        at->state() == TaskContext::State::kSuspended) {
      ++tasks;
    }
  }
  return tasks;
}

std::string DumpShard(Shard& shard) {
  const Shard::Binding binding(shard);
  std::ostringstream out;
  DumpTasks(out, shard.scheduler());
  return out.str();
}

void StopBelow(TaskContext& above, TaskContext& spared) {
  const TaskContext* on_the_way = nullptr;
  for (TaskContext* at = &spared;; at = at->parent()) {
    const TaskContext* child = at->first_child();
    for (; child != nullptr; child = child->next_sibling()) {
      if (child == on_the_way) continue;
      // No context is a constant; the tree only shows them as such.
      const_cast<TaskContext*>(child)->Stop(StopPhase::kEverything, StopReason::kCancelled);
    }
    if (at == &above) return;
    on_the_way = at;
  }
}

Task<bool> EndTasksBelow(TaskContext& above) {
  Scheduler& scheduler = *Scheduler::Current();
  StopBelow(above, scheduler.current_context());
  const absl::Duration longest = scheduler.clock().is_virtual() ? absl::Hours(4) : absl::Seconds(2);
  // Each pause is twice the one before: mostly none is needed, and hours take few.
  for (absl::Duration pause = absl::Microseconds(1); CountTasks(above) > 0; pause *= 2) {
    if (pause > longest) co_return false;
    co_await Pause(pause);
  }
  co_return true;
}

}  // namespace pelton::testing_internal
