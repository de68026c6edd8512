// A run of the conformance suite under faults: the whole suite once per seed, in this process.
//
// Prints what fails, with the command that repeats it, and in the end a row of a table:
//
//   | uring without splice | 1-500 | 61000 | 61000 | 0 | operations=... short_transfers=... |
//
// A test that faults make fail by its very subject is excluded by name, with the reason
// (fault_run.cc).
//
// Shard affinity: the test program's main thread.

#ifndef PELTON_TESTS_CONFORMANCE_FAULT_RUN_H_
#define PELTON_TESTS_CONFORMANCE_FAULT_RUN_H_

#include <cstdint>
#include <string_view>

#include "io/fault/fault_options.h"

namespace pelton::testing {

class FaultRun {
 public:
  // Reads --faults=FIRST-LAST, the seeds; returns false when `argument` is something else.
  static bool Obey(std::string_view argument);
  static bool IsOn();
  // The seed that is on; 1 in a run without faults.
  static uint64_t seed();

  // Runs the suite under all seeds. Returns what main() returns.
  static int RunAllTests(int argc, char** argv);

  // Adds what was injected into a test's driver.
  static void Count(const io::FaultStatistics& statistics);
};

}  // namespace pelton::testing

#endif  // PELTON_TESTS_CONFORMANCE_FAULT_RUN_H_
