// Which CPUs this process may use, and how many shards should run on them.
//
// Three things limit a process: the affinity mask (taskset, and every cpuset), the cpuset of its
// control groups, and the CPU time quota of its control groups (cpu.max). A container usually has
// the last: it sees all CPUs of the machine and may use a few CPUs' worth of time. A shard more
// than that buys nothing but throttling.
//
// Reading the limits (system calls) and placing shards (arithmetic) are apart, so that the second
// is a pure function. Called once at start-up, from any thread; nothing is kept.
//
//   PELTON_ASSIGN_OR_RETURN(CpuSources sources, SystemCpuSources());
//   PELTON_ASSIGN_OR_RETURN(CpuLimits limits, ReadCpuLimits(sources));
//   PELTON_ASSIGN_OR_RETURN(ShardPlacement placement, PlaceShards(limits, {.cpus = "0-3"}));

#ifndef PELTON_FRAMEWORK_CPU_TOPOLOGY_H_
#define PELTON_FRAMEWORK_CPU_TOPOLOGY_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "framework/internal/cgroup_cpu.h"

namespace pelton {

// Where the facts come from.
struct CpuSources {
  std::string root;           // goes before /proc and /sys; "" for the machine's own
  std::vector<int> affinity;  // the CPUs that the scheduler allows the calling thread
};

// This machine and the calling thread.
// ERRORS: the errno of sched_getaffinity.
absl::StatusOr<CpuSources> SystemCpuSources();

// What limits this process.
struct CpuLimits {
  std::vector<int> online;   // CPUs of the machine, ascending
  std::vector<int> allowed;  // those that this process may use: ascending, not empty
  // What excludes CPUs is a cpuset; the affinity mask excludes none beyond it.
  bool cpuset_limits = false;
  std::optional<CpuQuota> quota;      // CPU time, whatever the CPUs
  std::vector<std::string> warnings;  // one line each: a source that was passed over, and why
};

// Reads them.
// ERRORS: FailedPrecondition when no CPU is left.
// COST: some tens of system calls.
absl::StatusOr<CpuLimits> ReadCpuLimits(const CpuSources& sources);

// What the user asked for.
struct ShardRequest {
  std::string cpus;           // the value of --cpus, such as "0-3,8"; "" when it was not given
  std::optional<int> shards;  // the value of --shards
};

// No process runs more shards than this.
inline constexpr int kMostShards = 1024;

// Where each shard runs.
struct ShardPlacement {
  // The CPU of each shard; its size is the number of shards. In the order of --cpus where that was
  // given.
  std::vector<int> cpu_of_shard;
  // A shard that spins would take time from another: several have one CPU, or the quota is less
  // than a CPU for each.
  bool shares_cpu = false;
  // Pin each shard's thread to its CPU. False when a quota below the number of CPUs limits the
  // process and the user named no CPUs: the kernel knows which CPUs the other containers of the
  // machine leave idle, and if all pinned themselves to the first few they would crowd there.
  bool pins_threads = true;
  // One line for the user when something limits the shards or makes them share, such as
  // `3 shards: cpu.max allows 2.5 of the 8 CPUs visible (set --shards to override)`; else empty.
  std::string explanation;
};

// One shard for each CPU that may be used, as far as the quota (rounded up) goes. --cpus chooses
// the CPUs, and with them the number of shards; --shards chooses the number, whatever the limits:
// more shards than CPUs share them in turn.
// ERRORS: InvalidArgument names the flag and what is wrong with it; for a CPU that is not allowed,
// those that are.
absl::StatusOr<ShardPlacement> PlaceShards(const CpuLimits& limits, const ShardRequest& request);

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_CPU_TOPOLOGY_H_
