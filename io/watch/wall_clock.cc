#include "io/watch/wall_clock.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>

#include "framework/base/status.h"
#include "io/descriptor/readiness.h"

namespace pelton {
namespace {

// A timer of CLOCK_REALTIME. It is only ever polled, so it may be closed at once.
class WallClockTimer {
 public:
  WallClockTimer()
      : descriptor_(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK)),
        error_(descriptor_ < 0 ? errno : 0) {}
  ~WallClockTimer() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  WallClockTimer(const WallClockTimer&) = delete;
  WallClockTimer& operator=(const WallClockTimer&) = delete;

  absl::Status Arm(absl::Time time) {
    if (error_ != 0) return ErrnoToStatus(error_, "make a timer of the wall clock");
    timespec at = absl::ToTimespec(time);
    // The kernel knows no time before 1970, and takes none for "never".
    if (at.tv_sec < 0 || (at.tv_sec == 0 && at.tv_nsec == 0)) at = {.tv_sec = 0, .tv_nsec = 1};
    const itimerspec when = {.it_interval = {}, .it_value = at};
    // It says so when the clock was set since the last reading, and is armed all the same.
    if (::timerfd_settime(descriptor_, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when,
                          nullptr) == 0 ||
        errno == ECANCELED) {
      return absl::OkStatus();
    }
    return ErrnoToStatus(errno, "arm a timer of the wall clock");
  }

  // 0 when the time has come, ECANCELED when the clock was set, EAGAIN when neither.
  int Read() const {
    uint64_t expirations = 0;
    return ::read(descriptor_, &expirations, sizeof(expirations)) >= 0 ? 0 : errno;
  }

  int descriptor() const { return descriptor_; }

 private:
  const int descriptor_;
  const int error_;
};

}  // namespace

Task<absl::StatusOr<WallClockEvent>> WaitForWallClock(absl::Time time) {
  WallClockTimer timer;
  PELTON_CO_RETURN_IF_ERROR(timer.Arm(time));
  for (;;) {
    PELTON_CO_RETURN_IF_ERROR(co_await AwaitReadable(timer.descriptor()));
    // NOLINTNEXTLINE(pelton-blocking-call): its descriptor does not block.
    switch (const int error = timer.Read()) {
      case 0:
        co_return WallClockEvent::kReached;
      case ECANCELED:
        co_return WallClockEvent::kClockSet;
      case EAGAIN:
      case EINTR:
        break;
      default:
        co_return ErrnoToStatus(error, "read a timer of the wall clock");
    }
  }
}

Task<absl::Status> SleepUntilWallClock(absl::Time time) {
  WallClockEvent event;
  do {
    PELTON_CO_ASSIGN_OR_RETURN(event, co_await WaitForWallClock(time));
  } while (event != WallClockEvent::kReached);
  co_return absl::OkStatus();
}

}  // namespace pelton
