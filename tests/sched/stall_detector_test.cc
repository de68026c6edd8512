#include "sched/stall_detector.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "framework/base/check.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

Timestamp At(int64_t ms) { return Timestamp::FromNanoseconds(ms * 1'000'000); }

// This thread is the shard and the watching thread at once: a signal to itself is delivered before
// RequestCapture() returns.
class StallDetectorTest : public ::testing::Test {
 protected:
  static constexpr absl::Duration kThreshold = absl::Milliseconds(25);

  void SetUp() override { detector_.Attach(harness_.scheduler()); }
  void TearDown() override { detector_.Detach(); }

  testing::TaskHarness harness_;
  StallBell bell_;
  StallDetector detector_{kThreshold, bell_};
};

TEST_F(StallDetectorTest, TellsWhenTheTurnBeganUntilTheShardIsIdle) {
  EXPECT_EQ(detector_.turn(), StallDetector::kIdle);
  detector_.BeginTurn(At(1));
  EXPECT_EQ(detector_.turn(), At(1).nanoseconds());
  detector_.BeginTurn(At(2));
  EXPECT_EQ(detector_.turn(), At(2).nanoseconds());
  detector_.BeginIdle(At(3));
  EXPECT_EQ(detector_.turn(), StallDetector::kIdle);
}

TEST_F(StallDetectorTest, CapturesTheTurnThatGoesOnAndItsEnd) {
  detector_.BeginTurn(At(1));
  ASSERT_TRUE(detector_.RequestCapture(At(1).nanoseconds()));
  const Stall* stall = detector_.stall();
  ASSERT_NE(stall, nullptr);
  EXPECT_TRUE(stall->captured);
  EXPECT_EQ(stall->turn, At(1).nanoseconds());
  EXPECT_FALSE(stall->in_task);
  EXPECT_GT(stall->native.bytes(), 0u);
  EXPECT_EQ(detector_.ended_at(), 0) << "it goes on";
  detector_.BeginTurn(At(101));
  EXPECT_EQ(detector_.ended_at(), At(101).nanoseconds());
  detector_.Release();
  EXPECT_EQ(detector_.stall(), nullptr);
  EXPECT_EQ(detector_.TakeMissed(), 0u);
}

TEST_F(StallDetectorTest, CapturesTheTasksThatRun) {
  int awaited_at = 0;
  detector_.BeginTurn(At(1));
  harness_.Run([](StallDetector* detector, int* line) -> Task<void> {
    *line = __LINE__ + 1;
    co_await [](StallDetector* inner) -> Task<void> {
      EXPECT_TRUE(inner->RequestCapture(At(1).nanoseconds()));
      co_return;
    }(detector);
  }(&detector_, &awaited_at));
  const Stall* stall = detector_.stall();
  ASSERT_NE(stall, nullptr);
  EXPECT_TRUE(stall->in_task);
  EXPECT_EQ(stall->group, SchedulingGroup());
  ASSERT_GE(stall->tasks.frames().size(), 2u);
  EXPECT_EQ(stall->tasks.frames()[1].at.line(), static_cast<uint32_t>(awaited_at));
  detector_.BeginIdle(At(2));
}

TEST_F(StallDetectorTest, ATurnThatHasEndedIsNotCaptured) {
  detector_.BeginTurn(At(2));
  EXPECT_TRUE(detector_.RequestCapture(At(1).nanoseconds()));
  EXPECT_EQ(detector_.stall(), nullptr);
  EXPECT_FALSE(detector_.WithdrawRequest()) << "the thread has turned it down";
}

TEST_F(StallDetectorTest, ATurnThatNobodyLookedAtIsNotedAtItsEnd) {
  detector_.BeginTurn(At(1));
  detector_.BeginTurn(At(26));
  const Stall* stall = detector_.stall();
  ASSERT_NE(stall, nullptr);
  EXPECT_FALSE(stall->captured);
  EXPECT_EQ(stall->turn, At(1).nanoseconds());
  EXPECT_EQ(detector_.ended_at(), At(26).nanoseconds());
  EXPECT_FALSE(detector_.RequestCapture(At(26).nanoseconds())) << "one at a time";
}

TEST_F(StallDetectorTest, ATurnThatEndsInIdlenessIsNoted) {
  detector_.BeginTurn(At(1));
  detector_.BeginIdle(At(26));
  ASSERT_NE(detector_.stall(), nullptr);
  EXPECT_EQ(detector_.ended_at(), At(26).nanoseconds());
}

TEST_F(StallDetectorTest, ShortTurnsAndIdlenessAreNoStalls) {
  detector_.BeginTurn(At(1));
  detector_.BeginTurn(At(25));
  detector_.BeginIdle(At(49));
  detector_.BeginTurn(At(1'000));
  detector_.BeginTurn(At(1'001));
  EXPECT_EQ(detector_.stall(), nullptr);
}

TEST_F(StallDetectorTest, ATurnReportedWhileItGoesOnIsNotNotedAgain) {
  detector_.BeginTurn(At(1));
  ASSERT_TRUE(detector_.RequestCapture(At(1).nanoseconds()));
  ASSERT_NE(detector_.stall(), nullptr);
  detector_.Release();
  EXPECT_EQ(detector_.settled_turn(), At(1).nanoseconds());
  detector_.BeginTurn(At(2'000));
  EXPECT_EQ(detector_.stall(), nullptr);
  EXPECT_EQ(detector_.TakeMissed(), 0u);
}

TEST_F(StallDetectorTest, StallsDuringAReportAreCounted) {
  for (int turn = 0; turn < 4; ++turn) detector_.BeginTurn(At(turn * 100));
  ASSERT_NE(detector_.stall(), nullptr);
  EXPECT_EQ(detector_.stall()->turn, At(0).nanoseconds());
  EXPECT_EQ(detector_.TakeMissed(), 2u);
  EXPECT_EQ(detector_.TakeMissed(), 0u);
}

TEST_F(StallDetectorTest, WakingFromIdlenessRingsWhenTheWatchingThreadRests) {
  bell_.PrepareToRest();
  detector_.BeginTurn(At(1));
  bell_.WaitUntil(Timestamp::InfiniteFuture());  // would not return otherwise
  bell_.EndRest();
  detector_.BeginIdle(At(2));
}

TEST_F(StallDetectorTest, TheHandlerLeavesErrnoAlone) {
  detector_.BeginTurn(At(1));
  errno = EXDEV;
  detector_.RequestCapture(At(1).nanoseconds());
  EXPECT_EQ(errno, EXDEV);
  EXPECT_NE(detector_.stall(), nullptr);
}

// A stack as a fiber has it: small, and no page below or above it.
class SmallStack {
 public:
  static constexpr size_t kBytes = 16384;

  SmallStack() {
    void* const pages =
        ::mmap(nullptr, kBytes + 2 * kGuard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    PELTON_CHECK(pages != MAP_FAILED);
    pages_ = static_cast<char*>(pages);
    PELTON_CHECK(::mprotect(begin(), kBytes, PROT_READ | PROT_WRITE) == 0);
  }
  ~SmallStack() { ::munmap(pages_, kBytes + 2 * kGuard); }

  char* begin() const { return pages_ + kGuard; }

 private:
  static constexpr size_t kGuard = 4096;
  char* pages_;
};

StallDetector* detector_on_the_small_stack = nullptr;

TEST_F(StallDetectorTest, TheHandlerNeedsNothingOfASmallStackAndStopsAtItsEnd) {
  const SmallStack stack;
  ucontext_t here;
  ucontext_t there;
  ASSERT_EQ(::getcontext(&there), 0);
  there.uc_stack.ss_sp = stack.begin();
  there.uc_stack.ss_size = SmallStack::kBytes;
  there.uc_link = &here;
  detector_.BeginTurn(At(1));
  detector_on_the_small_stack = &detector_;
  ::makecontext(
      &there, +[] { detector_on_the_small_stack->RequestCapture(At(1).nanoseconds()); }, 0);
  ASSERT_EQ(::swapcontext(&here, &there), 0);
  const Stall* stall = detector_.stall();
  ASSERT_NE(stall, nullptr);
  const uintptr_t begin = reinterpret_cast<uintptr_t>(stack.begin());
  EXPECT_GT(stall->native.stack_pointer(), begin);
  EXPECT_EQ(stall->native.stack_pointer() + stall->native.bytes(), begin + SmallStack::kBytes);
}

TEST(StallDetectorDeathTest, OneThreadHasOneDetector) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        testing::TaskHarness harness;
        StallBell bell;
        StallDetector first(absl::Seconds(1), bell);
        StallDetector second(absl::Seconds(1), bell);
        first.Attach(harness.scheduler());
        second.Attach(harness.scheduler());
      },
      "this thread has a stall detector already");
}

}  // namespace
}  // namespace pelton
