// Waiting for a time of day.
//
//   PELTON_CO_RETURN_IF_ERROR(co_await SleepUntilWallClock(next_full_hour));
//
// SleepFor() and SleepUntil() (sched/sleep.h) count the monotonic clock: an hour is an hour even when
// somebody sets the clock. This follows the clock instead: set forward beyond the time, the sleep ends
// at once; set back, it goes on for as much longer. On a virtual clock it waits for real time, so
// simulations leave it alone.
//
// Source: timerfd_create(2), CLOCK_REALTIME with TFD_TIMER_CANCEL_ON_SET.

#ifndef PELTON_IO_WATCH_WALL_CLOCK_H_
#define PELTON_IO_WATCH_WALL_CLOCK_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sched/task.h"

namespace pelton {

// What ended a wait of WaitForWallClock().
enum class WallClockEvent {
  kReached,   // the time has come
  kClockSet,  // somebody has set the clock, or the machine was asleep
};

// Suspends until the machine's clock shows `time`, or is set: for those who compute the next time from
// the clock, such as a schedule in local time, and compute it anew then. ERRORS: EMFILE; the stop status.
// COST: a timerfd and one frame; late by the kernel's some 50 µs.
Task<absl::StatusOr<WallClockEvent>> WaitForWallClock(absl::Time time);

// Suspends until the machine's clock shows `time`, however it is set meanwhile; not at all when that has
// passed. absl::InfiniteFuture() never comes. The rest as above.
Task<absl::Status> SleepUntilWallClock(absl::Time time);

}  // namespace pelton

#endif  // PELTON_IO_WATCH_WALL_CLOCK_H_
