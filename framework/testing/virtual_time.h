// Time in tests: it stands still while any task is ready, and jumps to the next timer when none is.
//
//   const Stopwatch watch;
//   EXPECT_THAT(co_await WithTimeout(absl::Hours(1), Silence()), StatusIs(absl::StatusCode::kDeadlineExceeded));
//   EXPECT_THAT(watch.Elapsed(), Lasts(absl::Hours(1)));     // and took no time at all
//
// So a test of time-outs needs nothing but SleepFor() and expectations; the functions below are for
// tests that have to say what happens between two moments.
//
// Shard affinity: any shard's tasks, of tests that run by PELTON_TEST. Now() and Stopwatch work on
// threads, too, where they tell real time; the others are for the stepped runtime alone (checked).

#ifndef PELTON_FRAMEWORK_TESTING_VIRTUAL_TIME_H_
#define PELTON_FRAMEWORK_TESTING_VIRTUAL_TIME_H_

#include <gmock/gmock.h>

#include <ostream>

#include "absl/time/time.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/timestamp.h"

namespace pelton::testing {

// The time on the shard's clock. A virtual clock begins at 0.
inline Timestamp Now() { return Scheduler::Current()->PreciseNow(); }

// Lets `duration` pass: what is due by then happens in its order. Suspends until every other task
// waits for something later. Goes on to its end in a task that is told to stop.
Task<void> AdvanceTime(absl::Duration duration);

// Lets the other tasks of all shards run until each of them waits, without letting time pass. What
// they wait for may be I/O, which takes as long as it takes.
Task<void> Settle();

// Lets `duration` pass at once, as if the running task computed that long: nothing else runs
// meanwhile, and timers that are due by then are late. Does not suspend.
void Stall(absl::Duration duration);

// Tells how long something took.
class Stopwatch {
 public:
  // Starts it.
  Stopwatch() : start_(Now()) {}

  absl::Duration Elapsed() const { return Now() - start_; }
  void Restart() { start_ = Now(); }

 private:
  Timestamp start_;
};

}  // namespace pelton::testing

namespace pelton::testing_internal {

class LastsMatcher {
 public:
  using is_gtest_matcher = void;

  LastsMatcher(absl::Duration expected, absl::Duration tolerance)
      : expected_(expected), tolerance_(tolerance) {}

  bool MatchAndExplain(absl::Duration actual, ::testing::MatchResultListener* listener) const {
    *listener << "which is " << absl::FormatDuration(actual);
    return actual >= expected_ && actual <= expected_ + tolerance_;
  }
  void DescribeTo(std::ostream* out) const {
    *out << "is " << absl::FormatDuration(expected_) << " or up to "
         << absl::FormatDuration(tolerance_) << " more";
  }
  void DescribeNegationTo(std::ostream* out) const {
    *out << "is less than " << absl::FormatDuration(expected_) << " or over "
         << absl::FormatDuration(tolerance_) << " more";
  }

 private:
  absl::Duration expected_;
  absl::Duration tolerance_;
};

}  // namespace pelton::testing_internal

namespace pelton::testing {

// Matches a duration of at least `expected` and at most `tolerance` more. Timers are never early,
// and late by less than a tick of the timer wheel (16.4 µs) each; the default allows for sixty.
inline testing_internal::LastsMatcher Lasts(absl::Duration expected,
                                            absl::Duration tolerance = absl::Milliseconds(1)) {
  return testing_internal::LastsMatcher(expected, tolerance);
}

}  // namespace pelton::testing

#endif  // PELTON_FRAMEWORK_TESTING_VIRTUAL_TIME_H_
