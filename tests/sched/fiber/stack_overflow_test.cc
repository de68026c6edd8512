#include "sched/fiber/internal/stack_overflow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "framework/base/compiler.h"
#include "sched/fiber/fiber.h"
#include "sched/task.h"
#include "tests/support/task_harness.h"

namespace pelton::sched_internal {
namespace {

using testing::TaskHarness;

int Recurse(int depth) {
  volatile char frame[512];
  for (volatile char& byte : frame) byte = static_cast<char>(depth);
  if (depth == 0) return frame[0];
  return Recurse(depth - 1) + frame[1];
}

void Overflow() {
  TaskHarness harness;
  (void)harness.Run(RunFiber(
      [] {
        FiberYield();
        return Recurse(1'000'000);
      },
      {.stack_bytes = 48 * 1024, .name = "deep"}));
}

void WriteToNull() {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
}

void FaultInAFiber() {
  TaskHarness harness;
  (void)harness.Run(RunFiber(&WriteToNull));
}

#if defined(PELTON_ASAN) || defined(PELTON_TSAN)
// Its handler was there before, and ends the process in its own way.
constexpr bool kSanitizerHandles = true;
#else
constexpr bool kSanitizerHandles = false;
#endif

bool DiedOfTheFault(int status) {
  return kSanitizerHandles ? WIFEXITED(status) && WEXITSTATUS(status) != 0
                           : WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

// Each test runs its statement in a program of its own: the handler is installed once.
class StackOverflowDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { ::testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST_F(StackOverflowDeathTest, NamesTheFiberAndItsStack) {
  EXPECT_EXIT(Overflow(), DiedOfTheFault, "FATAL fiber deep overflowed its stack of 49152 bytes");
}

TEST_F(StackOverflowDeathTest, IsReportedOnEveryThread) {
  EXPECT_EXIT(std::thread(&Overflow).join(), DiedOfTheFault, "fiber deep overflowed its stack");
}

// Matches what is written only when it says nothing of an overflow.
MATCHER(SaysNothingOfAStack, "") { return arg.find("overflowed its stack") == std::string::npos; }

TEST_F(StackOverflowDeathTest, AnotherFaultInAFiberIsNoOverflow) {
  EXPECT_EXIT(FaultInAFiber(), DiedOfTheFault, SaysNothingOfAStack());
}

// A handler that was there before a fiber ran.
[[noreturn]] void ExitByHandler(int) {
  constexpr char kText[] = "the handler before\n";
  (void)!::write(STDERR_FILENO, kText, sizeof(kText) - 1);
  ::_exit(42);
}
[[noreturn]] void ExitByActionHandler(int, siginfo_t* info, void*) {
  ::_exit(info->si_addr == nullptr ? 43 : 44);
}

TEST_F(StackOverflowDeathTest, HandsOtherFaultsToTheHandlerBefore) {
  EXPECT_EXIT(
      {
        ::signal(SIGSEGV, &ExitByHandler);
        FaultInAFiber();
      },
      ::testing::ExitedWithCode(42), "the handler before");
  EXPECT_EXIT(
      {
        struct sigaction action = {};
        action.sa_sigaction = &ExitByActionHandler;
        action.sa_flags = SA_SIGINFO;
        ::sigaction(SIGSEGV, &action, nullptr);
        FaultInAFiber();
      },
      ::testing::ExitedWithCode(43), "");
}

TEST_F(StackOverflowDeathTest, HandsTheOverflowToTheHandlerBeforeAsWell) {
  EXPECT_EXIT(
      {
        ::signal(SIGSEGV, &ExitByHandler);
        Overflow();
      },
      ::testing::ExitedWithCode(42), "overflowed its stack(.|\n)*the handler before");
}

TEST_F(StackOverflowDeathTest, ASignalThatAProcessSendsStillKills) {
  EXPECT_EXIT(
      {
        ReportStackOverflows();
        ::raise(SIGSEGV);
      },
      DiedOfTheFault, "");
}

TEST_F(StackOverflowDeathTest, LeavesASignalThatIsIgnoredIgnored) {
  EXPECT_EXIT(
      {
        ::signal(SIGSEGV, SIG_IGN);
        ReportStackOverflows();
        ::raise(SIGSEGV);
        ::_exit(45);
      },
      ::testing::ExitedWithCode(45), "");
}

TEST(StackOverflowTest, LeavesTheThreadsOwnAlternateStackAlone) {
  std::thread([] {
    alignas(64) static char own[64 * 1024];
    const stack_t mine = {.ss_sp = own, .ss_flags = 0, .ss_size = sizeof(own)};
    stack_t before;
    ASSERT_EQ(::sigaltstack(&mine, &before), 0);
    ReportStackOverflows();
    stack_t present;
    ASSERT_EQ(::sigaltstack(&before, &present), 0);
    EXPECT_EQ(present.ss_sp, own);
  }).join();
}

TEST(StackOverflowTest, GivesTheThreadAnAlternateStackWhenItHasNone) {
  std::thread([] {
    const stack_t none = {.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    stack_t before;
    ASSERT_EQ(::sigaltstack(&none, &before), 0);
    ReportStackOverflows();
    stack_t present;
    ASSERT_EQ(::sigaltstack(nullptr, &present), 0);
    EXPECT_EQ(present.ss_flags & SS_DISABLE, 0);
    EXPECT_GE(present.ss_size, 32u * 1024);
    if ((before.ss_flags & SS_DISABLE) == 0) ASSERT_EQ(::sigaltstack(&before, nullptr), 0);
  }).join();
}

}  // namespace
}  // namespace pelton::sched_internal
