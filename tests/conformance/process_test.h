// What the tests of pipes, children, signals and watches share: a fixture that runs coroutines.

#ifndef PELTON_TESTS_CONFORMANCE_PROCESS_TEST_H_
#define PELTON_TESTS_CONFORMANCE_PROCESS_TEST_H_

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "sched/task.h"
#include "tests/conformance/driver_under_test.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {

class CoroutineTest : public DriverTest {
 protected:
  // Runs the coroutine that `body()` returns to its end.
  template <typename Body>
  absl::Status RunToStatus(Body body) {
    return harness().Run(body());
  }
  // The same; it must succeed.
  template <typename Body>
  void Run(Body body) {
    const absl::Status status = RunToStatus(std::move(body));
    EXPECT_TRUE(status.ok()) << status;
  }
};

// Lets turns go by until everything that goes on by itself has ended, such as closing what was
// destroyed. REQUIRES: no other task waits for the kernel.
inline Task<void> AwaitQuiet() {
  while (io::Reactor::Current()->in_flight() > 0) co_await NextTurn();
}

// Whether the message of `status` has all of `parts` in it.
inline ::testing::AssertionResult Says(const absl::Status& status,
                                       std::initializer_list<const char*> parts) {
  for (const char* part : parts) {
    if (std::string(status.message()).find(part) == std::string::npos) {
      return ::testing::AssertionFailure() << "no \"" << part << "\" in: " << status;
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace pelton::testing

#endif  // PELTON_TESTS_CONFORMANCE_PROCESS_TEST_H_
