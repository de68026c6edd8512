// Scheduling groups: named classes of work among which every shard divides its CPU time by shares.
//
//   static const SchedulingGroup kReports = *SchedulingGroup::Create("reports", {.shares = 10});
//   auto report = co_await In(kReports, MakeReport(request));
//
// A flow belongs to one group at a time. It inherits that of the flow that spawns it, on this shard
// or on another, and In() changes it for the length of one task. Work that names no group runs in
// the default group, "main", which has 100 shares.
//
// Shard affinity: any thread; a group means the same on every shard. The table of groups is one for
// the process: groups are few, and live as long as it.
// Algorithm: each shard runs the group with the least virtual run time (run time divided by
// shares), as Linux's CFS does with processes. A group that wakes begins at the least virtual run
// time of those that are busy, so it neither makes up for its idleness nor pays for it.

#ifndef PELTON_SCHED_SCHEDULING_GROUP_H_
#define PELTON_SCHED_SCHEDULING_GROUP_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pelton {

class SchedulingGroup {
 public:
  static constexpr uint32_t kMinShares = 1;
  static constexpr uint32_t kMaxShares = 1000;
  // How many groups a process may have, the default one included.
  static constexpr uint32_t kMaxGroups = 64;
  // The longest name, in bytes.
  static constexpr size_t kMaxNameBytes = 31;

  struct Options {
    // The part of a busy shard's time, in proportion to the shares of the other busy groups.
    uint32_t shares = 100;
    // When a task of an idle group becomes ready, the task that runs gives way at its next
    // preemption point instead of at the end of its quota, and the group has the first turn. Over
    // time it gets no more than its shares.
    bool latency_sensitive = false;
  };

  // The default group.
  constexpr SchedulingGroup() = default;

  // Makes a group, on any thread and at any time. ERRORS: INVALID_ARGUMENT for a name that is empty
  // or too long, or shares out of range; ALREADY_EXISTS; RESOURCE_EXHAUSTED when there are
  // kMaxGroups.
  static absl::StatusOr<SchedulingGroup> Create(std::string_view name, const Options& options);
  static absl::StatusOr<SchedulingGroup> Create(std::string_view name);
  // The group of that name; nothing when there is none.
  static std::optional<SchedulingGroup> Find(std::string_view name);
  // How many groups there are: their indices are 0, the default group's, to count() - 1.
  static uint32_t count();
  // REQUIRES: index < count().
  static SchedulingGroup FromIndex(uint32_t index);

  uint32_t index() const { return index_; }
  std::string_view name() const;
  bool latency_sensitive() const;
  uint32_t shares() const;
  // Changes the shares while the service runs; every shard goes by them from its next choice of a
  // group on. ERRORS: INVALID_ARGUMENT when out of range.
  absl::Status SetShares(uint32_t shares) const;

  friend bool operator==(SchedulingGroup, SchedulingGroup) = default;

 private:
  constexpr explicit SchedulingGroup(uint8_t index) : index_(index) {}

  uint8_t index_ = 0;
};

}  // namespace pelton

#endif  // PELTON_SCHED_SCHEDULING_GROUP_H_
