// Small tasks and the loop over shuffled seeds that the tests of structured concurrency share.

#ifndef PELTON_TESTS_SCHED_FLOWS_H_
#define PELTON_TESTS_SCHED_FLOWS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sched/scheduler.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "tests/support/task_harness.h"

namespace pelton::testing {

inline Task<absl::Status> Sleep(absl::Duration duration) { co_return co_await SleepFor(duration); }

// Sleeps, and yields `value` whatever came of the sleep.
template <typename T>
Task<T> SleepThen(absl::Duration duration, T value) {
  (void)co_await SleepFor(duration);
  co_return std::move(value);
}

// Sleeps, and yields `status` whatever came of the sleep.
inline Task<absl::Status> FailAfter(absl::Duration duration, absl::Status status) {
  (void)co_await SleepFor(duration);
  co_return status;
}

inline Task<void> ThrowAfter(absl::Duration duration, std::string text) {
  (void)co_await SleepFor(duration);
  throw std::runtime_error(text);
}

// Calls test(harness) for 200 harnesses whose ready tasks run in an order drawn from a seed, and
// for one that runs them in order. A failure names the seed.
template <typename Test>
void UnderEverySeed(Test test) {
  constexpr uint64_t kSeeds = 200;
  {
    TaskHarness harness;
    test(harness);
  }
  for (uint64_t seed = 1; seed <= kSeeds && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("shuffle_seed = " + std::to_string(seed));
    Scheduler::Options options;
    options.shuffle_seed = seed;
    TaskHarness harness(options);
    test(harness);
  }
}

}  // namespace pelton::testing

#endif  // PELTON_TESTS_SCHED_FLOWS_H_
