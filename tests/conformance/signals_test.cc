#include "io/process/signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "framework/base/status.h"
#include "io/process/process.h"
#include "sched/deadline.h"
#include "sched/when.h"
#include "tests/conformance/process_test.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

class SignalsTest : public CoroutineTest {
 protected:
  static void Send(int signal) { PELTON_CHECK(::kill(::getpid(), signal) == 0); }
  static bool AtDefault(int signal) {
    struct sigaction action = {};
    PELTON_CHECK(::sigaction(signal, nullptr, &action) == 0);
    return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
  }
};

TEST_F(SignalsTest, ASignalIsAnEventThatTellsItsSender) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Signals signals, Signals::Open({SIGHUP, SIGUSR1}));
    auto send = []() -> Task<absl::Status> {
      co_await LetOthersRun();
      Send(SIGUSR1);
      co_return absl::OkStatus();
    };
    const auto [event, sent] = co_await WhenAll(signals.Next(), send());
    PELTON_CO_RETURN_IF_ERROR(event);
    EXPECT_EQ(event->signal, SIGUSR1);
    EXPECT_EQ(event->sender, ::getpid());
    EXPECT_EQ(event->sender_user, ::getuid());
    const auto none = co_await WithTimeout(absl::Milliseconds(5), signals.Next());
    EXPECT_TRUE(absl::IsDeadlineExceeded(none.status())) << none.status();
    co_return absl::OkStatus();
  });
}

TEST_F(SignalsTest, OneOfAnotherProcessArrives) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Signals signals, Signals::Open({SIGHUP}));
    Command command("sh", {"-c", "kill -HUP $PPID"});
    PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await Process::Spawn(command));
    PELTON_CO_ASSIGN_OR_RETURN(const SignalEvent event, co_await signals.Next());
    EXPECT_EQ(event.signal, SIGHUP);
    EXPECT_EQ(event.sender, child.pid());
    PELTON_CO_RETURN_IF_ERROR(co_await child.Wait());
    co_return absl::OkStatus();
  });
}

TEST_F(SignalsTest, TheEndOfAChildIsTheKernels) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Signals signals, Signals::Open({SIGCHLD}));
    PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await Process::Spawn(Command("true")));
    PELTON_CO_ASSIGN_OR_RETURN(const SignalEvent event, co_await signals.Next());
    EXPECT_EQ(event.signal, SIGCHLD);
    EXPECT_EQ(event.sender, 0);
    PELTON_CO_RETURN_IF_ERROR(co_await child.Wait());
    co_return absl::OkStatus();
  });
}

TEST_F(SignalsTest, SignalsComeInTheirOrderAndFromAnyThread) {
  constexpr int kRounds = 100;
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Signals signals, Signals::Open({SIGUSR1, SIGUSR2}));
    std::thread sender([] {
      for (int i = 0; i < kRounds; ++i) PELTON_CHECK(::raise(i % 2 == 0 ? SIGUSR1 : SIGUSR2) == 0);
    });
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    sender.join();
    for (int i = 0; i < kRounds; ++i) {
      PELTON_CO_ASSIGN_OR_RETURN(const SignalEvent event, co_await signals.Next());
      EXPECT_EQ(event.signal, i % 2 == 0 ? SIGUSR1 : SIGUSR2);
    }
    co_return absl::OkStatus();
  });
}

TEST_F(SignalsTest, EqualSignalsThatWaitAreToldOnce) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Signals signals, Signals::Open({SIGUSR1}));
    sigset_t mask;
    ::sigemptyset(&mask);
    ::sigaddset(&mask, SIGUSR1);
    PELTON_CHECK(::pthread_sigmask(SIG_BLOCK, &mask, nullptr) == 0);
    for (int i = 0; i < 10; ++i) PELTON_CHECK(::raise(SIGUSR1) == 0);
    PELTON_CHECK(::pthread_sigmask(SIG_UNBLOCK, &mask, nullptr) == 0);
    PELTON_CO_RETURN_IF_ERROR(co_await signals.Next());
    const auto none = co_await WithTimeout(absl::Milliseconds(5), signals.Next());
    EXPECT_TRUE(absl::IsDeadlineExceeded(none.status())) << none.status();
    co_return absl::OkStatus();
  });
}

TEST_F(SignalsTest, AFloodThatNobodyTakesBlocksNobody) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Signals signals, Signals::Open({SIGUSR1}));
    // pelton: bounded: what a test makes
    for (int i = 0; i < 20'000; ++i) PELTON_CHECK(::raise(SIGUSR1) == 0);
    int told = 0;
    for (;; ++told) {
      const auto event = co_await WithTimeout(absl::Milliseconds(20), signals.Next());
      if (!event.ok()) break;
    }
    EXPECT_GT(told, 1000);
    EXPECT_LT(told, 20'000);
    co_return absl::OkStatus();
  });
}

TEST_F(SignalsTest, ACancelledWaitLosesNoSignal) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Signals signals, Signals::Open({SIGUSR1}));
    constexpr int kRounds = 100;
    int told = 0;
    for (int i = 0; i < kRounds; ++i) {
      auto send = [](int turns) -> Task<absl::Status> {
        co_await LetOthersRun(turns);
        PELTON_CHECK(::raise(SIGUSR1) == 0);
        co_return absl::OkStatus();
      };
      const auto [event, sent] =
          co_await WhenAll(WithTimeout(absl::Microseconds(i * 3), signals.Next()), send(i % 5));
      told += event.ok() ? 1 : 0;
    }
    for (; told < kRounds; ++told) PELTON_CO_RETURN_IF_ERROR(co_await signals.Next());
    co_return absl::OkStatus();
  });
}

TEST_F(SignalsTest, WhatWasInEffectComesBack) {
  EXPECT_TRUE(AtDefault(SIGHUP));
  Run([]() -> Task<absl::Status> {
    for (int round = 0; round < 200; ++round) {
      PELTON_CO_ASSIGN_OR_RETURN(Signals signals, Signals::Open({SIGHUP}));
      EXPECT_FALSE(AtDefault(SIGHUP));
      Send(SIGHUP);  // nobody takes it
    }
    PELTON_CO_ASSIGN_OR_RETURN(Signals signals, Signals::Open({SIGUSR2}));
    Send(SIGUSR2);
    PELTON_CO_ASSIGN_OR_RETURN(const SignalEvent event, co_await signals.Next());
    EXPECT_EQ(event.signal, SIGUSR2) << "what the owner of the channel before left is dropped";
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(AtDefault(SIGHUP));
}

TEST_F(SignalsTest, ASignalThatIsTakenIsAnErrorThatSaysByWhom) {
  Run([]() -> Task<absl::Status> {
    for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) {
      const absl::Status runtime = Signals::Open({SIGHUP, signal}).status();
      EXPECT_TRUE(absl::IsAlreadyExists(runtime)) << runtime;
      EXPECT_TRUE(Says(runtime, {"is the runtime's"}));
    }
    EXPECT_TRUE(AtDefault(SIGHUP)) << "all or none";
    PELTON_CO_ASSIGN_OR_RETURN(Signals signals, Signals::Open({SIGHUP}));
    const absl::Status other = Signals::Open({SIGUSR1, SIGHUP}).status();
    EXPECT_TRUE(absl::IsAlreadyExists(other)) << other;
    EXPECT_TRUE(Says(other, {"SIGHUP is awaited by another Signals"}));
    PELTON_CHECK(::signal(SIGUSR2, [](int) {}) != SIG_ERR);
    const absl::Status handler = Signals::Open({SIGUSR2}).status();
    EXPECT_TRUE(Says(handler, {"SIGUSR2 has a handler that somebody else has set"}));
    PELTON_CHECK(::signal(SIGUSR2, SIG_DFL) != SIG_ERR);
    co_return absl::OkStatus();
  });
}

TEST_F(SignalsTest, WhatIsNoSignalToAwaitIsRefused) {
  for (const int signal : {0, -1, 65, 32, SIGKILL, SIGSTOP, SIGSEGV, SIGPIPE}) {
    const absl::Status status = Signals::Open({signal}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << signal << status;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Signals::Open({}).status()));
}

TEST_F(SignalsTest, ChildrenBeginWithoutOurHandlers) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Signals signals, Signals::Open({SIGHUP}));
    PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await Process::Spawn(Command("sleep", {"1000"})));
    PELTON_CO_RETURN_IF_ERROR(child.Kill(SIGHUP));
    PELTON_CO_ASSIGN_OR_RETURN(const ExitStatus status, co_await child.Wait());
    EXPECT_EQ(status.signal, SIGHUP);
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
