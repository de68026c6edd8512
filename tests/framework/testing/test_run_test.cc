#include "framework/testing/internal/test_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>

namespace pelton {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

// What a run of failing_tests came to.
struct Outcome {
  bool exited = false;
  int exit_code = -1;
  std::string output;  // of stdout and stderr
};

// `settings` are put before the command, such as PELTON_SEED=3.
Outcome RunTests(const std::string& filter, const std::string& flags = "",
                 const std::string& settings = "") {
  const std::string file = ::testing::TempDir() + "failing_tests.out";
  const std::string command = settings +
                              " tests/framework/testing/failing_tests --gtest_filter=" + filter +
                              " " + flags + " >" + file + " 2>&1";
  const int status = std::system(command.c_str());
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return {WIFEXITED(status), WIFEXITED(status) ? WEXITSTATUS(status) : -1, text.str()};
}

// That `test` fails with a message that matches, and that the next test runs and passes.
void ExpectFailure(const std::string& test, const ::testing::Matcher<const std::string&>& message) {
  const Outcome outcome = RunTests(test + ":PassTest.*");
  EXPECT_NE(outcome.exit_code, 0) << outcome.output;
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("[  FAILED  ] " + test), message));
  EXPECT_THAT(outcome.output, HasSubstr("[       OK ] PassTest.StillRuns"));
}

// The number that follows --pelton_seed= in `output`; none when it is not there.
std::string SeedIn(const std::string& output) {
  std::smatch match;
  return std::regex_search(output, match, std::regex("--pelton_seed=([0-9]+)")) ? match[1].str()
                                                                                : "";
}

TEST(TestRunTest, ATestThatPassesPasses) {
  const Outcome outcome = RunTests("PassTest.*");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
}

TEST(TestRunTest, ALeakedTaskFailsTheTestWithItsBacktrace) {
  ExpectFailure("LeakTest.Task",
                AllOf(HasSubstr("leaked: 1 task, 0 timers, 0 operations and 0 connections"),
                      HasSubstr("waits for a stop"),
                      ContainsRegex("failing_tests.cc:[0-9]+ in .*WaitForStop")));
}

TEST(TestRunTest, ALeakedSleeperIsATaskAndATimer) {
  ExpectFailure("LeakTest.SleepingTask",
                AllOf(HasSubstr("leaked: 1 task, 1 timer, 0 operations and 0 connections"),
                      HasSubstr("waits for timer due in 1h"),
                      ContainsRegex("failing_tests.cc:[0-9]+ in .*SleepForAnHour")));
}

TEST(TestRunTest, ALeakedTaskThatRefusesToEndHarmsNoOtherTest) {
  ExpectFailure("LeakTest.TaskThatRefusesToEnd",
                AllOf(HasSubstr("leaked: 1 task"), HasSubstr("waits for what never comes")));
}

TEST(TestRunTest, ALeakOnAnotherShardIsFound) {
  ExpectFailure("LeakTest.TaskOfAnotherShard",
                AllOf(HasSubstr("leaked: 1 task"), HasSubstr("shard 1\n"),
                      ContainsRegex("failing_tests.cc:[0-9]+ in .*WaitForStop")));
}

TEST(TestRunTest, AScopeThatOutlivesTheBodyIsALeak) {
  ExpectFailure("LeakTest.EmptyScope", HasSubstr("leaked: a TaskScope without tasks"));
}

TEST(TestRunTest, ALeakedTimerFailsTheTest) {
  ExpectFailure("LeakTimerTest.Timer",
                HasSubstr("leaked: 0 tasks, 1 timer, 0 operations and 0 connections"));
}

TEST(TestRunTest, ALeakedOperationFailsTheTest) {
  ExpectFailure("LeakOperationTest.Operation",
                HasSubstr("leaked: 0 tasks, 0 timers, 1 operation and 0 connections"));
}

TEST(TestRunTest, ALeakedConnectionFailsTheTest) {
  ExpectFailure("LeakConnectionTest.Stream",
                HasSubstr("leaked: 0 tasks, 0 timers, 0 operations and 1 connection"));
}

TEST(TestRunTest, ALeakedFrameFailsTheTest) {
  ExpectFailure("LeakFrameTest.Frame", HasSubstr("1 coroutine frame is alive after the test"));
}

TEST(TestRunTest, AScopeOfTheBodyThatIsNotJoinedEndsTheProcessWithTheBacktrace) {
  const Outcome outcome = RunTests("UnjoinedTest.*");
  EXPECT_FALSE(outcome.exited && outcome.exit_code == 0);
  EXPECT_THAT(outcome.output,
              AllOf(HasSubstr("a TaskScope was destroyed with 1 live children"),
                    HasSubstr("PELTON_TEST: the process dies in UnjoinedTest.ScopeInTheBody"),
                    HasSubstr("waits for timer due in 1h"),
                    ContainsRegex("failing_tests.cc:[0-9]+ in .*SleepForAnHour")));
}

TEST(TestRunTest, ADeadlockFailsTheTestWithTheBacktrace) {
  ExpectFailure(
      "DeadlockTest.CanBeCancelled",
      AllOf(HasSubstr("deadlock: the body waits"), HasSubstr("waits for a stop"),
            ContainsRegex("failing_tests.cc:[0-9]+ in .*WaitForStop"), Not(HasSubstr("leaked"))));
}

TEST(TestRunTest, ADeadlockThatCannotBeCancelledHarmsNoOtherTest) {
  ExpectFailure(
      "DeadlockTest.CannotBeCancelled",
      AllOf(HasSubstr("deadlock: the body waits"), HasSubstr("waits for what never comes"),
            ContainsRegex("failing_tests.cc:[0-9]+ in .*WaitForever")));
}

TEST(TestRunTest, ADeadlockOnAnotherShardShowsBothShards) {
  ExpectFailure("DeadlockTest.OnAnotherShard",
                AllOf(HasSubstr("shard 0\n"), HasSubstr("shard 1\n"),
                      ContainsRegex("failing_tests.cc:[0-9]+ in .*WaitForStop")));
}

TEST(TestRunTest, AnExceptionFailsTheTestWithItsTextAndBacktrace) {
  ExpectFailure("ExceptionTest.LeavesTheBody",
                AllOf(HasSubstr("the body ended by an exception: boom"),
                      ContainsRegex("failing_tests.cc:[0-9]+ in .*Throw")));
}

TEST(TestRunTest, AFailedAssertionEndsTheTasksOfTheScopesThatItLeaves) {
  ExpectFailure("AssertTest.EndsTheTasksOfTheBodysScopes",
                AllOf(HasSubstr("this is said, too"), Not(HasSubstr("leaked"))));
}

TEST(TestRunTest, AFailedAssertionInASpawnedTaskEndsThatTaskAlone) {
  ExpectFailure("AssertTest.InASpawnedTaskEndsThatTask",
                AllOf(HasSubstr("NOT_FOUND: no such key"), HasSubstr("the body goes on"),
                      Not(HasSubstr("leaked"))));
}

TEST(TestRunTest, ALeakOnThreadsIsReportedBeforeTheProcessEnds) {
  const Outcome outcome = RunTests("LeakTest.TaskOnThreads");
  EXPECT_FALSE(outcome.exited && outcome.exit_code == 0);
  EXPECT_THAT(outcome.output,
              AllOf(HasSubstr("leaked: 1 task, 1 timer"), HasSubstr("its threads cannot end"),
                    ContainsRegex("failing_tests.cc:[0-9]+ in .*SleepForAnHour")));
}

TEST(TestRunTest, ABodyOnThreadsThatTakesTooLongFailsWithTheBacktrace) {
  ExpectFailure("TimeoutTest.OnThreads",
                AllOf(HasSubstr("the body has not ended after 20ms"),
                      ContainsRegex("failing_tests.cc:[0-9]+ in .*WaitForStop")));
}

TEST(TestRunTest, ABodyThatTakesTooLongFailsThoughTimeGoesOn) {
  ExpectFailure(
      "TimeoutTest.WhileAHeartBeats",
      AllOf(HasSubstr("the body has not ended after 50ms"),
            ContainsRegex("failing_tests.cc:[0-9]+ in .*WaitForStop"), Not(HasSubstr("leaked"))));
}

TEST(TestRunTest, ABodyThatIgnoresItsCancellationIsLeftAlone) {
  ExpectFailure("TimeoutTest.ThatIsIgnored", HasSubstr("the body has not ended after 50ms"));
}

TEST(TestRunTest, SeedsAreForTheSteppedRuntimeAlone) {
  ExpectFailure("OptionsTest.SeedsOnThreads", HasSubstr(".seeds with kStepped alone"));
}

TEST(TestRunTest, AFailingSeedIsToldAndReplays) {
  for (const std::string test : {"ExploreTest.FindsAnOrder", "ExploreTest.FindsAnOrderOfShards"}) {
    const Outcome explored = RunTests(test);
    EXPECT_EQ(explored.exit_code, 1) << explored.output;
    EXPECT_THAT(explored.output, HasSubstr("came first"));
    EXPECT_THAT(explored.output, HasSubstr("to replay: --gtest_filter=" + test));
    const std::string seed = SeedIn(explored.output);
    ASSERT_NE(seed, "") << explored.output;

    const Outcome replayed = RunTests(test, "--pelton_seed=" + seed);
    EXPECT_EQ(replayed.exit_code, 1) << replayed.output;
    EXPECT_EQ(SeedIn(replayed.output), seed);
    EXPECT_THAT(replayed.output, HasSubstr("came first"));
    EXPECT_EQ(RunTests(test, "", "PELTON_SEED=" + seed).exit_code, 1);
    EXPECT_EQ(RunTests(test, "--pelton_seed=0").exit_code, 0) << "not shuffled";
    EXPECT_EQ(RunTests(test, "--pelton_seeds=0").exit_code, 0) << "not shuffled";
  }
}

TEST(TestRunTest, ACheckThatFailsUnderASeedTellsTheSeed) {
  const Outcome explored = RunTests("ExploreTest.DiesInAnOrder");
  EXPECT_THAT(explored.output, HasSubstr("used before it is there"));
  EXPECT_THAT(explored.output,
              ContainsRegex("the process dies in ExploreTest.DiesInAnOrder; to replay: "
                            "--gtest_filter=ExploreTest.DiesInAnOrder --pelton_seed=[1-9]"));
}

TEST(TestRunTest, EveryTestCanBeExploredFromTheCommandLine) {
  EXPECT_EQ(RunTests("PassTest.*", "--pelton_seeds=20").exit_code, 0);
  EXPECT_EQ(RunTests("PassTest.*", "", "PELTON_SEEDS=20").exit_code, 0);
}

TEST(TestRunTest, ABadSeedFailsTheTestAndSaysWhatWasExpected) {
  const Outcome outcome = RunTests("PassTest.*", "--pelton_seeds=many");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.output, HasSubstr("--pelton_seeds=many: expected a number from 0 to"));
}

}  // namespace
}  // namespace pelton
