#include "sched/sync/mutex.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::TaskHarness;
using testing::Waiters;
using testing::WaitOf;

TEST(MutexTest, LetsOneTaskInAtATimeAcrossAwaits) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    Mutex mutex;
    Waiters waiters(harness);
    int inside = 0;
    int rounds = 0;
    auto loop = [&](auto) -> Task<absl::Status> {
      for (int i = 0; i < 20; ++i) {
        PELTON_CO_ASSIGN_OR_RETURN(const Mutex::Guard guard, co_await mutex.Lock());
        EXPECT_EQ(++inside, 1);
        if (random.Below(2) == 0) co_await Yield();
        --inside;
        ++rounds;
      }
      co_return absl::OkStatus();
    };
    waiters.StartAll(5, loop);
    EXPECT_EQ(rounds, 100);
    EXPECT_FALSE(mutex.locked());
  });
}

// A task that unlocks and locks again at once stands behind those that wait.
TEST(MutexTest, CannotBeTakenAgainAheadOfThoseInLine) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Mutex mutex;
    Waiters waiters(harness);
    std::vector<int> order;
    std::optional<Mutex::Guard> held = mutex.TryLock();
    auto lock = [&](int name) {
      return [&, name](auto arrive) -> Task<absl::Status> {
        arrive();
        absl::StatusOr<Mutex::Guard> guard = co_await mutex.Lock();
        order.push_back(name);
        co_return guard.status();
      };
    };
    waiters.StartAll(1, lock(1));
    waiters.StartAll(1, lock(2));
    held->Unlock();
    EXPECT_FALSE(mutex.TryLock().has_value()) << "it belongs to the first in line already";
    waiters.StartAll(1, lock(3));
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  });
}

TEST(MutexTest, TryLockNeverWaits) {
  Mutex mutex;
  std::optional<Mutex::Guard> guard = mutex.TryLock();
  ASSERT_TRUE(guard.has_value());
  EXPECT_TRUE(mutex.locked());
  EXPECT_FALSE(mutex.TryLock().has_value());
  guard.reset();
  EXPECT_FALSE(mutex.locked());
}

TEST(MutexTest, AGuardMovesAndUnlocksOnce) {
  Mutex one;
  Mutex other;
  Mutex::Guard guard = *one.TryLock();
  Mutex::Guard moved = std::move(guard);
  EXPECT_FALSE(guard.holds());
  EXPECT_TRUE(moved.holds());
  EXPECT_TRUE(one.locked());
  moved = *other.TryLock();
  EXPECT_FALSE(one.locked()) << "assigning lets go of what was held";
  EXPECT_TRUE(other.locked());
  moved.Unlock();
  moved.Unlock();
  EXPECT_FALSE(moved.holds());
  EXPECT_FALSE(other.locked());
}

TEST(MutexTest, TakesADeadlineWithoutATask) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Mutex mutex;
    Mutex::Guard held = *mutex.TryLock();
    auto late = [&]() -> Task<absl::Status> {
      co_return (co_await WithTimeout(absl::Seconds(1), mutex.Lock())).status();
    };
    EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(late())));
    EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(1));
    auto in_time = [&]() -> Task<absl::Status> {
      auto guard = co_await WithTimeout(absl::Seconds(1), mutex.Lock());
      EXPECT_TRUE(mutex.locked());
      co_return guard.status();
    };
    held.Unlock();
    EXPECT_TRUE(harness.Run(in_time()).ok());
    EXPECT_FALSE(mutex.locked());
  });
}

TEST(MutexTest, ALoopOfFreeLocksGivesWay) {
  TaskHarness harness;
  Mutex mutex;
  bool other_ran = false;
  auto other = [&]() -> Task<void> {
    other_ran = true;
    co_return;
  };
  auto loop = [&]() -> Task<void> {
    harness.scope().Spawn(other);
    while (!other_ran) EXPECT_TRUE((co_await mutex.Lock()).ok());
  };
  harness.Run(loop());
  EXPECT_TRUE(other_ran);
}

TEST(MutexTest, AStoppedLoopOfFreeLocksEnds) {
  TaskHarness harness;
  Mutex mutex;
  int rounds = 0;
  auto loop = [&]() -> Task<absl::Status> {
    while (true) {
      PELTON_CO_ASSIGN_OR_RETURN(const Mutex::Guard guard, co_await mutex.Lock());
      ++rounds;
    }
  };
  harness.scope().SpawnContained(loop);
  harness.Turn();
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_GT(rounds, 0);
  EXPECT_EQ(harness.scope().live(), 0u);
}

TEST(MutexTest, SaysWhoHoldsItAndWhereItWasLocked) {
  TaskHarness harness;
  Mutex mutex;
  Waiters waiters(harness);
  const TaskContext* holder = nullptr;
  auto hold = [&](auto) -> Task<absl::Status> {
    holder = &Scheduler::Current()->current_context();
    // Its deadline has a context of its own, which is gone when the others look.
    PELTON_CO_ASSIGN_OR_RETURN(const Mutex::Guard guard,
                               co_await WithTimeout(absl::Seconds(1), mutex.Lock()));
    co_return co_await SleepFor(absl::Seconds(1));
  };
  auto lock = [&](auto arrive) -> Task<absl::Status> {
    arrive();
    co_return (co_await mutex.Lock()).status();
  };
  waiters.StartAll(1, hold);
  waiters.StartAll(1, lock);
  std::ostringstream wanted;
  wanted << "mutex " << &mutex << " held by task " << holder << ", locked at ";
  EXPECT_EQ(WaitOf(waiters.arrived(0)).find(wanted.str()), 0u) << WaitOf(waiters.arrived(0));
  EXPECT_NE(WaitOf(waiters.arrived(0)).find("mutex_test.cc:"), std::string::npos);
  harness.RunUntilIdle();
  EXPECT_EQ(waiters.ended(), 2u);
}

// A guard in a frame unlocks when the frame dies, in the right order for a mutex in an outer frame.
TEST(MutexTest, DiesAfterTheTasksThatUsedIt) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    auto parent = [&]() -> Task<absl::Status> {
      Mutex mutex;
      TaskScope scope;
      auto child = [&]() -> Task<absl::Status> {
        auto guard = co_await mutex.Lock();
        if (!guard.ok()) co_return guard.status();
        co_return co_await SleepFor(absl::Milliseconds(1));
      };
      for (int i = 0; i < 4; ++i) scope.Spawn(child);
      const uint64_t yields = random.Below(4);
      for (uint64_t i = 0; i < yields; ++i) co_await Yield();
      scope.Cancel();
      co_return co_await scope.Join();
    };
    EXPECT_TRUE(harness.Run(parent()).ok());
  });
}

TEST(MutexDeathTest, MustBeUnlockedBeforeItDies) {
  std::optional<Mutex> mutex(std::in_place);
  const Mutex::Guard guard = *mutex->TryLock();
  EXPECT_DEATH(mutex.reset(), "a Mutex was destroyed while it is locked .at .*mutex_test.cc:");
}

}  // namespace
}  // namespace pelton
