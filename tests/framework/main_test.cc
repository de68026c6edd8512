#include "framework/main.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace pelton {
namespace {

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// What a run of main_test_service came to.
struct Outcome {
  int exit_code;  // -1: it did not exit
  std::string out;
  std::string error;
};

Outcome RunService(const std::string& flags) {
  const std::string out = ::testing::TempDir() + "main_test.out";
  const std::string error = ::testing::TempDir() + "main_test.err";
  // On a busy machine a shard may be held up, and its report is not what is looked for here.
  const std::string command =
      "tests/framework/main_test_service --stall_threshold=0 " + flags + " >" + out + " 2>" + error;
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, Contents(out), Contents(error)};
}

int Lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

TEST(MainTest, AServiceThatEndsExitsWithoutAWord) {
  for (const std::string flags :
       {"", "--shards=1", "--shards=3", "--driver=epoll --shards=2", "--memory=64M",
        "--grace_period=1s --spin=0", "--blocking_threads=2 --blocking_queue=5"}) {
    const Outcome outcome = RunService("--driver=epoll " + flags);
    EXPECT_EQ(outcome.exit_code, 0) << flags << outcome.error;
    EXPECT_EQ(outcome.out, "") << flags;
    // Several shards on one CPU are worth a line.
    EXPECT_LE(Lines(outcome.error), 1) << flags << outcome.error;
  }
}

TEST(MainTest, ASignalDrainsAndExitsWithZero) {
  const Outcome outcome =
      RunService("--driver=epoll --shards=2 --outcome=signal --grace_period=20ms");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
}

TEST(MainTest, AnErrorOfTheServiceIsOneLine) {
  const Outcome outcome = RunService("--driver=epoll --shards=1 --outcome=error");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.error, "fatal: shard 0: no such database\n");
}

TEST(MainTest, AnExceptionOfTheServiceIsALineAndTheBacktrace) {
  const Outcome outcome = RunService("--driver=epoll --shards=1 --outcome=exception");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(std::string_view(outcome.error)
                  .starts_with("fatal: shard 0: the service ended by an exception: boom\n"
                               "  in a task that has not awaited anything\n"
                               "  at framework/shard.cc:"))
      << outcome.error;
}

struct BadFlag {
  std::string flag;
  std::string complaint;
};

TEST(MainTest, ABadFlagIsOneLineThatNamesIt) {
  for (const BadFlag& bad : {
           BadFlag{"--driver=kqueue", "--driver=kqueue: expected auto, uring or epoll"},
           BadFlag{"--shards=-1", "--shards=-1: expected 1 to"},
           BadFlag{"--shards=1000000", "--shards=1000000: expected 1 to"},
           BadFlag{"--shards=many", "'shards'"},
           BadFlag{"--blocking_threads=0", "--blocking_threads=0: expected 1 to 1024"},
           BadFlag{"--blocking_threads=1025", "--blocking_threads=1025: expected 1 to 1024"},
           BadFlag{"--blocking_queue=0", "--blocking_queue=0: expected at least 1"},
           BadFlag{"--io_profile=/missing/disk.profile",
                   "open I/O profile /missing/disk.profile: No such file or directory (ENOENT)"},
           BadFlag{"--cpus=x", "--cpus: \"x\" is not a CPU number"},
           BadFlag{"--cpus=0,0", "names CPU 0 twice"},
           BadFlag{"--memory=lots", "--memory=lots: expected a number of bytes"},
           BadFlag{"--memory=1K --shards=2", "--memory=1K: 2 shards need at least 2M"},
           BadFlag{"--grace_period=-1s",
                   "--grace_period: expected a duration that is not negative"},
           BadFlag{"--grace_period=5", "'grace_period'"},
           BadFlag{"--spin=2s", "--spin: expected a duration from 0 to 1s"},
           BadFlag{"--spin=-1us", "--spin: expected a duration from 0 to 1s"},
           BadFlag{"--stall_threshold=1us",
                   "--stall_threshold: expected 0 or a duration from 1ms to 1h"},
           BadFlag{"--without=truncate,warp",
                   "--without=truncate,warp: no capability of io_uring is called \"warp\"; "
                   "expected deferred_work, "},
           BadFlag{"--busy_poll=1s", "--busy_poll: expected whole microseconds from 0 to 10ms"},
           BadFlag{"--busy_poll=1ns", "--busy_poll: expected whole microseconds from 0 to 10ms"},
           BadFlag{"--no_such_flag", "'no_such_flag'"},
           BadFlag{"--driver", "'driver'"},
           BadFlag{"extra", "unexpected argument \"extra\""},
       }) {
    const Outcome outcome = RunService(bad.flag);
    EXPECT_EQ(outcome.exit_code, 1) << bad.flag;
    EXPECT_EQ(outcome.out, "") << bad.flag;
    EXPECT_EQ(Lines(outcome.error), 1) << bad.flag << ": " << outcome.error;
    EXPECT_NE(outcome.error.find(bad.complaint), std::string::npos)
        << bad.flag << ": " << outcome.error;
  }
}

TEST(MainTest, HelpShowsTheSharedFlagsAndTheServicesOwnAndNoOthers) {
  const Outcome outcome = RunService("--help");
  EXPECT_NE(outcome.out.find("Ends as it is told to."), std::string::npos) << outcome.out;
  for (const std::string flag :
       {"shards", "cpus", "driver", "memory", "grace_period", "spin", "stall_threshold", "without",
        "busy_poll", "driver_report", "outcome"}) {
    EXPECT_NE(outcome.out.find("--" + flag + " ("), std::string::npos) << flag;
  }
  EXPECT_EQ(outcome.out.find("--flagfile"), std::string::npos) << "a flag of a library";
  EXPECT_EQ(outcome.error, "");
}

}  // namespace
}  // namespace pelton
