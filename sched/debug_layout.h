// What tools/gdb/pelton.py needs to find the tasks of a live process or a core file, also where the
// program has no debug information: a table of offsets and a list of schedulers, as data with C
// names.
//
// Shard affinity: none; constants, and a list that schedulers enter and leave by themselves.

#ifndef PELTON_SCHED_DEBUG_LAYOUT_H_
#define PELTON_SCHED_DEBUG_LAYOUT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace pelton {

class Scheduler;

// Offsets are in bytes from the beginning of the object.
struct DebugLayout {
  uint32_t version;  // of this struct; the script refuses one that it does not know
  uint32_t scheduler_shard;
  uint32_t scheduler_root;
  uint32_t scheduler_running;
  uint32_t scheduler_leaf;
  uint32_t scheduler_now;
  uint32_t context_hook;      // next, then previous
  uint32_t context_children;  // a hook: the head of the list of children
  uint32_t context_parent;
  uint32_t context_leaf;
  uint32_t context_waiting_for;
  uint32_t context_state;  // a byte
  uint32_t context_flags;  // a byte whose highest bit says whether it holds a flow
  uint32_t context_group;  // a byte
  uint32_t context_started_at;
  uint32_t context_age_shift;
  uint32_t promise_parent;    // its lowest bit: a task of another shard
  uint32_t promise_location;  // std::source_location: a pointer to file, function and line
  uint32_t sleep_suspension;  // from the beginning of a SleepUntil
  uint32_t sleep_deadline;
};

namespace sched_internal {

// How many schedulers a debugger sees at most; those beyond work as well, unseen.
inline constexpr size_t kDebugSchedulers = 1024;

// Lists `scheduler` for debuggers, or takes it off the list.
void EnterDebugList(Scheduler& scheduler);
void LeaveDebugList(Scheduler& scheduler);

// Knows the private members that the layout names.
struct DebugAccess;

}  // namespace sched_internal

extern "C" {
// NOLINTNEXTLINE(readability-identifier-naming): a C name.
extern const DebugLayout pelton_debug_layout;
extern std::atomic<Scheduler*> pelton_debug_schedulers[sched_internal::kDebugSchedulers];
}

}  // namespace pelton

#endif  // PELTON_SCHED_DEBUG_LAYOUT_H_
