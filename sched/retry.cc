#include "sched/retry.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace pelton {

Backoff::Backoff(const RetryOptions& options)
    : initial_(options.initial_backoff),
      max_(options.max_backoff),
      multiplier_(options.multiplier),
      jitter_(options.jitter),
      backoff_(initial_) {
  PELTON_CHECK(initial_ >= absl::ZeroDuration() && max_ >= initial_)
      << "Backoff from " << absl::FormatDuration(initial_) << " to " << absl::FormatDuration(max_);
  PELTON_CHECK(multiplier_ >= 1) << "Backoff with a multiplier of " << multiplier_;
  PELTON_CHECK(jitter_ >= 0 && jitter_ <= 1) << "Backoff with a jitter of " << jitter_;
}

absl::Duration Backoff::Next(Random& random) {
  const absl::Duration wait = backoff_ * (1 - jitter_ * random.Fraction());
  backoff_ = std::min(backoff_ * multiplier_, max_);
  return wait;
}

namespace sched_internal {

absl::Status GaveUp(const absl::Status& error, int attempts, const char* reason) {
  absl::Status status(error.code(), absl::StrCat("gave up after ", attempts,
                                                 attempts == 1 ? " attempt, " : " attempts, ",
                                                 reason, ": ", error.message()));
  error.ForEachPayload(
      [&](auto type_url, const absl::Cord& payload) { status.SetPayload(type_url, payload); });
  return status;
}

}  // namespace sched_internal
}  // namespace pelton
