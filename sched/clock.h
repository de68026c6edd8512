// Where a shard's time comes from: the one seam through which the scheduler learns what time it is.
//
// Shard affinity: MonotonicClock any; a VirtualClock belongs to the thread that steps its shards.

#ifndef PELTON_SCHED_CLOCK_H_
#define PELTON_SCHED_CLOCK_H_

#include "sched/timestamp.h"

namespace pelton {

// A source of monotonic time, read once per turn of the loop.
class Clock {
 public:
  virtual ~Clock() = default;

  // The time now. Never runs backwards.
  virtual Timestamp Now() const = 0;

  // Whether time stands still until somebody advances it. A shard on a virtual clock measures its
  // quota in operations instead of time, so that a run is reproducible.
  virtual bool is_virtual() const = 0;
};

// CLOCK_MONOTONIC (clock_gettime(2)). COST: about 25 ns a reading.
class MonotonicClock final : public Clock {
 public:
  Timestamp Now() const override;
  bool is_virtual() const override { return false; }
};

// Time that moves only when it is told to.
class VirtualClock final : public Clock {
 public:
  explicit VirtualClock(Timestamp start = Timestamp::FromNanoseconds(0)) : now_(start) {}

  Timestamp Now() const override { return now_; }
  bool is_virtual() const override { return true; }

  // Moves the time to `time`; a time in the past changes nothing.
  void AdvanceTo(Timestamp time) {
    if (time > now_) now_ = time;
  }
  void Advance(absl::Duration duration) { AdvanceTo(now_ + duration); }

 private:
  Timestamp now_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_CLOCK_H_
