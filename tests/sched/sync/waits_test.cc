// What holds of every wait of sched/sync that another task ends: one suite, every primitive.

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "tests/sched/sync/for_each_seed.h"
#include "tests/sched/sync/wait_cases.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::kLateness;
using testing::kWaiters;
using testing::TaskHarness;
using testing::Waiters;
using testing::WaitOf;

template <typename Case>
class WaitTest : public ::testing::Test {
 public:
  // Lets everybody through that still waits, and one more that comes now: nothing was lost.
  static void ExpectAllThere(TaskHarness& harness, Case& test) {
    Waiters fresh(harness);
    fresh.StartAll(1, [&](auto arrive) { return test.Wait(arrive); });
    for (int i = 0; i < kWaiters + 2 && fresh.ended() == 0; ++i) {
      test.Release();
      harness.RunReady();
    }
    ASSERT_EQ(fresh.ended(), 1u) << "something was lost";
    EXPECT_TRUE(fresh.arrived(0).status.ok()) << fresh.arrived(0).status;
  }
};

TYPED_TEST_SUITE(WaitTest, testing::WaitCases);

TYPED_TEST(WaitTest, IsGrantedInTheOrderOfArrival) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    TypeParam test;
    Waiters waiters(harness);
    waiters.StartAll(kWaiters, [&](auto arrive) { return test.Wait(arrive); });
    ASSERT_EQ(waiters.ended(), 0u) << "nobody had to wait";
    for (int i = 0; i < kWaiters && waiters.ended() < kWaiters; ++i) {
      test.Release();
      harness.RunReady();
    }
    ASSERT_EQ(waiters.ended(), static_cast<size_t>(kWaiters));
    // Those that are woken together run in any order.
    if (!TypeParam::kWakesAll) EXPECT_EQ(waiters.order_of_ending(), waiters.order_of_arrival());
    for (const Waiters::Waiter* waiter : waiters.order_of_ending()) {
      EXPECT_TRUE(waiter->status.ok()) << waiter->status;
    }
  });
}

TYPED_TEST(WaitTest, EndsWithTheStopStatusWhenItIsCancelled) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    TypeParam test;
    Waiters waiters(harness);
    waiters.StartAll(kWaiters, [&](auto arrive) { return test.Wait(arrive); });
    size_t cancelled = 0;
    for (int i = 0; i < kWaiters; ++i) {
      if (random.Below(2) == 0) continue;
      waiters.arrived(i).scope.Cancel();
      ++cancelled;
    }
    harness.RunReady();
    ASSERT_EQ(waiters.ended(), cancelled) << "a stop ends the wait, and nobody else's";
    for (const Waiters::Waiter* waiter : waiters.order_of_ending()) {
      EXPECT_TRUE(absl::IsCancelled(waiter->status)) << waiter->status;
    }
    for (int i = 0; i < kWaiters && waiters.ended() < kWaiters; ++i) {
      test.Release();
      harness.RunReady();
    }
    ASSERT_EQ(waiters.ended(), static_cast<size_t>(kWaiters));
    for (size_t i = cancelled; i < waiters.ended(); ++i) {
      EXPECT_TRUE(waiters.order_of_ending()[i]->status.ok());
    }
    WaitTest<TypeParam>::ExpectAllThere(harness, test);
  });
}

TYPED_TEST(WaitTest, EndsAtItsDeadline) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    TypeParam test;
    Waiters waiters(harness);
    const absl::Duration timeout =
        absl::Microseconds(1 + static_cast<int64_t>(random.Below(10'000)));
    const Timestamp start = harness.now();
    waiters.Start([&](auto arrive) { return WithTimeout(timeout, test.Wait(arrive)); });
    harness.RunUntilIdle();
    ASSERT_EQ(waiters.ended(), 1u);
    EXPECT_TRUE(absl::IsDeadlineExceeded(waiters.arrived(0).status));
    EXPECT_GE(harness.now() - start, timeout);
    EXPECT_LE(harness.now() - start, timeout + kLateness);
    WaitTest<TypeParam>::ExpectAllThere(harness, test);
  });
}

TYPED_TEST(WaitTest, EndsInTimeUnderADeadlineThatIsNotReached) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    TypeParam test;
    Waiters waiters(harness);
    waiters.StartAll(1,
                     [&](auto arrive) { return WithTimeout(absl::Seconds(1), test.Wait(arrive)); });
    test.Release();
    harness.RunUntilIdle();
    ASSERT_EQ(waiters.ended(), 1u);
    EXPECT_TRUE(waiters.arrived(0).status.ok()) << waiters.arrived(0).status;
    EXPECT_EQ(harness.now(), Timestamp()) << "the timer is gone";
  });
}

TYPED_TEST(WaitTest, TakesNothingInAFlowThatWasStoppedBefore) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    TypeParam test;
    if (random.Below(2) == 0) test.Release();  // what is free is not taken either
    Waiters waiters(harness);
    for (int i = 0; i < kWaiters; ++i) {
      waiters.Start([&](auto arrive) { return test.Wait(arrive); }).scope.Cancel();
    }
    harness.RunReady();
    ASSERT_EQ(waiters.ended(), static_cast<size_t>(kWaiters));
    for (const Waiters::Waiter* waiter : waiters.order_of_ending()) {
      EXPECT_TRUE(absl::IsCancelled(waiter->status)) << waiter->status;
    }
    WaitTest<TypeParam>::ExpectAllThere(harness, test);
  });
}

TYPED_TEST(WaitTest, KeepsWhatWasHandedOverBeforeTheStop) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    TypeParam test;
    Waiters waiters(harness);
    waiters.StartAll(kWaiters, [&](auto arrive) { return test.Wait(arrive); });
    test.Release();
    waiters.CancelAll();  // in the same turn, before any of them runs
    harness.RunReady();
    ASSERT_EQ(waiters.ended(), static_cast<size_t>(kWaiters));
    for (int i = 0; i < kWaiters; ++i) {
      const absl::Status& status = waiters.arrived(i).status;
      if (i == 0 || TypeParam::kWakesAll) {
        EXPECT_TRUE(status.ok()) << status;
      } else {
        EXPECT_TRUE(absl::IsCancelled(status)) << status;
      }
    }
    WaitTest<TypeParam>::ExpectAllThere(harness, test);
  });
}

TYPED_TEST(WaitTest, LeavesWhatComesAfterTheStopToTheNext) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    TypeParam test;
    Waiters waiters(harness);
    waiters.StartAll(kWaiters, [&](auto arrive) { return test.Wait(arrive); });
    waiters.arrived(0).scope.Cancel();
    test.Release();  // in the same turn, before the cancelled task runs
    harness.RunReady();
    EXPECT_TRUE(waiters.arrived(0).ended);
    EXPECT_TRUE(absl::IsCancelled(waiters.arrived(0).status));
    EXPECT_TRUE(waiters.arrived(1).ended) << "the next in line was passed over";
    EXPECT_TRUE(waiters.arrived(1).status.ok()) << waiters.arrived(1).status;
    waiters.CancelAll();
    harness.RunReady();
    WaitTest<TypeParam>::ExpectAllThere(harness, test);
  });
}

// Cancels and releases at random, while tasks come and go.
TYPED_TEST(WaitTest, SurvivesAnyMixtureOfStopsAndReleases) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    TypeParam test;
    Waiters waiters(harness);
    for (int step = 0; step < 60; ++step) {
      switch (random.Below(4)) {
        case 0:
          test.Release();
          break;
        case 1:
          if (auto& started = waiters.started(); !started.empty()) {
            started[random.Below(started.size())].scope.Cancel();
          }
          break;
        case 2:
          if (waiters.started().size() < kWaiters) {
            waiters.Start([&](auto arrive) { return test.Wait(arrive); });
          }
          break;
        default:
          harness.Turn();
      }
    }
    waiters.CancelAll();
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), waiters.started().size());
    WaitTest<TypeParam>::ExpectAllThere(harness, test);
  });
}

TYPED_TEST(WaitTest, SaysWhatItWaitsFor) {
  TaskHarness harness;
  TypeParam test;
  Waiters waiters(harness);
  waiters.StartAll(1, [&](auto arrive) { return test.Wait(arrive); });
  EXPECT_NE(WaitOf(waiters.arrived(0)).find(TypeParam::kPhrase), std::string::npos)
      << WaitOf(waiters.arrived(0));
  waiters.CancelAll();
  harness.RunReady();
}

template <typename Case>
class WaitDeathTest : public WaitTest<Case> {};
TYPED_TEST_SUITE(WaitDeathTest, testing::WaitCases);

TYPED_TEST(WaitDeathTest, ThePrimitiveMustOutliveIt) {
  TaskHarness harness;
  TypeParam test;
  Waiters waiters(harness);
  waiters.StartAll(1, [&](auto arrive) { return test.Wait(arrive); });
  EXPECT_DEATH(test.primitive.reset(),
               std::string(TypeParam::kName) + " was destroyed while 1 tasks wait for it");
  waiters.CancelAll();
  harness.RunReady();
}

}  // namespace
}  // namespace pelton
