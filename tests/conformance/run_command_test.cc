#include "io/process/run_command.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>
#include <string>

#include "framework/base/status.h"
#include "sched/deadline.h"
#include "tests/conformance/process_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

class RunCommandTest : public CoroutineTest {
 protected:
  void TearDown() override {
    CoroutineTest::TearDown();
    EXPECT_TRUE(::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD) << "a child is left";
  }
};

TEST_F(RunCommandTest, FeedsAndGathersMoreThanPipesHold) {
  const std::string input = Pattern(500'000);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(
        const CommandResult result,
        co_await RunCommand(Command("sh", {"-c", "tee /dev/stderr; exit 4"}), {.input = input}));
    EXPECT_EQ(result.status.code, 4);
    EXPECT_TRUE(result.output == input);
    EXPECT_TRUE(result.error == input);
    co_return absl::OkStatus();
  });
}

TEST_F(RunCommandTest, AProgramThatDoesNotReadIsNoError) {
  const std::string input = Pattern(500'000);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(const CommandResult result,
                               co_await RunCommand(Command("true"), {.input = input}));
    EXPECT_TRUE(result.status.ok()) << result.status.ToString();
    co_return absl::OkStatus();
  });
}

TEST_F(RunCommandTest, AProgramThatSaysTooMuchIsKilled) {
  Run([]() -> Task<absl::Status> {
    const absl::StatusOr<CommandResult> result =
        co_await RunCommand(Command("yes"), {.output_limit = 100'000});
    EXPECT_TRUE(absl::IsResourceExhausted(result.status())) << result.status();
    EXPECT_TRUE(Says(result.status(), {"the output of yes[", "limit of 100000 bytes"}));
    co_return absl::OkStatus();
  });
}

TEST_F(RunCommandTest, ADeadlineKillsTheProgram) {
  Run([]() -> Task<absl::Status> {
    const auto result =
        co_await WithTimeout(absl::Milliseconds(20), RunCommand(Command("sleep", {"1000"})));
    EXPECT_TRUE(absl::IsDeadlineExceeded(result.status())) << result.status();
    co_return absl::OkStatus();
  });
}

TEST_F(RunCommandTest, StreamsThatTheCommandLeadsElsewhereStayThere) {
  Run([]() -> Task<absl::Status> {
    Command command("sh", {"-c", "echo out; echo error >&2"});
    command.output = ChildStream::Null();
    PELTON_CO_ASSIGN_OR_RETURN(const CommandResult result, co_await RunCommand(command));
    EXPECT_EQ(result.output, "");
    EXPECT_EQ(result.error, "error\n");
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
