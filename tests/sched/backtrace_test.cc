#include "sched/backtrace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using testing::TaskHarness;

// The lines of the frames that lie in this file.
std::vector<uint32_t> LinesOf(const Backtrace& trace) {
  std::vector<uint32_t> lines;
  for (const Backtrace::Frame& frame : trace.frames()) {
    if (std::string_view(frame.at.file_name()).ends_with("tests/sched/backtrace_test.cc")) {
      lines.push_back(frame.at.line());
    }
  }
  return lines;
}

// Where the tasks below await, written down by themselves.
struct Lines {
  uint32_t innermost = 0;
  uint32_t middle = 0;
  uint32_t outermost = 0;
};

Task<int> Innermost(Lines* lines, Backtrace* trace) {
  co_await Yield();
  lines->innermost = __LINE__ + 1;
  *trace = CurrentBacktrace();
  co_return 1;
}
Task<int> Middle(Lines* lines, Backtrace* trace) {
  lines->middle = __LINE__ + 1;
  co_return co_await Innermost(lines, trace);
}
Task<int> Outermost(Lines* lines, Backtrace* trace) {
  co_await Yield();
  lines->outermost = __LINE__ + 1;
  const int result = co_await Middle(lines, trace);
  co_return result;
}

TEST(BacktraceTest, NamesEveryAwaitUpToTheRoot) {
  TaskHarness harness;
  Lines lines;
  Backtrace trace;
  harness.Run(Outermost(&lines, &trace));
  EXPECT_THAT(LinesOf(trace), ElementsAre(lines.innermost, lines.middle, lines.outermost));
  EXPECT_THAT(trace.ToString(),
              HasSubstr(absl::StrCat("  at tests/sched/backtrace_test.cc:", lines.middle, " in ")));
  EXPECT_THAT(trace.ToString(), HasSubstr("Middle(Lines *, Backtrace *)"));
  EXPECT_FALSE(trace.truncated());
}

TEST(BacktraceTest, AfterAChildHasEndedItsParentRuns) {
  TaskHarness harness;
  Backtrace trace;
  uint32_t line = 0;
  harness.Run([](Backtrace* trace, uint32_t* line) -> Task<void> {
    Lines unused_lines;
    Backtrace unused;
    co_await Middle(&unused_lines, &unused);
    *line = __LINE__ + 1;
    *trace = CurrentBacktrace();
  }(&trace, &line));
  EXPECT_THAT(LinesOf(trace), ElementsAre(line));
}

TEST(BacktraceTest, IsEmptyOutsideOfTasks) {
  EXPECT_TRUE(CurrentBacktrace().empty());
  TaskHarness harness;
  EXPECT_TRUE(CurrentBacktrace().empty());
  EXPECT_EQ(CurrentBacktrace().ToString(), "");
}

TEST(BacktraceTest, GoesOnInTheTaskWhoseScopeSpawned) {
  TaskHarness harness;
  Backtrace trace;
  uint32_t spawned_line = 0;
  uint32_t join_line = 0;
  harness.Run([](Backtrace* trace, uint32_t* spawned_line, uint32_t* join_line) -> Task<void> {
    TaskScope scope;
    scope.Spawn([=]() -> Task<void> {
      *spawned_line = __LINE__ + 1;
      *trace = CurrentBacktrace();
      co_return;
    });
    *join_line = __LINE__ + 1;
    EXPECT_TRUE((co_await scope.Join()).ok());
  }(&trace, &spawned_line, &join_line));
  EXPECT_THAT(LinesOf(trace), ElementsAre(spawned_line, join_line));
  EXPECT_THAT(trace.ToString(), HasSubstr("spawned by the task"));
}

TEST(BacktraceTest, FindsTheSpawnerThroughDeadlinesOnBothSides) {
  TaskHarness harness;
  Backtrace trace;
  uint32_t spawned_line = 0;
  uint32_t join_line = 0;
  harness.Run([](Backtrace* trace, uint32_t* spawned_line, uint32_t* join_line) -> Task<void> {
    const ScopedDeadline outer(absl::Hours(2));
    TaskScope scope;
    scope.Spawn([=]() -> Task<void> {
      const ScopedDeadline own(absl::Minutes(1));
      const ScopedDeadline second(absl::Seconds(1));
      *spawned_line = __LINE__ + 1;
      *trace = CurrentBacktrace();
      co_return;
    });
    // The scope lies in one deadline, and the spawner waits in another.
    *join_line = __LINE__ + 1;
    EXPECT_TRUE((co_await WithTimeout(absl::Hours(1), scope.Join())).ok());
  }(&trace, &spawned_line, &join_line));
  EXPECT_THAT(LinesOf(trace), ElementsAre(spawned_line, join_line));
}

Task<void> Deep(int levels, Backtrace* trace) {
  if (levels == 0) {
    *trace = CurrentBacktrace();
    co_return;
  }
  co_await Deep(levels - 1, trace);
}

TEST(BacktraceTest, HoldsTheInnermostFramesOfADeepStack) {
  TaskHarness harness;
  Backtrace trace;
  harness.Run(Deep(1000, &trace));
  EXPECT_EQ(trace.frames().size(), Backtrace::kCapacity);
  EXPECT_TRUE(trace.truncated());
  EXPECT_THAT(trace.ToString(), HasSubstr("and more\n"));
}

TEST(DumpTasksTest, ShowsTheTreeOfTasksAndWhatTheyWaitFor) {
  TaskHarness harness;
  uint32_t sleep_line = 0;
  uint32_t join_line = 0;
  harness.scope().Spawn(
      [](uint32_t* sleep_line, uint32_t* join_line) -> Task<void> {
        TaskScope scope;
        scope.Spawn([=]() -> Task<absl::Status> {
          *sleep_line = __LINE__ + 1;
          co_return co_await SleepFor(absl::Seconds(90));
        });
        *join_line = __LINE__ + 1;
        EXPECT_TRUE((co_await scope.Join()).ok());
      },
      &sleep_line, &join_line);
  harness.RunReady();
  harness.clock().Advance(absl::Seconds(30));
  std::ostringstream out;
  DumpTasks(out);
  const std::string dump = out.str();
  const size_t parent = dump.find("task 0x");
  const size_t child = dump.find("  task 0x");
  ASSERT_NE(parent, std::string::npos) << dump;
  ASSERT_NE(child, std::string::npos) << dump;
  EXPECT_THAT(
      dump.substr(parent, child),
      MatchesRegex(absl::StrCat(
          "task 0x[0-9a-f]+ \\[main\\] 29\\.9[0-9]*s old, waits for 1 children of a scope to "
          "end\n  at tests/sched/backtrace_test.cc:",
          join_line, " in (.|\n)*")))
      << dump;
  EXPECT_THAT(
      dump.substr(child),
      MatchesRegex(absl::StrCat(
          "  task 0x[0-9a-f]+ \\[main\\] 29\\.9[0-9]*s old, waits for timer due in 1m\n    at "
          "tests/sched/backtrace_test.cc:",
          sleep_line, " in (.|\n)*")))
      << dump;
  harness.RunUntilIdle();
}

TEST(DumpTasksTest, ShowsWhoRunsWhoIsReadyAndWhoIsNestedInADeadline) {
  TaskHarness harness;
  std::string dump;
  const auto nap = []() -> Task<absl::Status> {
    co_return co_await WithTimeout(absl::Seconds(5), SleepFor(absl::Hours(1)));
  };
  harness.Run([](auto nap, std::string* dump) -> Task<void> {
    TaskScope scope;
    scope.Spawn(nap);
    co_await Yield();
    scope.Spawn(nap);
    std::ostringstream out;
    DumpTasks(out);
    *dump = out.str();
    scope.Cancel();
    EXPECT_TRUE((co_await scope.Join()).ok());
  }(nap, &dump));
  EXPECT_THAT(dump, HasSubstr("old, running\n  behind tests/sched/backtrace_test.cc:"));
  EXPECT_THAT(dump, HasSubstr("old, waits for timer due in 1h\n"));
  EXPECT_THAT(dump, HasSubstr("old, ready\n"));
}

TEST(DumpTasksTest, ATreeOfManyLevelsNeedsNoStack) {
  TaskHarness harness;
  struct Nest {
    static Task<absl::Status> Of(int levels) {
      if (levels == 0) co_return co_await SleepFor(absl::Hours(1));
      TaskScope scope;
      scope.Spawn(&Nest::Of, levels - 1);
      co_return co_await scope.Join();
    }
  };
  harness.scope().Spawn(&Nest::Of, 2000);
  harness.RunReady();
  std::ostringstream out;
  DumpTasks(out);
  size_t tasks = 0;
  for (size_t at = 0; (at = out.str().find("task 0x", at)) != std::string::npos; ++at) ++tasks;
  EXPECT_EQ(tasks, 2001u);
  harness.scope().Cancel();
  harness.RunUntilIdle();
}

Task<void> Thrower() {
  co_await Yield();
  throw std::runtime_error("out of luck");
}

TEST(DescribeExceptionTest, TellsWhereTheExceptionLeftItsTask) {
  TaskHarness harness;
  std::string text;
  uint32_t line = 0;
  harness.Run([](std::string* text, uint32_t* line) -> Task<void> {
    std::exception_ptr exception;
    try {
      *line = __LINE__ + 1;
      co_await Thrower();
    } catch (...) {
      exception = std::current_exception();
    }
    *text = DescribeException(exception);
  }(&text, &line));
  EXPECT_THAT(text, HasSubstr("out of luck\n  behind tests/sched/backtrace_test.cc:"));
  EXPECT_THAT(text, HasSubstr("Thrower()"));
  EXPECT_THAT(text, HasSubstr(absl::StrCat("backtrace_test.cc:", line, " in ")));
}

TEST(DescribeExceptionTest, TellsTheTextOfOneThatLeftNoTask) {
  TaskHarness harness;
  EXPECT_EQ(DescribeException(std::make_exception_ptr(std::runtime_error("plain"))), "plain");
  EXPECT_EQ(DescribeException(std::make_exception_ptr(7)),
            "of a type that is not derived from std::exception");
}

TEST(BacktraceDeathTest, AFatalErrorTellsTheBacktraceOfItsTask) {
  TaskHarness harness;
  EXPECT_DEATH(harness.Run([]() -> Task<void> {
    co_await []() -> Task<void> {
      co_await Yield();
      PELTON_CHECK(1 > 2) << "at last";
    }();
  }()),
               "Check failed: 1 > 2 at last\nin the task\n  behind "
               "tests/sched/backtrace_test.cc:[0-9]+ in .*\n  at "
               "tests/sched/backtrace_test.cc:[0-9]+ in ");
}

}  // namespace
}  // namespace pelton
