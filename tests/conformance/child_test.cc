// How a child ends: waiting, killing, and that none is ever left.

#include "io/process/child.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/process/process.h"
#include "sched/deadline.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "tests/conformance/process_test.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

// No child is left after any of these tests, dead or alive.
class ChildTest : public CoroutineTest {
 protected:
  void TearDown() override {
    CoroutineTest::TearDown();
    siginfo_t info = {};
    EXPECT_EQ(::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1);
    EXPECT_EQ(errno, ECHILD) << "child " << info.si_pid << " is left";
  }
  static Command Shell(const std::string& script) { return Command("sh", {"-c", script}); }
  // A child that has said that it runs.
  static Task<absl::StatusOr<Process>> SpawnReady(std::string script,
                                                  Command::Group group = Command::Group::kSame) {
    Command command = Shell(script);
    command.output = ChildStream::Pipe();
    command.group = group;
    PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await Process::Spawn(std::move(command)));
    char byte;
    PELTON_CO_RETURN_IF_ERROR(co_await child.output().ReadInto({&byte, 1}));
    co_return child;
  }
};

// Ignores SIGTERM, says so, and waits.
constexpr char kStubborn[] = "trap '' TERM; echo; while :; do sleep 100; done";

TEST_F(ChildTest, TellsTheCodeThatAProgramReturned) {
  Run([]() -> Task<absl::Status> {
    for (const int code : {0, 1, 77, 255}) {
      PELTON_CO_ASSIGN_OR_RETURN(Process child,
                                 co_await Process::Spawn(Shell(absl::StrCat("exit ", code))));
      EXPECT_GT(child.pid(), 0);
      for (int asked = 0; asked < 2; ++asked) {
        PELTON_CO_ASSIGN_OR_RETURN(const ExitStatus status, co_await child.Wait());
        EXPECT_EQ(status.code, code);
        EXPECT_EQ(status.signal, 0);
        EXPECT_EQ(status.ok(), code == 0);
        EXPECT_GT(status.most_resident_bytes, 100'000);
        EXPECT_GT(status.user_time + status.system_time, absl::ZeroDuration());
      }
      EXPECT_TRUE(child.Kill(SIGKILL).ok()) << "it has ended: nobody is hit";
    }
    co_return absl::OkStatus();
  });
}

TEST_F(ChildTest, TellsTheSignalThatKilledIt) {
  Run([]() -> Task<absl::Status> {
    for (const int signal : {SIGKILL, SIGTERM, SIGUSR1}) {
      PELTON_CO_ASSIGN_OR_RETURN(Process child,
                                 co_await Process::Spawn(Command("sleep", {"1000"})));
      PELTON_CO_RETURN_IF_ERROR(child.Kill(signal));
      PELTON_CO_ASSIGN_OR_RETURN(const ExitStatus status, co_await child.Wait());
      EXPECT_EQ(status.signal, signal);
      EXPECT_FALSE(status.ok());
    }
    PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await Process::Spawn(Command("sleep", {"1000"})));
    EXPECT_TRUE(absl::IsInvalidArgument(child.Kill(999)));
    co_return absl::OkStatus();
  });
}

TEST_F(ChildTest, AWaitCanBeCancelledAndTheChildGoesOn) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await Process::Spawn(Command("sleep", {"1000"})));
    const auto early = co_await WithTimeout(absl::Milliseconds(5), child.Wait());
    EXPECT_TRUE(absl::IsDeadlineExceeded(early.status())) << early.status();
    EXPECT_EQ(::kill(child.pid(), 0), 0);
    PELTON_CO_RETURN_IF_ERROR(child.Kill(SIGTERM));
    PELTON_CO_ASSIGN_OR_RETURN(const ExitStatus status, co_await child.Wait());
    EXPECT_EQ(status.signal, SIGTERM);
    co_return absl::OkStatus();
  });
}

TEST_F(ChildTest, SeveralTasksWaitForOneChild) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await Process::Spawn(Shell("exit 3")));
    const auto [one, two] = co_await WhenAll(child.Wait(), child.Wait());
    EXPECT_TRUE(one.ok() && one->code == 3);
    EXPECT_TRUE(two.ok() && two->code == 3);
    co_return absl::OkStatus();
  });
}

TEST_F(ChildTest, TerminateAsksFirst) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(
        Process child,
        co_await SpawnReady("trap 'exit 5' TERM; echo; while :; do sleep 0.01; done"));
    PELTON_CO_ASSIGN_OR_RETURN(const ExitStatus status,
                               co_await child.Terminate(absl::Seconds(10)));
    EXPECT_EQ(status.signal, 0);
    EXPECT_EQ(status.code, 5);
    co_return absl::OkStatus();
  });
}

TEST_F(ChildTest, AChildThatIgnoresSigtermIsKilledAtItsDeadline) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await SpawnReady(kStubborn, Command::Group::kNew));
    const Clock& clock = Scheduler::Current()->clock();
    const Timestamp begin = clock.Now();
    constexpr absl::Duration kGrace = absl::Milliseconds(60);
    PELTON_CO_ASSIGN_OR_RETURN(const ExitStatus status, co_await child.Terminate(kGrace));
    EXPECT_EQ(status.signal, SIGKILL) << status.ToString();
    EXPECT_GE(clock.Now() - begin, kGrace);
    EXPECT_LT(clock.Now() - begin, absl::Seconds(10));
    co_return absl::OkStatus();
  });
}

TEST_F(ChildTest, ATerminateThatIsCancelledKillsAtOnce) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await SpawnReady(kStubborn, Command::Group::kNew));
    const auto ended =
        co_await WithTimeout(absl::Milliseconds(20), child.Terminate(absl::Hours(1)));
    EXPECT_TRUE(absl::IsDeadlineExceeded(ended.status()) || ended.ok()) << ended.status();
    PELTON_CO_ASSIGN_OR_RETURN(const ExitStatus status, co_await child.Wait());
    EXPECT_EQ(status.signal, SIGKILL);
    co_return absl::OkStatus();
  });
}

TEST_F(ChildTest, SignalsReachTheChildrenOfAChildThatLeadsAGroup) {
  Run([]() -> Task<absl::Status> {
    // The pipe comes to its end when the grandchild has gone as well.
    PELTON_CO_ASSIGN_OR_RETURN(
        Process child, co_await SpawnReady("sleep 1000 & echo; wait", Command::Group::kNew));
    PELTON_CO_RETURN_IF_ERROR(child.Kill(SIGKILL));
    PELTON_CO_ASSIGN_OR_RETURN(const std::string rest, co_await child.output().ReadToEnd(100));
    EXPECT_EQ(rest, "");
    co_return absl::OkStatus();
  });
}

TEST_F(ChildTest, DestroyingAProcessKillsAndReapsIt) {
  pid_t pid = 0;
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await SpawnReady("echo; exec sleep 1000"));
    pid = child.pid();
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(::kill(pid, 0) < 0 && errno == ESRCH);
}

TEST_F(ChildTest, DestroyingAProcessThatHasEndedReapsIt) {
  Run([&]() -> Task<absl::Status> {
    Command command("true");
    command.output = ChildStream::Pipe();
    PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await Process::Spawn(command));
    PELTON_CO_RETURN_IF_ERROR(co_await child.output().ReadToEnd(0));
    co_return absl::OkStatus();
  });
}

TEST_F(ChildTest, AChildThatSomebodyElseReapedIsAnErrorThatSaysSo) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await Process::Spawn(Command("true")));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    PELTON_CHECK(::waitpid(-1, nullptr, 0) == child.pid());
    const absl::StatusOr<ExitStatus> status = co_await child.Wait();
    EXPECT_TRUE(absl::IsFailedPrecondition(status.status())) << status.status();
    EXPECT_TRUE(Says(status.status(), {"true[", "somebody else has reaped it"}));
    EXPECT_TRUE(child.Kill(SIGKILL).ok()) << "its number is nobody's";
    co_return absl::OkStatus();
  });
}

// Feeds a child and reads it, to its end.
Task<absl::Status> UseChild(int number) {
  Command command("cat");
  command.input = command.output = ChildStream::Pipe();
  PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await Process::Spawn(std::move(command)));
  const std::string text = absl::StrCat("child ", number);
  PELTON_CO_RETURN_IF_ERROR(co_await child.input().Write(text));
  child.input().Close();
  PELTON_CO_ASSIGN_OR_RETURN(const std::string echo, co_await child.output().ReadToEnd(100));
  EXPECT_EQ(echo, text);
  PELTON_CO_ASSIGN_OR_RETURN(const ExitStatus status, co_await child.Wait());
  EXPECT_TRUE(status.ok()) << status.ToString();
  co_return absl::OkStatus();
}

TEST_F(ChildTest, ManyChildrenAreSpawnedFedAndReaped) {
  Run([]() -> Task<absl::Status> {
    co_return co_await WithTaskScope(
        [](TaskScope& scope) -> Task<absl::Status> {
          for (int i = 0; i < 50; ++i) {
            PELTON_CO_RETURN_IF_ERROR(co_await scope.WaitForRoom());
            scope.Spawn(UseChild(i));
          }
          co_return absl::OkStatus();
        },
        {.max_children = 10});
  });
}

TEST_F(ChildTest, ACancelledSpawnLeavesNothing) {
  Run([]() -> Task<absl::Status> {
    for (int round = 0; round < 20; ++round) {
      auto spawn = []() -> Task<absl::Status> {
        PELTON_CO_ASSIGN_OR_RETURN(Process child,
                                   co_await Process::Spawn(Command("sleep", {"1000"})));
        PELTON_CO_ASSIGN_OR_RETURN(const ExitStatus status, co_await child.Wait());
        co_return absl::InternalError(status.ToString());
      };
      const absl::Status status = co_await WithTimeout(absl::Microseconds(round * 50), spawn());
      EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    }
    co_return absl::OkStatus();
  });
}

TEST_F(ChildTest, AStatusSaysHowItEnded) {
  EXPECT_EQ(ExitStatus{.code = 3}.ToString(), "exited with code 3");
  EXPECT_EQ((ExitStatus{.signal = 9}.ToString()), "was killed by signal 9 (SIGKILL)");
  EXPECT_EQ((ExitStatus{.signal = 11, .dumped_core = true}.ToString()),
            "was killed by signal 11 (SIGSEGV), core dumped");
}

}  // namespace
}  // namespace pelton::testing
