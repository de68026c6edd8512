#include "sched/sync/once.h"

#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/sync/event.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::TaskHarness;
using testing::Waiters;
using testing::WaitOf;

// A Once whose initialisers wait for an event, and then end as they are told.
class OnceTest : public ::testing::Test {
 protected:
  auto Run(TaskHarness&) {
    return [this](auto arrive) -> Task<absl::Status> {
      arrive();
      co_return co_await once_->Run([this]() -> Task<absl::Status> {
        ++started_;
        EXPECT_EQ(++running_, 1);
        const absl::Status waited = co_await end_.Wait();
        --running_;
        if (!waited.ok()) co_return waited;
        if (fail_) co_return absl::NotFoundError("not there yet");
        co_return absl::OkStatus();
      });
    };
  }
  void Reset() {
    once_.emplace();
    end_.Reset();
    started_ = 0;
    fail_ = false;
  }

  std::optional<Once> once_{std::in_place};
  Event end_;
  int started_ = 0;
  int running_ = 0;
  bool fail_ = false;
};

TEST_F(OnceTest, RunsOneInitialiserWhileTheOthersWait) {
  ForEachSeed([this](TaskHarness& harness, Random&) {
    Reset();
    Waiters waiters(harness);
    waiters.StartAll(5, Run(harness));
    EXPECT_EQ(started_, 1);
    EXPECT_EQ(waiters.ended(), 0u);
    EXPECT_NE(WaitOf(waiters.arrived(4)).find("which another task runs"), std::string::npos);
    end_.Set();
    waiters.StartAll(2, Run(harness));
    EXPECT_EQ(started_, 1);
    EXPECT_EQ(waiters.ended(), 7u);
    for (const auto* waiter : waiters.order_of_ending()) EXPECT_TRUE(waiter->status.ok());
    EXPECT_TRUE(once_->done());
  });
}

TEST_F(OnceTest, AFailureIsItsCallersAloneAndTheNextInLineTries) {
  ForEachSeed([this](TaskHarness& harness, Random&) {
    Reset();
    Waiters waiters(harness);
    waiters.StartAll(4, Run(harness));
    fail_ = true;
    end_.Set();
    harness.RunReady();
    EXPECT_EQ(started_, 4) << "each tried, one after the other";
    EXPECT_EQ(waiters.order_of_ending(), waiters.order_of_arrival());
    for (const auto* waiter : waiters.order_of_ending()) {
      EXPECT_TRUE(absl::IsNotFound(waiter->status));
    }
    EXPECT_FALSE(once_->done());
    fail_ = false;
    waiters.StartAll(1, Run(harness));
    EXPECT_TRUE(once_->done());
  });
}

TEST_F(OnceTest, ACancelledInitialiserLetsTheNextOneTry) {
  ForEachSeed([this](TaskHarness& harness, Random&) {
    Reset();
    Waiters waiters(harness);
    waiters.StartAll(3, Run(harness));
    waiters.arrived(0).scope.Cancel();
    harness.RunReady();
    EXPECT_TRUE(absl::IsCancelled(waiters.arrived(0).status));
    EXPECT_EQ(started_, 2);
    EXPECT_FALSE(waiters.arrived(1).ended);
    end_.Set();
    harness.RunReady();
    EXPECT_TRUE(waiters.arrived(1).status.ok());
    EXPECT_TRUE(waiters.arrived(2).status.ok());
    EXPECT_EQ(started_, 2);
  });
}

TEST_F(OnceTest, AWaiterThatIsStoppedLeavesTheRestAlone) {
  ForEachSeed([this](TaskHarness& harness, Random&) {
    Reset();
    Waiters waiters(harness);
    waiters.StartAll(3, Run(harness));
    waiters.arrived(1).scope.Cancel();
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 1u);
    EXPECT_TRUE(absl::IsCancelled(waiters.arrived(1).status));
    end_.Set();
    harness.RunReady();
    EXPECT_EQ(started_, 1);
    EXPECT_TRUE(waiters.arrived(0).status.ok());
    EXPECT_TRUE(waiters.arrived(2).status.ok());
  });
}

// The turn comes to a task in the same turn of the loop in which that task is stopped.
TEST_F(OnceTest, TheTurnOfAStoppedTaskGoesOnToTheNext) {
  ForEachSeed([this](TaskHarness& harness, Random&) {
    Reset();
    Waiters waiters(harness);
    waiters.StartAll(3, Run(harness));
    waiters.arrived(0).scope.Cancel();
    while (!waiters.arrived(0).ended) harness.Turn();
    waiters.arrived(1).scope.Cancel();
    harness.RunReady();
    EXPECT_TRUE(absl::IsCancelled(waiters.arrived(1).status));
    EXPECT_FALSE(waiters.arrived(2).ended);
    end_.Set();
    harness.RunReady();
    EXPECT_TRUE(waiters.arrived(2).status.ok());
    EXPECT_TRUE(once_->done());
  });
}

TEST_F(OnceTest, ADeadlineEndsTheWaitForAnothersInitialiser) {
  ForEachSeed([this](TaskHarness& harness, Random&) {
    Reset();
    Waiters waiters(harness);
    waiters.StartAll(1, Run(harness));
    auto late = [&](auto arrive) -> Task<absl::Status> {
      arrive();
      auto never = []() -> Task<void> { co_return; };
      co_return co_await WithTimeout(absl::Seconds(1), once_->Run(never));
    };
    waiters.StartAll(1, late);
    harness.RunUntilIdle();
    EXPECT_TRUE(absl::IsDeadlineExceeded(waiters.arrived(1).status));
    EXPECT_FALSE(once_->done());
    end_.Set();
    harness.RunReady();
    EXPECT_TRUE(once_->done());
  });
}

TEST_F(OnceTest, AnExceptionIsItsCallersAloneAndTheNextInLineTries) {
  ForEachSeed([this](TaskHarness& harness, Random&) {
    Reset();
    auto thrower = []() -> Task<void> {
      co_await Yield();
      throw std::runtime_error("refused");
    };
    auto first = [&]() -> Task<void> {
      EXPECT_TRUE((co_await once_->Run(thrower)).ok()) << "is not reached";
    };
    auto second = [&]() -> Task<absl::Status> {
      co_await Yield();
      co_return co_await once_->Run([]() -> Task<void> { co_return; });
    };
    EXPECT_THROW(harness.Run(first()), std::runtime_error);
    EXPECT_TRUE(harness.Run(second()).ok());
    EXPECT_TRUE(once_->done());
  });
}

TEST_F(OnceTest, AStoppedTaskStartsNothing) {
  TaskHarness harness;
  Waiters waiters(harness);
  waiters.Start(Run(harness)).scope.Cancel();
  harness.RunReady();
  EXPECT_TRUE(absl::IsCancelled(waiters.arrived(0).status));
  EXPECT_EQ(started_, 0);
}

TEST(OnceDeathTest, MustOutliveItsRuns) {
  TaskHarness harness;
  std::optional<Once> once(std::in_place);
  Waiters waiters(harness);
  auto run = [&](auto) -> Task<absl::Status> {
    co_return co_await once->Run(
        []() -> Task<absl::Status> { co_return co_await SleepFor(absl::Seconds(1)); });
  };
  waiters.StartAll(1, run);
  EXPECT_DEATH(once.reset(), "a Once was destroyed while its initialiser runs");
  waiters.StartAll(1, run);
  EXPECT_DEATH(once.reset(), "a Once was destroyed while 1 tasks wait for it");
  harness.RunUntilIdle();
}

}  // namespace
}  // namespace pelton
