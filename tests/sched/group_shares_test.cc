// How a shard divides its time among scheduling groups.

#include <gtest/gtest.h>

#include <algorithm>
#include <coroutine>
#include <ostream>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "sched/in_group.h"
#include "sched/preemption.h"
#include "sched/scheduling_group.h"
#include "sched/sleep.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

SchedulingGroup Group(std::string_view name, const SchedulingGroup::Options& options) {
  if (const auto group = SchedulingGroup::Find(name)) {
    EXPECT_TRUE(group->SetShares(options.shares).ok());
    return *group;
  }
  return *SchedulingGroup::Create(name, options);
}

// Computes until told to stop: every preemption point of it takes a nominal 100 ns.
Task<void> Burn(const bool* stop) {
  while (!*stop) co_await PreemptionPoint();
}

class GroupSharesTest : public ::testing::Test {
 public:
  void SpawnBurners(SchedulingGroup group, int count) {
    for (int i = 0; i < count; ++i) {
      harness_.scope().Spawn([group, this] { return In(group, Burn(&stop_)); });
    }
  }
  absl::Duration RunTime(SchedulingGroup group) const { return statistics(group).run_time; }
  Scheduler::GroupStatistics statistics(SchedulingGroup group) const {
    return harness_.scheduler().group_statistics(group);
  }
  // Turns until the groups have run for `time` in all.
  void RunFor(absl::Duration time, const std::vector<SchedulingGroup>& groups) {
    const auto total = [&] {
      absl::Duration sum;
      for (const SchedulingGroup group : groups) sum += RunTime(group);
      return sum;
    };
    const absl::Duration end = total() + time;
    while (total() < end) harness_.Turn();
  }
  void Finish() {
    stop_ = true;
    harness_.RunUntilIdle();
  }

  mutable TaskHarness harness_;
  bool stop_ = false;
};

TEST_F(GroupSharesTest, BusyGroupsGetTimeInProportionToTheirShares) {
  const SchedulingGroup small = Group("small", {.shares = 100});
  const SchedulingGroup large = Group("large", {.shares = 300});
  SpawnBurners(small, 3);
  SpawnBurners(large, 1);
  RunFor(absl::Seconds(1), {small, large});
  const double ratio = absl::FDivDuration(RunTime(large), RunTime(small));
  RecordProperty("ratio_times_1000", static_cast<int>(ratio * 1000));
  EXPECT_NEAR(ratio, 3.0, 0.09) << "three tasks of one group get no more than one of the other";
  Finish();
}

TEST_F(GroupSharesTest, TwentyGroupsOfAllSharesGetTheirParts) {
  std::vector<SchedulingGroup> groups;
  double all_shares = 0;
  for (uint32_t i = 1; i <= 20; ++i) {
    groups.push_back(Group(absl::StrCat("part ", i), {.shares = i * 50}));
    all_shares += i * 50;
    SpawnBurners(groups.back(), 1);
  }
  RunFor(absl::Seconds(4), groups);
  for (const SchedulingGroup group : groups) {
    const double part = absl::FDivDuration(RunTime(group), absl::Seconds(4));
    EXPECT_NEAR(part, group.shares() / all_shares, 0.03 * group.shares() / all_shares + 0.0005)
        << group.name();
  }
  Finish();
}

TEST_F(GroupSharesTest, NewSharesCountFromNowOn) {
  const SchedulingGroup first = Group("first", {.shares = 100});
  const SchedulingGroup second = Group("second", {.shares = 100});
  SpawnBurners(first, 1);
  SpawnBurners(second, 1);
  RunFor(absl::Seconds(1), {first, second});
  EXPECT_NEAR(absl::FDivDuration(RunTime(first), RunTime(second)), 1.0, 0.03);
  const absl::Duration before_first = RunTime(first);
  const absl::Duration before_second = RunTime(second);
  ASSERT_TRUE(second.SetShares(900).ok());
  RunFor(absl::Seconds(1), {first, second});
  EXPECT_NEAR(absl::FDivDuration(RunTime(second) - before_second, RunTime(first) - before_first),
              9.0, 0.4);
  Finish();
}

TEST_F(GroupSharesTest, AGroupThatWakesFromIdlenessRunsWithinAQuotaAndMakesUpForNothing) {
  const SchedulingGroup busy = Group("busy", {.shares = 100});
  const SchedulingGroup idle = Group("idle", {.shares = 100});
  // It has run a little before, so that its own time lies far behind.
  SpawnBurners(busy, 1);
  harness_.Turn();
  RunFor(absl::Seconds(2), {busy});
  const absl::Duration before = RunTime(busy);
  SpawnBurners(idle, 1);
  uint64_t turns = 0;
  while (RunTime(idle) == absl::ZeroDuration()) {
    harness_.Turn();
    ++turns;
  }
  EXPECT_LE(RunTime(busy) - before, 2 * absl::Microseconds(500));
  EXPECT_LE(turns, 3u) << "one to start the flow, one quota of the other, its own";
  const absl::Duration start = RunTime(busy);
  const absl::Duration start_idle = RunTime(idle);
  RunFor(absl::Milliseconds(100), {busy, idle});
  EXPECT_NEAR(absl::FDivDuration(RunTime(busy) - start, RunTime(idle) - start_idle), 1.0, 0.03)
      << "two idle seconds are not made up for";
  Finish();
}

TEST_F(GroupSharesTest, TenThousandReadyTasksOfOneGroupDelayAnotherByOneQuotaAndItsShare) {
  const SchedulingGroup crowd = Group("crowd", {.shares = 100});
  const SchedulingGroup lone = Group("lone", {.shares = 100});
  SpawnBurners(crowd, 10'000);
  while (statistics(crowd).live < 10'000) harness_.Turn();
  // Wakes now and then; how much of the crowd ran from when it was ready until it ran?
  std::vector<absl::Duration> waits;
  harness_.scope().Spawn([&] {
    return In(lone,
              [](GroupSharesTest& test, SchedulingGroup crowd,
                 std::vector<absl::Duration>& waits) -> Task<void> {
                for (int i = 0; i < 50; ++i) {
                  const absl::Duration before = test.RunTime(crowd);
                  co_await Yield();
                  waits.push_back(test.RunTime(crowd) - before);
                }
              }(*this, crowd, waits));
  });
  while (waits.size() < 50) harness_.Turn();
  const absl::Duration longest = *std::ranges::max_element(waits);
  // On the virtual clock a quota is 4096 awaits of 100 ns, and a resumption may overrun it.
  EXPECT_LE(longest, absl::Nanoseconds(100) * (4096 + 256));
  Finish();
}

// Waits until Set().
class Signal final : private Suspension {
 public:
  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    Suspend(task.promise());
  }
  void await_resume() const noexcept {}
  void Set() { Resume(); }

 private:
  void Interrupt() override {}
  void Describe(std::ostream& out) const override { out << "a signal"; }
};

// How many preemption points a task of a large group passes between waking a task of `group` and
// that task's turn.
int PointsUntilTurnOf(SchedulingGroup group) {
  TaskHarness harness;
  Signal signal;
  bool ran = false;
  int points = 0;
  harness.scope().Spawn([=, signal = &signal, ran = &ran] {
    return In(group, [](Signal* signal, bool* ran) -> Task<void> {
      co_await *signal;
      *ran = true;
    }(signal, ran));
  });
  harness.RunUntilIdle();
  harness.scope().Spawn([signal = &signal, ran = &ran, points = &points] {
    return In(Group("bulk", {.shares = 1000}),
              [](Signal* signal, const bool* ran, int* points) -> Task<void> {
                signal->Set();
                for (; !*ran; ++*points) co_await PreemptionPoint();
              }(signal, ran, points));
  });
  harness.RunUntilIdle();
  return points;
}

TEST_F(GroupSharesTest, ALatencySensitiveGroupRunsBeforeTheQuotaOfTheOtherEnds) {
  EXPECT_GE(PointsUntilTurnOf(Group("patient", {.shares = 10})), 4096 - 256);
  EXPECT_EQ(PointsUntilTurnOf(Group("urgent", {.shares = 10, .latency_sensitive = true})), 1)
      << "the other gives way at its first preemption point";
}

TEST_F(GroupSharesTest, ALatencySensitiveGroupGetsNoMoreThanItsShares) {
  const SchedulingGroup bulk = Group("bulk", {.shares = 300});
  const SchedulingGroup urgent = Group("brief", {.shares = 100, .latency_sensitive = true});
  SpawnBurners(bulk, 1);
  // Goes idle for a moment again and again.
  harness_.scope().Spawn([&] {
    return In(urgent, [](const bool* stop) -> Task<void> {
      while (!*stop) {
        for (int i = 0; i < 10'000; ++i) co_await PreemptionPoint();
        EXPECT_TRUE((co_await SleepFor(absl::ZeroDuration())).ok());
      }
    }(&stop_));
  });
  RunFor(absl::Seconds(1), {bulk, urgent});
  EXPECT_LE(RunTime(urgent), absl::Milliseconds(1000) * 0.34)
      << "a quarter, and a quota ahead of it for every time that it wakes";
  Finish();
}

TEST_F(GroupSharesTest, WaitTimeIsWhatReadyTasksWaited) {
  const SchedulingGroup queue = Group("queue", {.shares = 100});
  SpawnBurners(queue, 10);
  RunFor(absl::Milliseconds(100), {queue});
  // Nine of ten are ready while one runs.
  const double waiting = absl::FDivDuration(statistics(queue).wait_time, RunTime(queue));
  EXPECT_NEAR(waiting, 9.0, 0.5);
  EXPECT_EQ(statistics(queue).live, 10u);
  EXPECT_GT(statistics(queue).resumptions, 0u);
  Finish();
  EXPECT_EQ(statistics(queue).live, 0u);
  EXPECT_EQ(statistics(queue).ready, 0u);
}

}  // namespace
}  // namespace pelton
