#include "framework/internal/driver_report.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "io/uring_capabilities.h"

namespace pelton {
namespace {

constexpr rlim_t kUnlimited = RLIM_INFINITY;

// What a run of a program came to.
struct Outcome {
  int exit_code;       // -1: it did not exit
  std::string output;  // of both streams
};

// Runs a program which may lock so many bytes of memory, with a user of its own where this process
// may be another.
Outcome RunProgram(std::vector<std::string> command, rlim_t locked_memory = kUnlimited) {
  const std::string output = ::testing::TempDir() + "driver_report_test." + command[0].substr(0, 5);
  const pid_t child = ::fork();
  if (child == 0) {
    const int file = ::open(output.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    ::dup2(file, STDOUT_FILENO);
    ::dup2(file, STDERR_FILENO);
    if (locked_memory != kUnlimited) {
      const uid_t user = 1'000'000'000u + static_cast<uid_t>(::getpid());
      const rlimit limit = {locked_memory, locked_memory};
      if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) ::_exit(126);
      if (::setresuid(user, user, user) != 0) ::setrlimit(RLIMIT_MEMLOCK, &limit);
    }
    std::vector<char*> arguments;
    for (std::string& argument : command) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  std::ostringstream text;
  text << std::ifstream(output).rdbuf();
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text.str()};
}

constexpr const char* kService = "tests/framework/main_test_service";

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The line of a table that begins with `name`.
std::string LineOf(const std::string& report, const std::string& name) {
  const size_t begin = report.find("\n" + name + " ");
  if (begin == std::string::npos) return "";
  return report.substr(begin + 1, report.find('\n', begin + 1) - begin - 1);
}

TEST(DriverReportTest, HasALineForEachCapability) {
  io::Reactor::Options options;
  options.capabilities.truncate = false;
  options.capabilities.registered_ring = false;
  const std::string report = DriverReport(options, /*may_use_uring=*/true);
  if (report.starts_with("driver: epoll")) GTEST_SKIP() << "needs io_uring: " << report;
  for (const io::CapabilityDescription& capability : io::AllCapabilities()) {
    const std::string line = LineOf(report, capability.name);
    const bool states = Has(line, "present") || Has(line, "missing: ") || Has(line, "turned off");
    EXPECT_TRUE(states) << capability.name << ": " << line;
    if (!Has(line, "present")) {
      EXPECT_TRUE(Has(line, capability.instead)) << line;
      EXPECT_TRUE(Has(line, capability.cost)) << line;
    }
  }
  EXPECT_TRUE(Has(LineOf(report, "truncate"), "turned off")) << report;
  EXPECT_TRUE(Has(LineOf(report, "registered_ring"), "turned off")) << report;
}

TEST(DriverReportTest, TellsTheLimits) {
  io::Reactor::Options options;
  options.kernel_workers_for_files = 5;
  options.kernel_workers_for_others = 7;
  std::string report = DriverReport(options, /*may_use_uring=*/true);
  if (report.starts_with("driver: epoll")) GTEST_SKIP() << "needs io_uring: " << report;
  if (Has(LineOf(report, "worker_limits"), "present")) {
    EXPECT_TRUE(Has(report, "at most 5 for files and 7 for everything else")) << report;
  }
  EXPECT_TRUE(Has(report, "busy polling: off")) << report;
  options.capabilities.worker_limits = false;
  options.capabilities.busy_poll = false;
  options.busy_poll_us = 30;
  report = DriverReport(options, /*may_use_uring=*/false);
  EXPECT_TRUE(Has(report, "kernel threads: as many as the kernel likes")) << report;
  EXPECT_TRUE(Has(report, "busy polling: 30 us, socket by socket")) << report;
  EXPECT_TRUE(report.starts_with("driver: epoll, as asked for")) << report;
}

TEST(DriverReportTest, TheFlagPrintsItAndExits) {
  const Outcome outcome = RunProgram({kService, "--driver_report", "--without=splice"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(Has(outcome.output, "driver: ")) << outcome.output;
}

TEST(DriverReportTest, WhereIoUringIsForbiddenItSaysSoAndReportsEpoll) {
  for (const std::string error : {"EPERM", "ENOSYS"}) {
    const Outcome outcome =
        RunProgram({"tests/support/without_io_uring", error, kService, "--driver_report"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
    EXPECT_TRUE(outcome.output.starts_with("driver: epoll, on ")) << outcome.output;
    EXPECT_TRUE(Has(outcome.output, "(" + error + ")")) << outcome.output;
    EXPECT_TRUE(Has(outcome.output, "blocking pool")) << outcome.output;
  }
}

TEST(DriverReportTest, SaysWhenTheRingIsSmallForWantOfMemory) {
  const Outcome outcome = RunProgram({kService, "--driver_report"}, 64 << 10);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.output;
  if (!Has(outcome.output, "instead of 1024")) GTEST_SKIP() << "needs a limit that holds";
  EXPECT_TRUE(Has(outcome.output, "as locked memory is short (ulimit -l)")) << outcome.output;
}

TEST(DriverReportTest, WhenOneShardGetsNoRingAllRunOnEpoll) {
  // Enough for some rings of eight at most.
  const Outcome outcome =
      RunProgram({kService, "--shards=8", "--stall_threshold=0", "--driver=auto"}, 48 << 10);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  if (!Has(outcome.output, "ENOMEM")) GTEST_SKIP() << "needs a limit that holds";
  EXPECT_TRUE(Has(outcome.output, "Using epoll. To silence this, pass --driver=epoll."))
      << outcome.output;
  EXPECT_FALSE(Has(outcome.output, "fatal")) << outcome.output;
}

}  // namespace
}  // namespace pelton
