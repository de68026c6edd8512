#include "sched/blocking/parker.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "framework/base/check.h"
#include "framework/base/status.h"
#include "sched/clock.h"

namespace pelton {

bool Parker::TakeToken() {
  uint32_t expected = kToken;
  return state_.compare_exchange_strong(expected, kEmpty, std::memory_order_acquire);
}

bool Parker::ParkFor(absl::Duration timeout) {
  if (TakeToken()) return true;
  const MonotonicClock clock;
  const bool limited = timeout != absl::InfiniteDuration();
  const Timestamp end = limited ? clock.Now() + timeout : Timestamp::InfiniteFuture();
  uint32_t expected = kEmpty;
  if (!state_.compare_exchange_strong(expected, kAsleep, std::memory_order_acquire)) {
    return TakeToken();
  }
  while (true) {
    timespec left = {};
    if (limited) {
      const absl::Duration rest = end - clock.Now();
      if (rest <= absl::ZeroDuration()) break;
      left = absl::ToTimespec(rest);
    }
    const long result = ::syscall(SYS_futex, &state_, FUTEX_WAIT_PRIVATE, kAsleep,
                                  limited ? &left : nullptr, nullptr, 0);
    // The futex may end early: a signal, a wake-up for whom had this address before.
    PELTON_CHECK(result == 0 || errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT)
        << "futex: " << ErrnoName(errno);
    if (TakeToken()) return true;
  }
  // Too late, unless the wake-up comes at this very moment.
  return state_.exchange(kEmpty, std::memory_order_acquire) == kToken;
}

void Parker::Unpark() {
  if (state_.exchange(kToken, std::memory_order_release) != kAsleep) return;
  // The address may be another object's by now; a futex that is woken for nothing looks again.
  ::syscall(SYS_futex, &state_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace pelton
