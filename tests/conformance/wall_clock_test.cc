#include "io/watch/wall_clock.h"

#include <gtest/gtest.h>
#include <sys/timex.h>

#include <cerrno>
#include <ctime>

#include "absl/time/time.h"
#include "framework/base/status.h"
#include "sched/deadline.h"
#include "sched/when.h"
#include "tests/conformance/process_test.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

class WallClockTest : public CoroutineTest {};

absl::Time Now() {
  timespec now;
  PELTON_CHECK(::clock_gettime(CLOCK_REALTIME, &now) == 0);
  return absl::TimeFromTimespec(now);
}

// Sets the clock, by a nanosecond: for its timers that is the same as by a year. Returns false where it
// is forbidden.
bool SetClock() {
  timex change = {};
  change.modes = ADJ_SETOFFSET | ADJ_NANO;
  change.time.tv_usec = 1;
  return ::adjtimex(&change) >= 0;
}

TEST_F(WallClockTest, WakesWhenTheTimeHasComeAndNotBefore) {
  Run([]() -> Task<absl::Status> {
    const absl::Time time = Now() + absl::Milliseconds(20);
    PELTON_CO_RETURN_IF_ERROR(co_await SleepUntilWallClock(time));
    EXPECT_GE(Now(), time);
    co_return absl::OkStatus();
  });
}

TEST_F(WallClockTest, TimesThatHavePassedDoNotWait) {
  Run([]() -> Task<absl::Status> {
    for (const absl::Time time : {absl::UnixEpoch(), Now() - absl::Hours(1), absl::InfinitePast(),
                                  absl::UnixEpoch() - absl::Hours(1)}) {
      PELTON_CO_RETURN_IF_ERROR(co_await WithTimeout(absl::Seconds(10), SleepUntilWallClock(time)));
    }
    co_return absl::OkStatus();
  });
}

TEST_F(WallClockTest, ACancelledSleepEnds) {
  Run([]() -> Task<absl::Status> {
    for (const absl::Time time : {Now() + absl::Hours(1), absl::InfiniteFuture()}) {
      const absl::Status status =
          co_await WithTimeout(absl::Milliseconds(5), SleepUntilWallClock(time));
      EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    }
    co_return absl::OkStatus();
  });
}

Task<absl::Status> SetClockLater(bool& set) {
  co_await LetOthersRun();
  set = SetClock();
  co_return set ? absl::OkStatus() : ErrnoToStatus(errno, "adjtimex");
}

TEST_F(WallClockTest, ASleepGoesOnWhenTheClockIsSet) {
  if (!SetClock()) GTEST_SKIP() << "setting the clock is forbidden here";
  Run([]() -> Task<absl::Status> {
    const absl::Time time = Now() + absl::Milliseconds(30);
    bool set = false;
    PELTON_CO_RETURN_IF_ERROR(
        co_await WhenAll(FailFast(), SleepUntilWallClock(time), SetClockLater(set)));
    EXPECT_TRUE(set);
    EXPECT_GE(Now(), time);
    co_return absl::OkStatus();
  });
}

TEST_F(WallClockTest, AWaitTellsThatTheClockWasSet) {
  if (!SetClock()) GTEST_SKIP() << "setting the clock is forbidden here";
  Run([]() -> Task<absl::Status> {
    bool set = false;
    const auto [event, setting] =
        co_await WhenAll(WaitForWallClock(Now() + absl::Hours(1)), SetClockLater(set));
    PELTON_CO_RETURN_IF_ERROR(event);
    EXPECT_EQ(*event, WallClockEvent::kClockSet);
    co_return setting;
  });
}

}  // namespace
}  // namespace pelton::testing
