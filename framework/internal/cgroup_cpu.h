// What the control groups of this process, and all that contain them, say about its CPUs. This is
// how a container's `docker run --cpus=2.5 --cpuset-cpus=0-3` and a pod's CPU limit reach the
// processes inside.
//
// Reads /proc/self/cgroup (which group the process is in) and /proc/self/mountinfo (where the
// groups' files are), then, from the process's own group up to the top of what is mounted:
//   version 2: cpu.max, cpuset.cpus.effective
//   version 1: cpu.cfs_quota_us and cpu.cfs_period_us, cpuset.effective_cpus
// A limit of any group on the way holds for the process, so the tightest one counts. A file that is
// missing states nothing (the controller is off there). A file that cannot be read or understood is
// passed over with a warning: a strange container is no reason to refuse service.
//
// A group whose path is not below what is mounted (a container that sees the host's path but its
// own mount) is taken to be the top of the mount.

#ifndef PELTON_FRAMEWORK_INTERNAL_CGROUP_CPU_H_
#define PELTON_FRAMEWORK_INTERNAL_CGROUP_CPU_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pelton {

// At most `quota_microseconds` of CPU time in each `period_microseconds`.
struct CpuQuota {
  int64_t quota_microseconds;
  int64_t period_microseconds;
  std::string file_name;  // that says so, such as "cpu.max"

  // How many CPUs' worth of time that is; more than 0.
  double Cpus() const { return static_cast<double>(quota_microseconds) / period_microseconds; }
  // The same, rounded up.
  int64_t CpusRoundedUp() const {
    return quota_microseconds / period_microseconds +
           (quota_microseconds % period_microseconds == 0 ? 0 : 1);
  }
};

// What was found.
struct CgroupCpuLimits {
  std::optional<std::vector<int>> cpuset;  // ascending; absent when no group restricts the CPUs
  std::optional<CpuQuota> quota;           // the tightest; absent when there is none
  std::vector<std::string> warnings;       // one line each: what was passed over, and why
};

// Reads the limits from the files below `root`: "" for the machine's own /proc and /sys, a folder
// for a test's.
// COST: some tens of system calls; at start-up.
CgroupCpuLimits ReadCgroupCpuLimits(const std::string& root);

// The cpu.stat files of the same groups, with `root` before them: how often and how long each was
// throttled. Of those that exist.
std::vector<std::string> CgroupCpuStatFiles(const std::string& root);

// The contents of the file at `path`, or nothing when there is none; whatever else prevents reading
// it adds to `warnings`.
std::optional<std::string> ReadSystemFile(const std::string& path,
                                          std::vector<std::string>* warnings);

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_INTERNAL_CGROUP_CPU_H_
