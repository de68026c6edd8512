// Why a turn lasted too long, told from where its thread's time went.
//
// Shard affinity: any thread; pure.

#ifndef PELTON_FRAMEWORK_INTERNAL_STALL_CAUSE_H_
#define PELTON_FRAMEWORK_INTERNAL_STALL_CAUSE_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace pelton {

enum class StallCause {
  kRunning,      // its own code
  kDescheduled,  // other threads had the CPU
  kThrottled,    // the control group had used up its quota of CPU time
  kBlocked,      // a blocking call, or a page that had to be read
  kOffCpu,       // one of the last three: the kernel does not say which
};

// Where the time of a thread went while it was looked at.
struct StallTimes {
  absl::Duration elapsed;
  absl::Duration on_cpu;
  std::optional<absl::Duration> waiting;  // for a CPU, where the kernel counts it
  absl::Duration throttled;               // of the control groups, added up over CPUs

  // Neither on a CPU nor waiting for one.
  absl::Duration blocked() const;
};

// What took the most of the time. Time that the group was throttled explains waiting and blocking.
StallCause CauseOf(const StallTimes& times);

// "running", "descheduled (other threads had the CPU)", ...; `in_system_call` tells a blocking call
// from a page fault, where it is known.
std::string_view NameOf(StallCause cause, std::optional<bool> in_system_call);

// "24.9ms on a CPU, 0.1ms waiting for one, 0ms blocked".
std::string Describe(const StallTimes& times);

// A duration for people: three digits or so, in the unit that fits.
std::string FormatBriefly(absl::Duration duration);

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_INTERNAL_STALL_CAUSE_H_
