#include "sched/sync/internal/wait_queue.h"

#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <utility>

#include "absl/status/status.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton::sched_internal {
namespace {

using pelton::testing::ForEachSeed;
using pelton::testing::TaskHarness;
using pelton::testing::Waiters;

// Takes one of a number of things, or waits.
class Taker final : public QueuedAwaiter<Taker> {
 public:
  Taker(int& things, WaitQueue& line, int& gave_up)
      : things_(things), line_(line), gave_up_(gave_up) {}
  absl::Status await_resume() const { return Outcome(); }
  void Describe(std::ostream& out) const override { out << "a thing"; }

 private:
  friend class QueuedAwaiter<Taker>;
  bool TryFinish() {
    if (things_ == 0) return false;
    --things_;
    return true;
  }
  WaitQueue& line() { return line_; }
  void GaveUp() {
    EXPECT_FALSE(in_line()) << "it leaves the line first";
    ++gave_up_;
  }

  int& things_;
  WaitQueue& line_;
  int& gave_up_;
};

class WaitQueueTest : public ::testing::Test {
 protected:
  auto Take() {
    return [this](auto arrive) -> Task<absl::Status> {
      arrive();
      co_return co_await Taker(things_, line_, gave_up_);
    };
  }

  int things_ = 0;
  int gave_up_ = 0;
  WaitQueue line_;
};

TEST_F(WaitQueueTest, IsFirstInFirstOut) {
  ForEachSeed([this](TaskHarness& harness, Random&) {
    Waiters waiters(harness);
    waiters.StartAll(4, Take());
    EXPECT_EQ(line_.Count(), 4u);
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(line_.front()->context(), waiters.arrived(i).context);
      line_.WakeFront();
      harness.RunReady();
      EXPECT_TRUE(waiters.arrived(i).ended);
    }
    EXPECT_TRUE(line_.empty());
    EXPECT_EQ(line_.PopFront(), nullptr);
  });
}

TEST_F(WaitQueueTest, WhoFindsWhatItWantsDoesNotWait) {
  TaskHarness harness;
  Waiters waiters(harness);
  things_ = 2;
  waiters.StartAll(3, Take());
  EXPECT_EQ(waiters.ended(), 2u);
  EXPECT_EQ(line_.Count(), 1u);
  line_.WakeAll();
  harness.RunReady();
  EXPECT_EQ(waiters.ended(), 3u);
}

TEST_F(WaitQueueTest, AStopInLineGivesUpAndAStopAfterwardsDoesNot) {
  ForEachSeed([this](TaskHarness& harness, Random&) {
    gave_up_ = 0;
    Waiters waiters(harness);
    waiters.StartAll(2, Take());
    line_.WakeFront();
    waiters.CancelAll();
    EXPECT_EQ(gave_up_, 1);
    EXPECT_TRUE(line_.empty());
    harness.RunReady();
    EXPECT_TRUE(waiters.arrived(0).status.ok());
    EXPECT_TRUE(absl::IsCancelled(waiters.arrived(1).status));
  });
}

TEST_F(WaitQueueTest, AStoppedTaskTakesNothing) {
  TaskHarness harness;
  Waiters waiters(harness);
  things_ = 1;
  waiters.Start(Take()).scope.Cancel();
  harness.RunReady();
  EXPECT_TRUE(absl::IsCancelled(waiters.arrived(0).status));
  EXPECT_EQ(things_, 1);
  EXPECT_EQ(gave_up_, 0) << "it was never in line";
  things_ = 0;
}

TEST_F(WaitQueueTest, ATaskWhoseBudgetIsSpentTakesAndThenGivesWay) {
  TaskHarness harness({.operation_budget = 16});
  things_ = 1'000;
  bool other_ran = false;
  auto other = [&]() -> Task<void> {
    other_ran = true;
    co_return;
  };
  auto take = [&]() -> Task<absl::Status> {
    harness.scope().Spawn(other);
    while (!other_ran) PELTON_CO_RETURN_IF_ERROR(co_await Taker(things_, line_, gave_up_));
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(harness.Run(take()).ok());
  EXPECT_GT(things_, 900);
}

TEST(WaitQueueDeathTest, SaysWhoseItIsAndHowManyWait) {
  TaskHarness harness;
  int things = 0;
  int gave_up = 0;
  WaitQueue line;
  line.CheckEmpty("a Thing");
  Waiters waiters(harness);
  auto take = [&](auto) -> Task<absl::Status> { co_return co_await Taker(things, line, gave_up); };
  waiters.StartAll(3, take);
  EXPECT_DEATH(line.CheckEmpty("a Thing"), "a Thing was destroyed while 3 tasks wait for it");
  waiters.CancelAll();
  harness.RunReady();
}

}  // namespace
}  // namespace pelton::sched_internal
