// A point in time on a shard's clock.

#ifndef PELTON_SCHED_TIMESTAMP_H_
#define PELTON_SCHED_TIMESTAMP_H_

#include <compare>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace pelton {

// Nanoseconds on the shard's monotonic Clock (CLOCK_MONOTONIC, or a VirtualClock in tests). Not a
// wall-clock time: it has no date, and does not jump. Arithmetic saturates at InfiniteFuture().
class Timestamp {
 public:
  constexpr Timestamp() = default;

  static constexpr Timestamp FromNanoseconds(int64_t ns) { return Timestamp(ns); }
  // A deadline that never comes.
  static constexpr Timestamp InfiniteFuture() {
    return Timestamp(std::numeric_limits<int64_t>::max());
  }

  constexpr int64_t nanoseconds() const { return ns_; }
  constexpr bool infinite() const { return ns_ == std::numeric_limits<int64_t>::max(); }

  friend constexpr auto operator<=>(Timestamp, Timestamp) = default;

  friend Timestamp operator+(Timestamp time, absl::Duration duration) {
    const int64_t delta = absl::ToInt64Nanoseconds(duration);  // saturates
    int64_t sum;
    if (time.infinite() || __builtin_add_overflow(time.ns_, delta, &sum)) {
      return !time.infinite() && delta < 0 ? Timestamp(std::numeric_limits<int64_t>::min())
                                           : InfiniteFuture();
    }
    return Timestamp(sum);
  }
  friend absl::Duration operator-(Timestamp later, Timestamp earlier) {
    if (later.infinite()) return absl::InfiniteDuration();
    return absl::Nanoseconds(later.ns_) - absl::Nanoseconds(earlier.ns_);
  }

 private:
  constexpr explicit Timestamp(int64_t ns) : ns_(ns) {}

  int64_t ns_ = 0;
};

}  // namespace pelton

#endif  // PELTON_SCHED_TIMESTAMP_H_
