#include "framework/stall_reporter.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "framework/on.h"
#include "sched/cycle_counter.h"
#include "sched/in_group.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "tests/framework/runtime_test_base.h"

namespace pelton {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr absl::Duration kStall = absl::Milliseconds(110);

// ThreadSanitizer holds signals back until the thread calls something that it replaces: code that
// spins is then not seen where it spins.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PELTON_UNDER_TSAN 1
#endif
#endif
#ifndef PELTON_UNDER_TSAN
#define PELTON_UNDER_TSAN 0
#endif

// Every test runs on each driver. Other processes may stall this one as well: a test looks at the
// reports that are about its own code.
class StallReporterTest : public testing::RuntimeTestBase {
 protected:
  // Runs the service and collects its reports.
  void RunAndCollect(const ServeFunction& serve) { RunAndCollect(TwoShards(), serve); }
  void RunAndCollect(const Runtime::Options& options, const ServeFunction& serve) {
    ::testing::internal::CaptureStderr();
    const absl::Status status = Run(options, serve);
    log_ = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(status.ok()) << status;
  }

  // The reports that mention `place`.
  std::vector<std::string> ReportsWith(const std::string& place) const {
    std::vector<std::string> found;
    const std::string log = absl::StrCat("\n", log_);
    const std::vector<std::string> starts = absl::StrSplit(log, "\nshard ");
    for (const std::string& report : starts) {
      if (report.find(place) != std::string::npos) found.push_back(absl::StrCat("shard ", report));
    }
    return found;
  }

  std::string log_;
};

std::string Here(int line) { return absl::StrCat("stall_reporter_test.cc:", line); }

// Spins on the CPU; kSpinLine is its loop.
constexpr int kSpinLine = __LINE__ + 4;
[[gnu::noinline]] void Spin(absl::Duration duration) {
  const uint64_t end =
      CycleCounter::Now() + CycleCounter::FromNanoseconds(duration / absl::Nanoseconds(1));
  while (CycleCounter::Now() < end) continue;
}

Task<void> Handle(absl::Duration duration) {
  Spin(duration);
  co_return;
}

constexpr int kHandleAwaitedAt = __LINE__ + 1;
[[gnu::noinline]] Task<void> Serve(absl::Duration duration) { co_await Handle(duration); }

TEST_P(StallReporterTest, ASpinIsReportedOnceWithItsLineAndTheAwaitsAboveIt) {
  if (PELTON_UNDER_TSAN) GTEST_SKIP() << "ThreadSanitizer delivers signals late";
  int joined_at = 0;
  RunAndCollect([&](Shard& shard) -> Task<absl::Status> {
    if (shard.id() != ShardId(0)) co_return absl::OkStatus();
    TaskScope scope;
    scope.Spawn(Serve(kStall));
    joined_at = __LINE__ + 1;
    co_return co_await scope.Join();
  });
  const std::vector<std::string> reports = ReportsWith("Spin(");
  ASSERT_EQ(reports.size(), 1u) << log_;
  EXPECT_THAT(reports[0], ContainsRegex("shard 0 stalled: a turn took [1-9][0-9]{2}"));
  EXPECT_THAT(reports[0], HasSubstr("group main"));
  EXPECT_THAT(reports[0], HasSubstr(Here(kSpinLine)));
  EXPECT_THAT(reports[0], HasSubstr(Here(kHandleAwaitedAt)));
  EXPECT_THAT(reports[0], HasSubstr(Here(joined_at)));
}

TEST_P(StallReporterTest, TheAwaitsAreFollowedToTheShardThatCalled) {
  if (PELTON_UNDER_TSAN) GTEST_SKIP() << "ThreadSanitizer delivers signals late";
  int called_at = 0;
  RunAndCollect([&](Shard& shard) -> Task<absl::Status> {
    if (shard.id() != ShardId(0)) co_return absl::OkStatus();
    called_at = __LINE__ + 1;
    co_await On(ShardId(1), []() -> Task<void> { co_await Serve(kStall); });
    co_return absl::OkStatus();
  });
  const std::vector<std::string> reports = ReportsWith("Spin(");
  ASSERT_EQ(reports.size(), 1u) << log_;
  EXPECT_THAT(reports[0], HasSubstr("shard 1 stalled"));
  EXPECT_THAT(reports[0], HasSubstr(Here(kSpinLine)));
  EXPECT_THAT(reports[0], HasSubstr(Here(kHandleAwaitedAt)));
  EXPECT_THAT(reports[0], HasSubstr(Here(called_at)));
}

TEST_P(StallReporterTest, NamesTheGroupOfTheTask) {
  if (PELTON_UNDER_TSAN) GTEST_SKIP() << "ThreadSanitizer delivers signals late";
  static const SchedulingGroup kReports = *SchedulingGroup::Create("reports");
  RunAndCollect([](Shard& shard) -> Task<absl::Status> {
    if (shard.id() == ShardId(0)) co_await In(kReports, Serve(kStall));
    co_return absl::OkStatus();
  });
  EXPECT_THAT(ReportsWith("Spin("), Contains(HasSubstr("group reports"))) << log_;
}

// A call that the kernel does not restart after a signal.
[[gnu::noinline]] void BlockInPoll() {
  ::poll(nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(kStall)));
  asm volatile("");  // no tail call
}

TEST_P(StallReporterTest, ABlockingCallIsCalledSoAndIsInTheStack) {
  if (PELTON_UNDER_TSAN) GTEST_SKIP() << "ThreadSanitizer delivers signals late";
  // On a busy machine the thread may wait for a CPU for longer than it was blocked, and rightly be
  // called descheduled.
  constexpr int kAttempts = 10;
  std::vector<std::string> reports;
  for (int i = 0; i < kAttempts; ++i) {
    RunAndCollect([](Shard& shard) -> Task<absl::Status> {
      // NOLINTNEXTLINE(pelton-blocking-call): the stall that is looked for.
      if (shard.id() == ShardId(0)) BlockInPoll();
      co_return absl::OkStatus();
    });
    reports = ReportsWith("BlockInPoll(");
    ASSERT_EQ(reports.size(), 1u) << log_;
    ASSERT_THAT(reports[0], AnyOf(HasSubstr("blocked in the kernel"), HasSubstr("descheduled")));
    if (reports[0].find("descheduled") == std::string::npos) break;
  }
  EXPECT_THAT(reports[0], HasSubstr("blocked in the kernel (a blocking call)"));
}

TEST_P(StallReporterTest, ABlockingCallThatTheKernelCanRestartIsNotCutShort) {
  if (PELTON_UNDER_TSAN) GTEST_SKIP() << "ThreadSanitizer delivers signals late";
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  std::thread writer([&] {
    ::poll(nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(kStall)));
    EXPECT_EQ(::write(ends[1], "x", 1), 1);
  });
  ssize_t bytes = 0;
  RunAndCollect([&](Shard& shard) -> Task<absl::Status> {
    char byte;
    // NOLINTNEXTLINE(pelton-blocking-call): the stall that is looked for.
    if (shard.id() == ShardId(0)) bytes = ::read(ends[0], &byte, 1);
    co_return absl::OkStatus();
  });
  writer.join();
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_EQ(bytes, 1);
  EXPECT_THAT(ReportsWith("read"), Contains(HasSubstr("blocked in the kernel"))) << log_;
}

TEST_P(StallReporterTest, AThreadThatGetsNoCpuIsCalledDescheduled) {
  if (PELTON_UNDER_TSAN) GTEST_SKIP() << "ThreadSanitizer delivers signals late";
  Runtime::Options options = TwoShards();
  options.placement.pins_threads = true;
  std::atomic<bool> done = false;
  std::vector<std::thread> rivals;
  RunAndCollect(options, [&](Shard& shard) -> Task<absl::Status> {
    if (shard.id() != ShardId(0)) co_return absl::OkStatus();
    // Made here, they are pinned to the same CPU. They have it for nearly all of the time.
    for (int i = 0; i < 2; ++i) {
      rivals.emplace_back([&] {
        while (!done) SpinPause();
      });
    }
    PELTON_CHECK(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 10) == 0);
    // Another turn, so that the stall is here.
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Milliseconds(1)));
    Spin(kStall * 3);
    done = true;
    co_return absl::OkStatus();
  });
  for (std::thread& rival : rivals) rival.join();
  EXPECT_THAT(ReportsWith("0 stalled: "), Contains(HasSubstr("descheduled"))) << log_;
}

TEST_P(StallReporterTest, ATurnThatGoesOnIsReportedBeforeItsEndAndOnlyOnce) {
  if (PELTON_UNDER_TSAN) GTEST_SKIP() << "ThreadSanitizer delivers signals late";
  RunAndCollect([](Shard& shard) -> Task<absl::Status> {
    if (shard.id() == ShardId(0)) co_await Serve(absl::Milliseconds(1300));
    co_return absl::OkStatus();
  });
  const std::vector<std::string> reports = ReportsWith("Spin(");
  ASSERT_EQ(reports.size(), 1u) << log_;
  EXPECT_THAT(reports[0], HasSubstr("a turn has taken 1"));
  EXPECT_THAT(reports[0], HasSubstr("and goes on"));
}

TEST_P(StallReporterTest, ZeroTurnsItOff) {
  Runtime::Options options = TwoShards();
  options.stall_threshold = absl::ZeroDuration();
  RunAndCollect(options, [](Shard& shard) -> Task<absl::Status> {
    co_await Serve(kStall);
    co_return absl::OkStatus();
  });
  EXPECT_THAT(log_, Not(HasSubstr("stalled")));
}

// How often the other threads of this process have been switched to.
uint64_t SwitchesOfOtherThreads() {
  uint64_t sum = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    if (thread.path().filename() == std::to_string(::gettid())) continue;
    std::ifstream status(thread.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.find("ctxt_switches:") == line.npos) continue;
      sum += std::stoull(line.substr(line.find(':') + 1));
    }
  }
  return sum;
}

TEST_P(StallReporterTest, AnIdleServiceTakesNoWakeUps) {
  if (PELTON_UNDER_TSAN) GTEST_SKIP() << "ThreadSanitizer's own thread wakes up now and then";
  uint64_t before = 0;
  uint64_t after = 0;
  std::thread observer([&] {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    ::poll(nullptr, 0, 300);
    before = SwitchesOfOtherThreads();
    ::poll(nullptr, 0, 1000);
    after = SwitchesOfOtherThreads();
    ::kill(::getpid(), SIGTERM);
  });
  Runtime::Options options = TwoShards();
  options.grace_period = absl::Milliseconds(10);
  RunAndCollect(options, [](Shard&) -> Task<absl::Status> {
    co_return co_await SleepFor(absl::InfiniteDuration());
  });
  observer.join();
  EXPECT_GT(before, 0u);
  EXPECT_EQ(after, before);
}

// What a reporter without a runtime wrote; its thread's until it has ended.
std::vector<std::string> written;

TEST(StallReporterLimitTest, EveryStallIsReportedOrCountedInALaterReport) {
  constexpr absl::Duration kPeriod = absl::Seconds(1);
  constexpr int kStalls = 5;
  written.clear();
  const MonotonicClock clock;
  Scheduler scheduler(clock);
  {
    StallReporter reporter(
        1, {.threshold = absl::Milliseconds(1),
            .reports = 1,
            .period = kPeriod,
            .write = [](std::string_view report) { written.emplace_back(report); }});
    StallDetector& detector = reporter.Attach(ShardId(0), scheduler);
    for (int i = 1; i <= kStalls; ++i) {
      // The last one comes when the first is forgotten.
      if (i == kStalls) ::poll(nullptr, 0, static_cast<int>(kPeriod / absl::Milliseconds(1)) + 100);
      detector.BeginTurn(clock.Now());
      Spin(absl::Milliseconds(10));
      detector.BeginIdle(clock.Now());
    }
    reporter.Detach(ShardId(0));
  }
  int stalls = 0;
  for (const std::string& report : written) {
    EXPECT_THAT(report, StartsWith("shard 0 stalled: a turn took "));
    ++stalls;
    const size_t end = report.find(" stalls of this shard before it were not reported");
    if (end == report.npos) continue;
    stalls += std::stoi(report.substr(report.rfind(' ', end - 1) + 1));
  }
  EXPECT_GE(written.size(), 2u);
  EXPECT_LT(written.size(), static_cast<size_t>(kStalls));
  EXPECT_EQ(stalls, kStalls);
}

INSTANTIATE_TEST_SUITE_P(Drivers, StallReporterTest, testing::EachDriver(), testing::NameOfDriver);

}  // namespace
}  // namespace pelton
