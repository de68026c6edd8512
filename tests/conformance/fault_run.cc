#include "tests/conformance/fault_run.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

namespace pelton::testing {
namespace {

// What the suite runs without under faults, and why.
struct Exclusion {
  const char* pattern;
  const char* reason;
};
constexpr Exclusion kExclusions[] = {
    {"DriverLoopTest.AWaitEndsAtItsTimeoutAndDoesNotSpinUntilThen", "counts waits"},
    {"DriverStarvationTest.*", "counts turns, and chunks after each of them"},
    {"*SteadyStateTest.*", "counts bytes allocated: shadows and their queues grow"},
    {"*TcpListenerTest.AThousandConnectionsAtOnce/MultishotReceive",
     "cut to pieces, a thousand unread messages are more chunks than a shard has"},
    {"*TcpCancelTest.ADrainDoesNotHideBytesThatHaveArrived/*",
     "two bytes have to be received at once"},
    {"DriverFileTest.WhatMayGoToAKernelThreadIsCounted", "counts what one Submit() has begun"},
    {"DirectFileTest.ManyTransfersAtOnceDoNotMixUp", "counts requests: short ones are asked again"},
    {"FileInputStreamTest.ReadsAheadWithinItsBuffersAndNoFurther", "counts reads"},
    {"FileTest.TransfersVectors", "a vector has to be read at once"},
    {"*StreamTransferTest.ALargeWriteMayBeChangedAfterItReturnsAndThePeerGetsTheOldBytes/*",
     "counts sends"},
    {"*UnixStreamTest.DescriptorsTravelWithBytes/*", "a message has to be received at once"},
};

// The test that runs, for whoever wants to know why the process died.
char current_test[256];

void TellTest(int) {
  // There is nobody left to tell when it fails.
  [[maybe_unused]] const ssize_t written =
      ::write(STDERR_FILENO, current_test, std::strlen(current_test));
}

struct State {
  bool is_on = false;
  uint64_t first = 1;
  uint64_t last = 1;
  uint64_t seed = 1;
  std::string arguments;  // all but --faults
  uint64_t tests = 0;
  uint64_t passed = 0;
  uint64_t failed = 0;
  io::FaultStatistics statistics;
};
State state;

// In the place of GoogleTest's printer: one seed after the other, and only what fails is of
// interest.
class Listener final : public ::testing::EmptyTestEventListener {
 public:
  void OnTestIterationStart(const ::testing::UnitTest&, int iteration) override {
    state.seed = state.first + static_cast<uint64_t>(iteration);
  }
  void OnTestStart(const ::testing::TestInfo& test) override {
    std::snprintf(current_test, sizeof(current_test), "died in %s.%s --faults=%llu-%llu\n",
                  test.test_suite_name(), test.name(), static_cast<unsigned long long>(state.seed),
                  static_cast<unsigned long long>(state.seed));
  }
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::cout << result.file_name() << ":" << result.line_number() << ": Failure\n"
              << result.message() << std::endl;
  }
  void OnTestEnd(const ::testing::TestInfo& test) override {
    const ::testing::TestResult& result = *test.result();
    if (result.Skipped()) return;
    ++state.tests;
    if (result.Passed()) {
      ++state.passed;
      return;
    }
    ++state.failed;
    std::cout << "[  FAILED  ] " << test.test_suite_name() << "." << test.name()
              << "; to repeat: " << state.arguments << " --faults=" << state.seed << "-"
              << state.seed << " --gtest_filter=" << test.test_suite_name() << "." << test.name()
              << std::endl;
  }
};

bool ReadNumber(std::string_view text, uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number > 0;
}

// Takes the excluded tests out, unless somebody asked for certain ones.
void Exclude() {
  std::string filter = GTEST_FLAG_GET(filter);
  if (filter != "*") return;
  const char* separator = "-";
  for (const Exclusion& exclusion : kExclusions) {
    filter.append(separator).append(exclusion.pattern);
    separator = ":";
  }
  GTEST_FLAG_SET(filter, filter);
}

}  // namespace

bool FaultRun::Obey(std::string_view argument) {
  constexpr std::string_view kFaults = "--faults=";
  if (argument.substr(0, kFaults.size()) != kFaults) return false;
  const std::string_view seeds = argument.substr(kFaults.size());
  const size_t dash = seeds.find('-');
  state.is_on = dash != std::string_view::npos && ReadNumber(seeds.substr(0, dash), state.first) &&
                ReadNumber(seeds.substr(dash + 1), state.last) && state.first <= state.last;
  return state.is_on;
}

bool FaultRun::IsOn() { return state.is_on; }
uint64_t FaultRun::seed() { return state.seed; }

void FaultRun::Count(const io::FaultStatistics& statistics) { state.statistics += statistics; }

int FaultRun::RunAllTests(int argc, char** argv) {
  std::string configuration;
  state.arguments = argv[0];
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.substr(0, 9) == "--faults=") continue;
    state.arguments.append(" ").append(argument);
    configuration.append(configuration.empty() ? "" : " ").append(argument);
  }
  Exclude();
  GTEST_FLAG_SET(repeat, static_cast<int32_t>(state.last - state.first + 1));
  ::testing::TestEventListeners& listeners = ::testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new Listener);
  std::signal(SIGABRT, &TellTest);
  const int result = RUN_ALL_TESTS();
  std::cout << "| " << configuration << " | " << state.first << "-" << state.last << " | "
            << state.tests << " | " << state.passed << " | " << state.failed << " | "
            << state.statistics.ToString() << " |" << std::endl;
  return result;
}

}  // namespace pelton::testing
