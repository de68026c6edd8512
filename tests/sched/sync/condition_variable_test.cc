#include "sched/sync/condition_variable.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::TaskHarness;
using testing::Waiters;
using testing::WaitOf;

class ConditionVariableTest : public ::testing::Test {
 protected:
  // A task that waits once, with what invariant 1 says.
  auto WaitOnce() {
    return [this](auto arrive) -> Task<absl::Status> {
      arrive();
      PELTON_CO_ASSIGN_OR_RETURN(Mutex::Guard guard, co_await mutex_.Lock());
      const absl::Status status = co_await condition_.Wait(guard);
      EXPECT_EQ(guard.holds(), status.ok());
      EXPECT_TRUE(!guard.holds() || mutex_.locked());
      co_return status;
    };
  }

  Mutex mutex_;
  ConditionVariable condition_;
};

TEST_F(ConditionVariableTest, UnlocksWhileItWaitsAndHoldsTheMutexAfterwards) {
  ForEachSeed([this](TaskHarness& harness, Random&) {
    Waiters waiters(harness);
    waiters.StartAll(3, WaitOnce());
    EXPECT_FALSE(mutex_.locked());
    condition_.NotifyAll();
    EXPECT_TRUE(mutex_.locked()) << "by the first in line already";
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 3u);
    EXPECT_EQ(waiters.order_of_ending(), waiters.order_of_arrival());
    EXPECT_FALSE(mutex_.locked());
  });
}

TEST_F(ConditionVariableTest, NotifyingNobodyIsForgotten) {
  TaskHarness harness;
  Waiters waiters(harness);
  condition_.NotifyOne();
  condition_.NotifyAll();
  waiters.StartAll(1, WaitOnce());
  EXPECT_EQ(waiters.ended(), 0u);
  condition_.NotifyOne();
  harness.RunReady();
  EXPECT_EQ(waiters.ended(), 1u);
}

TEST_F(ConditionVariableTest, AQueueOfJobsLosesNone) {
  ForEachSeed([this](TaskHarness& harness, Random& random) {
    std::deque<int> queue;
    Waiters waiters(harness);
    int sum = 0;
    bool ended = false;
    auto consume = [&](auto) -> Task<absl::Status> {
      while (true) {
        PELTON_CO_ASSIGN_OR_RETURN(Mutex::Guard guard, co_await mutex_.Lock());
        PELTON_CO_RETURN_IF_ERROR(
            co_await condition_.Wait(guard, [&] { return ended || !queue.empty(); }));
        if (queue.empty()) co_return absl::OkStatus();
        sum += queue.front();
        queue.pop_front();
        if (random.Below(3) == 0) co_await Yield();
      }
    };
    auto produce = [&](auto) -> Task<absl::Status> {
      for (int i = 1; i <= 30; ++i) {
        PELTON_CO_ASSIGN_OR_RETURN(const Mutex::Guard guard, co_await mutex_.Lock());
        queue.push_back(i);
        condition_.NotifyOne();
        if (random.Below(3) == 0) co_await Yield();
      }
      ended = true;
      condition_.NotifyAll();
      co_return absl::OkStatus();
    };
    for (int i = 0; i < 4; ++i) waiters.Start(consume);
    waiters.Start(produce);
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 5u);
    EXPECT_EQ(sum, 465);
  });
}

TEST_F(ConditionVariableTest, AStopDoesNotWaitForTheMutex) {
  ForEachSeed([this](TaskHarness& harness, Random&) {
    Waiters waiters(harness);
    waiters.StartAll(2, WaitOnce());
    Mutex::Guard held = *mutex_.TryLock();
    condition_.NotifyOne();  // the first is in the mutex's line now
    EXPECT_NE(WaitOf(waiters.arrived(0)).find("mutex 0x"), std::string::npos);
    EXPECT_NE(WaitOf(waiters.arrived(1)).find("condition variable 0x"), std::string::npos);
    waiters.CancelAll();
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 2u);
    EXPECT_TRUE(absl::IsCancelled(waiters.arrived(0).status));
    EXPECT_TRUE(absl::IsCancelled(waiters.arrived(1).status));
    held.Unlock();
    EXPECT_FALSE(mutex_.locked());
  });
}

TEST_F(ConditionVariableTest, ATaskThatIsStoppedInTheMutexLinePassesItsNotificationOn) {
  ForEachSeed([this](TaskHarness& harness, Random&) {
    Waiters waiters(harness);
    waiters.StartAll(3, WaitOnce());
    Mutex::Guard held = *mutex_.TryLock();
    condition_.NotifyOne();
    waiters.arrived(0).scope.Cancel();
    held.Unlock();
    harness.RunReady();
    EXPECT_TRUE(absl::IsCancelled(waiters.arrived(0).status));
    EXPECT_TRUE(waiters.arrived(1).ended) << "the notification was lost";
    EXPECT_TRUE(waiters.arrived(1).status.ok());
    EXPECT_FALSE(waiters.arrived(2).ended) << "the notification was doubled";
    waiters.CancelAll();
    harness.RunReady();
  });
}

TEST_F(ConditionVariableTest, ANotificationOfAllIsNotPassedOn) {
  ForEachSeed([this](TaskHarness& harness, Random&) {
    Waiters waiters(harness);
    waiters.StartAll(2, WaitOnce());
    Mutex::Guard held = *mutex_.TryLock();
    condition_.NotifyAll();
    held.Unlock();
    held = Mutex::Guard();
    waiters.arrived(1).scope.Cancel();
    waiters.StartAll(1, WaitOnce());
    EXPECT_TRUE(waiters.arrived(0).status.ok());
    EXPECT_TRUE(absl::IsCancelled(waiters.arrived(1).status));
    EXPECT_FALSE(waiters.arrived(2).ended) << "it came after the notification";
    waiters.CancelAll();
    harness.RunReady();
  });
}

TEST_F(ConditionVariableTest, ADeadlineEndsTheWaitWithoutTheMutex) {
  ForEachSeed([this](TaskHarness& harness, Random& random) {
    const bool with_predicate = random.Below(2) == 0;
    auto wait = [&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(Mutex::Guard guard, co_await mutex_.Lock());
      absl::Status status;
      if (with_predicate) {
        auto never = [] { return false; };
        status = co_await WithTimeout(absl::Seconds(1), condition_.Wait(guard, never));
      } else {
        status = co_await WithTimeout(absl::Seconds(1), condition_.Wait(guard));
      }
      EXPECT_FALSE(guard.holds());
      PELTON_CO_ASSIGN_OR_RETURN(guard, co_await mutex_.Lock());
      co_return status;
    };
    const Timestamp start = harness.now();
    EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(wait())));
    EXPECT_GE(harness.now() - start, absl::Seconds(1));
    EXPECT_FALSE(mutex_.locked());
  });
}

TEST_F(ConditionVariableTest, APredicateThatHoldsDoesNotWait) {
  TaskHarness harness;
  auto wait = [&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Mutex::Guard guard, co_await mutex_.Lock());
    const absl::Status status = co_await condition_.Wait(guard, [] { return true; });
    EXPECT_TRUE(guard.holds());
    co_return status;
  };
  EXPECT_TRUE(harness.Run(wait()).ok());
}

TEST_F(ConditionVariableTest, AStoppedTaskGetsNoPredicateEvaluated) {
  TaskHarness harness;
  Waiters waiters(harness);
  auto wait = [&](auto) -> Task<absl::Status> {
    Mutex::Guard guard = *mutex_.TryLock();
    const absl::Status status = co_await condition_.Wait(guard, [] { return true; });
    EXPECT_FALSE(guard.holds());
    co_return status;
  };
  Waiters::Waiter& waiter = waiters.Start(wait);
  waiter.scope.Cancel();
  harness.RunReady();
  EXPECT_TRUE(absl::IsCancelled(waiter.status));
}

TEST(ConditionVariableDeathTest, NeedsTheMutex) {
  TaskHarness harness;
  auto wait = []() -> Task<absl::Status> {
    ConditionVariable condition;
    Mutex::Guard none;
    co_return co_await condition.Wait(none);
  };
  EXPECT_DEATH((void)harness.Run(wait()), "Wait.. without the mutex");
}

// A wait that was notified still belongs to the condition variable.
TEST(ConditionVariableDeathTest, MustOutliveAWaitThatWasNotified) {
  TaskHarness harness;
  Mutex mutex;
  std::optional<ConditionVariable> condition(std::in_place);
  Waiters waiters(harness);
  auto wait = [&](auto) -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Mutex::Guard guard, co_await mutex.Lock());
    co_return co_await condition->Wait(guard);
  };
  waiters.StartAll(1, wait);
  condition->NotifyAll();
  EXPECT_DEATH(condition.reset(), "a ConditionVariable was destroyed while 1 tasks wait");
  harness.RunReady();
}

}  // namespace
}  // namespace pelton
