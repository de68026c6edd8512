// How a child begins: its program, surroundings, streams, descriptors, and what keeps it from running.

#include "io/process/spawn.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "framework/base/status.h"
#include "io/process/process.h"
#include "io/process/run_command.h"
#include "sched/deadline.h"
#include "tests/conformance/process_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

class SpawnTest : public CoroutineTest {
 protected:
  // What `command` writes, when it succeeds.
  std::string OutputOf(const Command& command) {
    std::string output;
    Run([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(const CommandResult result, co_await RunCommand(command));
      EXPECT_TRUE(result.status.ok()) << result.status.ToString() << result.error;
      output = result.output;
      co_return absl::OkStatus();
    });
    return output;
  }
  // Why `command` cannot be run.
  absl::Status RefusalOf(const Command& command) {
    const absl::Status status = RunToStatus([&]() -> Task<absl::Status> {
      const absl::StatusOr<Process> process = co_await Process::Spawn(command);
      co_return process.status();
    });
    // Nothing is left of it.
    EXPECT_TRUE(::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD);
    return status;
  }
  static Command Shell(const std::string& script) { return Command("sh", {"-c", script}); }
};

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST_F(SpawnTest, ArgumentsArriveAsTheyAre) {
  EXPECT_EQ(OutputOf(Command("printf", {"%s|", "a b", "", "$HOME", "\"'\\"})), "a b||$HOME|\"'\\|");
}

TEST_F(SpawnTest, TheEnvironmentIsOursOrTheCommands) {
  ASSERT_EQ(::setenv("PELTON_SPAWN_TEST", "ours", 1), 0);
  Command command = Shell("echo $PELTON_SPAWN_TEST $OTHER");
  EXPECT_EQ(OutputOf(command), "ours\n");
  command.environment = {"OTHER=theirs"};
  EXPECT_EQ(OutputOf(command), "theirs\n");
  command.environment = std::vector<std::string>{};
  EXPECT_EQ(OutputOf(command), "\n");
  ASSERT_EQ(::unsetenv("PELTON_SPAWN_TEST"), 0);
}

TEST_F(SpawnTest, RunsInTheWorkingDirectory) {
  Command command("pwd");
  command.environment = std::vector<std::string>{};  // no PWD
  command.working_directory = "/usr/bin";
  EXPECT_EQ(::access("/usr/bin/pwd", X_OK), 0);
  const std::string folder = OutputOf(command);
  EXPECT_TRUE(folder == "/usr/bin\n") << folder;
  command.program = "./pwd";
  EXPECT_EQ(OutputOf(command), folder) << "a relative path counts from there";
}

TEST_F(SpawnTest, WhatCannotBeRunIsAnErrorThatNamesTheProgram) {
  const absl::Status missing = RefusalOf(Command("/no/such/program"));
  EXPECT_EQ(GetErrno(missing), ENOENT);
  EXPECT_TRUE(Says(missing, {"run /no/such/program: No such file or directory (ENOENT)"}));
  EXPECT_EQ(GetErrno(RefusalOf(Command("no_such_program_anywhere"))), ENOENT);
  const absl::Status denied = RefusalOf(Command("/etc/passwd"));
  EXPECT_EQ(GetErrno(denied), EACCES);
  EXPECT_TRUE(Says(denied, {"run /etc/passwd: Permission denied"}));
  EXPECT_EQ(GetErrno(RefusalOf(Command("/usr"))), EACCES);
  EXPECT_EQ(GetErrno(RefusalOf(Command("/etc/passwd/x"))), ENOTDIR);
  const absl::Status large = RefusalOf(Command("true", {std::string(200'000, 'x')}));
  EXPECT_EQ(GetErrno(large), E2BIG);
  EXPECT_TRUE(Says(large, {"run true: Argument list too long"}));
}

TEST_F(SpawnTest, ADirectoryOrFileThatIsMissingIsNamed) {
  Command command("true");
  command.working_directory = "/no/such/folder";
  EXPECT_TRUE(Says(RefusalOf(command), {"run true in directory /no/such/folder", "ENOENT"}));
  command = Command("true");
  command.input = ChildStream::File("/no/such/file");
  EXPECT_TRUE(
      Says(RefusalOf(command), {"open /no/such/file as the standard input of true", "ENOENT"}));
  command = Command("true");
  command.descriptors = {{.ours = 98765, .theirs = 3}};
  EXPECT_TRUE(Says(RefusalOf(command), {"pass descriptors to true", "EBADF"}));
}

TEST_F(SpawnTest, ABadCommandIsRefusedWithWhatIsWrong) {
  const auto refusal = [&](Command command) {
    const absl::Status status = RefusalOf(command);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return status;
  };
  EXPECT_TRUE(Says(refusal(Command()), {"without a program"}));
  EXPECT_TRUE(
      Says(refusal(Command("true", {std::string("a\0b", 3)})), {"argument \"a...\"", "NUL"}));
  Command command("true");
  command.environment = {"WITHOUT"};
  EXPECT_TRUE(Says(refusal(command), {"\"WITHOUT\"", "NAME=VALUE"}));
  command = Command("true");
  command.output = ChildStream::SameAsOutput();
  EXPECT_TRUE(Says(refusal(command), {"standard output cannot be SameAsOutput()"}));
  command = Command("true");
  command.descriptors = {{.ours = 0, .theirs = 2}};
  EXPECT_TRUE(Says(refusal(command), {"descriptor 2 of the child"}));
  command.descriptors = {{.ours = 0, .theirs = 3}, {.ours = 1, .theirs = 3}};
  EXPECT_TRUE(Says(refusal(command), {"descriptor 3 of the child"}));
}

TEST_F(SpawnTest, StreamsLeadWhereTheyAreToldTo) {
  const std::string path = ::testing::TempDir() + "/spawn_" + std::to_string(::getpid());
  Command command = Shell("cat; echo error >&2; echo out");
  command.input = ChildStream::Null();
  command.output = ChildStream::File(path);
  command.error = ChildStream::SameAsOutput();
  EXPECT_EQ(OutputOf(command), "");
  EXPECT_EQ(Contents(path), "error\nout\n");
  command.output = ChildStream::AppendToFile(path);
  command.error = ChildStream::Null();
  EXPECT_EQ(OutputOf(command), "");
  EXPECT_EQ(Contents(path), "error\nout\nout\n");
  command = Shell("cat");
  command.input = ChildStream::File(path);
  EXPECT_EQ(OutputOf(command), "error\nout\nout\n");
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  command.output = ChildStream::Descriptor(file.get());
  command.input = ChildStream::File("/proc/version");
  EXPECT_EQ(OutputOf(command), "");
  EXPECT_EQ(Contents(path).substr(0, 5), "Linux");
  ::unlink(path.c_str());
}

TEST_F(SpawnTest, OutputAndErrorGoToOnePipeInTheirOrder) {
  Command command = Shell("echo 1; echo 2 >&2; echo 3");
  command.error = ChildStream::SameAsOutput();
  EXPECT_EQ(OutputOf(command), "1\n2\n3\n");
}

TEST_F(SpawnTest, TheChildHasTheDescriptorsThatItWasPassedAndNoOthers) {
  // As a library leaves them: without FD_CLOEXEC.
  const Descriptor leaked(::open("/dev/null", O_RDONLY));
  const Descriptor high(::fcntl(leaked.get(), F_DUPFD, 200));
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Descriptor reader(ends[0]);
  const Descriptor writer(ends[1]);
  // 3 and 4 trade places, if the pipe has these numbers; and one is passed twice.
  Command command("ls", {"/proc/self/fd"});
  command.descriptors = {{.ours = reader.get(), .theirs = writer.get()},
                         {.ours = writer.get(), .theirs = reader.get()},
                         {.ours = writer.get(), .theirs = 150}};
  std::vector<int> numbers;
  std::istringstream output(OutputOf(command));
  for (int number; output >> number;) numbers.push_back(number);
  std::sort(numbers.begin(), numbers.end());
  // ls opens the folder under the first free number.
  int folder = 3;
  while (folder == reader.get() || folder == writer.get()) ++folder;
  std::vector<int> expected = {0, 1, 2, reader.get(), writer.get(), 150, folder};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(numbers, expected);
  command = Shell("echo hello >/proc/self/fd/150");
  command.descriptors = {{.ours = writer.get(), .theirs = 150}};
  EXPECT_EQ(OutputOf(command), "");
  char bytes[16];
  EXPECT_EQ(::read(reader.get(), bytes, sizeof(bytes)), 6);
}

TEST_F(SpawnTest, SignalsBeginAtTheirDefaults) {
  ASSERT_NE(::signal(SIGPIPE, SIG_IGN), SIG_ERR);
  ASSERT_NE(::signal(SIGUSR2, SIG_IGN), SIG_ERR);
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  const std::string lines = OutputOf(Command("grep", {"-E", "^Sig(Blk|Ign)", "/proc/self/status"}));
  EXPECT_EQ(lines, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  sigset_t after;
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, &before, &after), 0);
  EXPECT_EQ(::sigismember(&after, SIGTERM), 1) << "ours stay as they were";
  EXPECT_EQ(::sigismember(&after, SIGUSR1), 0);
  EXPECT_EQ(::signal(SIGUSR2, SIG_DFL), SIG_IGN);
}

TEST_F(SpawnTest, TheChildLeadsAGroupOrASession) {
  const std::string script =
      "set -- $(cat /proc/$$/stat); [ $5 = $1 ] && echo group; "
      "[ $6 = $1 ] && echo session; true";
  Command command = Shell(script);
  EXPECT_EQ(OutputOf(command), "");
  command.group = Command::Group::kNew;
  EXPECT_EQ(OutputOf(command), "group\n");
  command.group = Command::Group::kNewSession;
  EXPECT_EQ(OutputOf(command), "group\nsession\n");
}

TEST_F(SpawnTest, ResourceLimitsHold) {
  Command command = Shell("ulimit -n; ulimit -c");
  command.limits = {{RLIMIT_NOFILE, {123, 123}}, {RLIMIT_CORE, {0, 0}}};
  EXPECT_EQ(OutputOf(command), "123\n0\n");
  command.limits = {{9999, {0, 0}}};
  EXPECT_TRUE(Says(RefusalOf(command), {"run sh with resource limit 9999", "EINVAL"}));
}

TEST_F(SpawnTest, TheSignalAtTheEndOfTheShardIsSet) {
  Command command("true");
  command.signal_when_shard_ends = 999;
  EXPECT_TRUE(Says(RefusalOf(command), {"tie the life of true", "EINVAL"}));
  command.signal_when_shard_ends = SIGKILL;
  EXPECT_EQ(OutputOf(command), "");
}

TEST_F(SpawnTest, NoProcessIsLeftWhenDescriptorsRunOut) {
  rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  Run([&]() -> Task<absl::Status> {
    // Warm: the driver and the pool have what they need.
    PELTON_CO_ASSIGN_OR_RETURN(const CommandResult result, co_await RunCommand(Command("true")));
    EXPECT_TRUE(result.status.ok());
    std::vector<Descriptor> hoard;
    rlimit few = limit;
    few.rlim_cur = 256;
    PELTON_CHECK(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    // pelton: bounded: what a test makes
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    for (int fd; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) {
      hoard.emplace_back(fd);
    }
    for (int free = 0; free < 8; ++free) {
      const absl::StatusOr<CommandResult> starved = co_await RunCommand(Command("true"));
      if (free < 6) EXPECT_EQ(GetErrno(starved.status()), EMFILE) << free << starved.status();
      if (free < 6) EXPECT_TRUE(Says(starved.status(), {"true"}));
      hoard.pop_back();
    }
    PELTON_CHECK(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD);
}

}  // namespace
}  // namespace pelton::testing
