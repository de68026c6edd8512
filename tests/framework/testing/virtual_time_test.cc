#include "framework/testing/virtual_time.h"

#include <gmock/gmock.h>

#include <vector>

#include "framework/on.h"
#include "framework/testing/testing.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"

namespace pelton::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::Not;

PELTON_TEST(VirtualTimeTest, BeginsAtZeroAndStandsStill) {
  EXPECT_EQ(Now(), Timestamp());
  for (int i = 0; i < 1000; ++i) co_await Yield();
  EXPECT_EQ(Now(), Timestamp());
}

PELTON_TEST(VirtualTimeTest, JumpsWhenNothingIsReady) {
  const Stopwatch watch;
  PELTON_CO_ASSERT_OK(co_await SleepFor(absl::Hours(5)));
  EXPECT_THAT(watch.Elapsed(), Lasts(absl::Hours(5)));
}

PELTON_TEST(VirtualTimeTest, AStopwatchCanBeginAnew) {
  Stopwatch watch;
  PELTON_CO_ASSERT_OK(co_await SleepFor(absl::Hours(5)));
  watch.Restart();
  PELTON_CO_ASSERT_OK(co_await SleepFor(absl::Seconds(1)));
  EXPECT_THAT(watch.Elapsed(), Lasts(absl::Seconds(1)));
}

// Sleepers of 1, 2, ... hours that say when they wake.
void SpawnSleepers(TaskScope& scope, int sleepers, std::vector<int>& woken) {
  for (int i = 1; i <= sleepers; ++i) {
    scope.Spawn([i, &woken]() -> Task<void> {
      PELTON_EXPECT_OK(co_await SleepFor(absl::Hours(i)));
      woken.push_back(i);
    });
  }
}

PELTON_TEST(VirtualTimeTest, AdvancingRunsWhatIsDueInOrder, .seeds = 200) {
  TaskScope scope;
  std::vector<int> woken;
  SpawnSleepers(scope, 4, woken);
  co_await Settle();
  co_await AdvanceTime(absl::Minutes(150));
  EXPECT_THAT(woken, ElementsAre(1, 2));
  co_await AdvanceTime(absl::Minutes(29));
  EXPECT_THAT(woken, ElementsAre(1, 2));
  co_await AdvanceTime(absl::Minutes(2));
  EXPECT_THAT(woken, ElementsAre(1, 2, 3));
  PELTON_EXPECT_OK(co_await scope.Join());
  EXPECT_THAT(woken, ElementsAre(1, 2, 3, 4));
}

PELTON_TEST(VirtualTimeTest, SettlingLetsNoTimePass, .shards = 3, .seeds = 200) {
  TaskScope scope;
  int done = 0;
  for (int i = 0; i < 20; ++i) {
    scope.Spawn([&, i]() -> Task<void> {
      for (int j = 0; j < i; ++j) co_await Yield();
      co_await On(ShardId(i % 3), []() -> Task<void> { co_await Yield(); });
      ++done;
      PELTON_EXPECT_OK(co_await SleepFor(absl::Seconds(1)));
      ++done;
    });
  }
  co_await Settle();
  EXPECT_EQ(done, 20);
  EXPECT_EQ(Now(), Timestamp());
  PELTON_EXPECT_OK(co_await scope.Join());
  EXPECT_EQ(done, 40);
}

PELTON_TEST(VirtualTimeTest, SeveralTasksMaySettleAtOnce, .shards = 2, .seeds = 200) {
  TaskScope scope;
  for (int i = 0; i < 3; ++i) {
    scope.Spawn([]() -> Task<void> {
      co_await On(ShardId(1), []() -> Task<void> { co_await Settle(); });
      co_await Settle();
    });
  }
  PELTON_EXPECT_OK(co_await scope.Join());
  EXPECT_EQ(Now(), Timestamp());
}

PELTON_TEST(VirtualTimeTest, AStallMakesTimersLate) {
  TaskScope scope;
  std::vector<int> woken;
  SpawnSleepers(scope, 2, woken);
  co_await Settle();
  const Stopwatch watch;
  Stall(absl::Minutes(90));
  EXPECT_EQ(watch.Elapsed(), absl::Minutes(90));
  EXPECT_THAT(woken, ElementsAre()) << "nothing runs meanwhile";
  co_await Settle();
  EXPECT_THAT(woken, ElementsAre(1)) << "half an hour late";
  PELTON_EXPECT_OK(co_await scope.Join());
}

PELTON_TEST(VirtualTimeTest, AStallPassesDeadlines) {
  const absl::Status status = co_await WithTimeout(absl::Seconds(1), []() -> Task<absl::Status> {
    Stall(absl::Seconds(2));
    co_await Yield();
    co_await Yield();
    co_return co_await SleepFor(absl::ZeroDuration());
  }());
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(VirtualTimeTest, LastsAllowsForTheTicksOfTimers) {
  EXPECT_THAT(absl::Seconds(1), Lasts(absl::Seconds(1)));
  EXPECT_THAT(absl::Microseconds(1'001'000), Lasts(absl::Seconds(1)));
  EXPECT_THAT(absl::Microseconds(1'001'001), Not(Lasts(absl::Seconds(1))));
  EXPECT_THAT(absl::Microseconds(999'999), Not(Lasts(absl::Seconds(1))));
  EXPECT_THAT(absl::Seconds(3), Lasts(absl::Seconds(1), absl::Seconds(2)));
}

TEST(VirtualTimeDeathTest, IsThatOfATest) { EXPECT_DEATH(Stall(absl::Seconds(1)), "none runs"); }

PELTON_TEST(VirtualTimeDeathTest, ThreadsHaveNone, .runtime = TestRuntime::kEpollThreads) {
  EXPECT_DEATH(Stall(absl::Seconds(1)), "time is not virtual on threads");
  co_return;
}

}  // namespace
}  // namespace pelton::testing
