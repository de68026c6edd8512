#include "sched/clock.h"

#include <time.h>

namespace pelton {

Timestamp MonotonicClock::Now() const {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);  // cannot fail: the clock exists and the pointer is good
  return Timestamp::FromNanoseconds(int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

}  // namespace pelton
