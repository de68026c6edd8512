// Where a thread's time went, as the kernel counts it: on a CPU, waiting for one, or neither. And
// how long the control groups of this process were throttled.
//
// Shard affinity: any thread may read the usage of any thread of this process.

#ifndef PELTON_FRAMEWORK_INTERNAL_THREAD_USAGE_H_
#define PELTON_FRAMEWORK_INTERNAL_THREAD_USAGE_H_

#include <pthread.h>
#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace pelton {

class ThreadUsage {
 public:
  // Since the thread began.
  struct Times {
    absl::Duration on_cpu;
    // Ready to run, and another thread had the CPU. Counted when the wait ends. Absent where the
    // kernel does not count it.
    std::optional<absl::Duration> waiting;
  };

  ThreadUsage() = default;
  ThreadUsage(const ThreadUsage&) = delete;
  ThreadUsage& operator=(const ThreadUsage&) = delete;
  ~ThreadUsage();

  // Names the calling thread as the one to be read.
  void OpenForThisThread();
  // Reads the times; zero once the thread has ended. REQUIRES: opened. COST: two system calls,
  // about 2 µs.
  Times Read() const;
  // Whether the thread is on a CPU or waits for one, rather than for an event. REQUIRES: opened.
  // COST: a system call, about 5 µs.
  bool IsRunnable() const;

 private:
  clockid_t clock_ = CLOCK_THREAD_CPUTIME_ID;
  int schedstat_ = -1;
  int stat_ = -1;
};

class ThrottledTime {
 public:
  // Reads the groups from the files below `root`, as ReadCgroupCpuLimits() does.
  explicit ThrottledTime(const std::string& root);
  ThrottledTime(const ThrottledTime&) = delete;
  ThrottledTime& operator=(const ThrottledTime&) = delete;
  ~ThrottledTime();

  // How long this process's groups and those that contain them were kept off their CPUs by their
  // quotas, added up over CPUs. COST: a system call for each group that has a quota.
  absl::Duration Read() const;

 private:
  std::vector<int> files_;
};

// The number that follows `key` in the lines of `text`; nothing when there is none.
std::optional<int64_t> NumberAfter(std::string_view text, std::string_view key);

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_INTERNAL_THREAD_USAGE_H_
