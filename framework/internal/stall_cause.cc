#include "framework/internal/stall_cause.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pelton {

absl::Duration StallTimes::blocked() const {
  return std::max(elapsed - on_cpu - waiting.value_or(absl::ZeroDuration()), absl::ZeroDuration());
}

StallCause CauseOf(const StallTimes& times) {
  const absl::Duration off_cpu = std::max(times.elapsed - times.on_cpu, absl::ZeroDuration());
  if (times.on_cpu >= off_cpu) return StallCause::kRunning;
  if (times.throttled >= off_cpu / 2) return StallCause::kThrottled;
  if (!times.waiting.has_value()) return StallCause::kOffCpu;
  return *times.waiting >= times.blocked() ? StallCause::kDescheduled : StallCause::kBlocked;
}

std::string_view NameOf(StallCause cause, std::optional<bool> in_system_call) {
  switch (cause) {
    case StallCause::kRunning:
      return "running";
    case StallCause::kDescheduled:
      return "descheduled (other threads had the CPU)";
    case StallCause::kThrottled:
      return "throttled (the container had used up its CPU quota)";
    case StallCause::kBlocked:
      if (!in_system_call.has_value()) return "blocked in the kernel";
      return *in_system_call ? "blocked in the kernel (a blocking call)"
                             : "blocked in the kernel (a page fault)";
    case StallCause::kOffCpu:
      return "off the CPU (descheduled or blocked; this kernel does not tell)";
  }
  return "unknown";
}

std::string Describe(const StallTimes& times) {
  std::string text = absl::StrCat(FormatBriefly(times.on_cpu), " on a CPU");
  if (times.waiting.has_value()) {
    absl::StrAppend(&text, ", ", FormatBriefly(*times.waiting), " waiting for one, ",
                    FormatBriefly(times.blocked()), " blocked");
  }
  if (times.throttled > absl::ZeroDuration()) {
    absl::StrAppend(&text, "; its control groups were throttled for ",
                    FormatBriefly(times.throttled));
  }
  return text;
}

std::string FormatBriefly(absl::Duration duration) {
  const absl::Duration grain = duration >= absl::Seconds(1)        ? absl::Milliseconds(10)
                               : duration >= absl::Milliseconds(1) ? absl::Microseconds(100)
                                                                   : absl::Microseconds(1);
  return absl::FormatDuration(absl::Trunc(duration, grain));
}

}  // namespace pelton
