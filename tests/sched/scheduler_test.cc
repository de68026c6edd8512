#include "sched/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

Task<void> Append(std::vector<int>* order, int id) {
  order->push_back(id);
  co_return;
}

Task<void> AppendAndYield(std::vector<int>* order, int id, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    order->push_back(id);
    co_await Yield();
  }
}

TEST(SchedulerTest, RunsReadyTasksInTheOrderTheyBecameReady) {
  TaskHarness harness;
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) harness.scope().Spawn(Append, &order, i);
  harness.Turn();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(SchedulerTest, ATaskThatYieldsGoesBehindTheOthers) {
  TaskHarness harness;
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) harness.scope().Spawn(AppendAndYield, &order, i, 2);
  harness.RunReady();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 0, 1, 2}));
}

TEST(SchedulerTest, ATaskSpawnedByATaskRunsBehindThoseThatWereReadyBefore) {
  TaskHarness harness;
  std::vector<int> order;
  auto spawn = [&]() -> Task<void> {
    order.push_back(1);
    harness.scope().Spawn(Append, &order, 3);
    co_return;
  };
  harness.scope().Spawn(spawn);
  harness.scope().Spawn(Append, &order, 2);
  harness.RunReady();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

[[gnu::noinline]] Task<void> Ready() { co_return; }

// Awaits children that never suspend, and counts them.
Task<void> AwaitReadyChildren(uint64_t* awaits, const bool* stop) {
  while (!*stop) {
    co_await Ready();
    ++*awaits;
  }
}

TEST(SchedulerTest, ATaskOfReadyAwaitsGivesWayAfterItsOperationBudget) {
  TaskHarness harness({.operation_budget = 64});
  uint64_t awaits = 0;
  bool stop = false;
  uint64_t awaits_when_other_ran = 0;
  auto other = [&]() -> Task<void> {
    awaits_when_other_ran = awaits;
    stop = true;
    co_return;
  };
  harness.scope().Spawn(AwaitReadyChildren, &awaits, &stop);
  harness.scope().Spawn(other);
  harness.Turn();
  EXPECT_GT(awaits_when_other_ran, 32u);
  EXPECT_LE(awaits_when_other_ran, 64u + 16u);
  EXPECT_EQ(harness.scheduler().statistics().preemptions, 1u);
  EXPECT_EQ(harness.scope().live(), 0u);
}

TEST(SchedulerTest, EveryTaskHasAnOperationBudgetOfItsOwn) {
  TaskHarness harness({.operation_budget = 64});
  bool stop = false;
  uint64_t awaits[4] = {};
  for (uint64_t& count : awaits) harness.scope().Spawn(AwaitReadyChildren, &count, &stop);
  for (int turn = 0; turn < 20; ++turn) harness.Turn();
  for (const uint64_t count : awaits) {
    EXPECT_GT(count, awaits[0] / 2);
    EXPECT_LT(count, awaits[0] * 2);
  }
  stop = true;
  harness.RunReady();
}

TEST(SchedulerTest, ATurnOnAVirtualClockEndsWhenItsQuotaIsSpent) {
  TaskHarness harness({.virtual_quota = 1024});
  bool stop = false;
  uint64_t awaits = 0;
  harness.scope().Spawn(AwaitReadyChildren, &awaits, &stop);
  for (uint64_t turn = 1; turn <= 5; ++turn) {
    harness.Turn();
    EXPECT_TRUE(harness.scheduler().HasReady());
    EXPECT_GT(awaits, turn * 1024 * 3 / 4);
    EXPECT_LE(awaits, turn * 1024);
  }
  stop = true;
  harness.RunReady();
}

TEST(SchedulerTest, ResumptionsCountAgainstTheQuotaAsWell) {
  TaskHarness harness({.virtual_quota = 1024});
  bool stop = false;
  auto spin = [&]() -> Task<void> {
    while (!stop) co_await Yield();
  };
  harness.scope().Spawn(spin);
  harness.scope().Spawn(spin);
  harness.Turn();
  EXPECT_TRUE(harness.scheduler().HasReady()) << "the turn ended though both are always ready";
  EXPECT_LE(harness.scheduler().statistics().resumptions, 1024u);
  EXPECT_EQ(harness.scheduler().statistics().preemptions, 0u) << "to yield is not to be preempted";
  stop = true;
  harness.RunReady();
}

TEST(SchedulerTest, AfterTheQuotaIsSpentEveryAwaitGivesWayUntilTheNextTurn) {
  TaskHarness harness({.virtual_quota = 64});
  bool stop = false;
  uint64_t first = 0;
  uint64_t second = 0;
  harness.scope().Spawn(AwaitReadyChildren, &first, &stop);
  harness.scope().Spawn(AwaitReadyChildren, &second, &stop);
  harness.Turn();
  EXPECT_LE(first, 64u);
  EXPECT_EQ(second, 0u) << "the second task was started after the quota was spent";
  harness.Turn();
  EXPECT_GT(second, 0u) << "the task that came first must not take every turn";
  stop = true;
  harness.RunReady();
}

TEST(SchedulerTest, ATurnOnTheRealClockEndsWhenItsTimeIsSpent) {
  MonotonicClock clock;
  FramePool frames;
  Scheduler scheduler(clock, {.time_quota = absl::Microseconds(100), .operation_budget = 1 << 30});
  {
    const SchedulerBinding binding(&scheduler, &frames);
    TaskScope scope(nullptr, {});
    bool stop = false;
    uint64_t awaits = 0;
    scope.Spawn(AwaitReadyChildren, &awaits, &stop);
    for (uint64_t turn = 1; turn <= 10; ++turn) {
      scheduler.BeginTurn();
      // Would never return if time did not end it: the task is always ready, and its operation
      // budget is out of reach.
      EXPECT_TRUE(scheduler.RunReady());
      EXPECT_EQ(scheduler.statistics().preemptions, turn);
    }
    EXPECT_GT(awaits, 0u);
    stop = true;
    scheduler.BeginTurn();
    EXPECT_FALSE(scheduler.RunReady());
    EXPECT_EQ(scope.live(), 0u);
  }
}

TEST(SchedulerTest, AnEndlessTimeQuotaNeverEndsATurn) {
  MonotonicClock clock;
  FramePool frames;
  Scheduler scheduler(clock, {.time_quota = absl::InfiniteDuration()});
  const SchedulerBinding binding(&scheduler, &frames);
  TaskScope scope(nullptr, {});
  auto loop = []() -> Task<void> {
    for (int i = 0; i < 100'000; ++i) co_await Yield();
  };
  scope.Spawn(loop);
  scheduler.BeginTurn();
  EXPECT_FALSE(scheduler.RunReady());
}

TEST(SchedulerTest, APreemptedChildStartsLaterInTheContextOfItsParent) {
  TaskHarness harness({.operation_budget = 16});
  std::vector<const TaskContext*> seen;
  auto child = [&]() -> Task<void> {
    seen.push_back(&harness.scheduler().current_context());
    co_return;
  };
  auto parent = [&]() -> Task<void> {
    const TaskContext* own = &harness.scheduler().current_context();
    for (int i = 0; i < 100; ++i) co_await child();
    EXPECT_EQ(&harness.scheduler().current_context(), own);
    EXPECT_EQ(seen, std::vector<const TaskContext*>(100, own));
  };
  auto bystander = []() -> Task<void> {
    for (int i = 0; i < 20; ++i) co_await Yield();
  };
  harness.scope().Spawn(bystander);
  harness.Run(parent());
  EXPECT_GE(harness.scheduler().statistics().preemptions, 5u);
  EXPECT_EQ(seen.size(), 100u);
}

// Notes its name when it fires.
class NamedTimer final : public Timer {
 public:
  NamedTimer(std::string name, std::vector<std::string>* fired)
      : name_(std::move(name)), fired_(fired) {}
  void Fire() override { fired_->push_back(name_); }

 private:
  std::string name_;
  std::vector<std::string>* fired_;
};

TEST(SchedulerTest, FiresTimersInTheOrderOfTheirDeadlines) {
  VirtualClock clock;
  Scheduler scheduler(clock);
  std::vector<std::string> fired;
  NamedTimer late("late", &fired);
  NamedTimer early("early", &fired);
  NamedTimer never("never", &fired);
  scheduler.timers().Arm(late, 2'000'000);
  scheduler.timers().Arm(early, 1'000'000);
  scheduler.timers().Arm(never, TimerWheel::kNever);
  EXPECT_EQ(scheduler.FireTimers(), 0u);
  clock.Advance(absl::Milliseconds(5));
  EXPECT_EQ(scheduler.FireTimers(), 0u) << "time is what it was when the turn began";
  scheduler.BeginTurn();
  EXPECT_EQ(scheduler.FireTimers(), 2u);
  EXPECT_EQ(fired, (std::vector<std::string>{"early", "late"}));
  EXPECT_EQ(scheduler.statistics().timers_fired, 2u);
  EXPECT_TRUE(scheduler.NextTimer().infinite());
  scheduler.timers().Cancel(never);
}

TEST(SchedulerTest, FiresABoundedNumberOfTimersPerTurn) {
  VirtualClock clock;
  Scheduler scheduler(clock);
  std::vector<std::string> fired;
  std::vector<std::optional<NamedTimer>> timers(1000);
  for (auto& timer : timers) {
    timer.emplace("", &fired);
    scheduler.timers().Arm(*timer, 1'000'000);
  }
  clock.Advance(absl::Milliseconds(10));
  size_t turns = 0;
  while (fired.size() < timers.size()) {
    scheduler.BeginTurn();
    const size_t now_fired = scheduler.FireTimers();
    EXPECT_LE(now_fired, 256u);
    if (fired.size() < timers.size()) {
      EXPECT_LE(scheduler.NextTimer(), scheduler.now()) << "the rest is due";
    }
    ASSERT_LT(++turns, 100u);
  }
  EXPECT_GE(turns, 4u);
}

TEST(SchedulerTest, NextTimerNeverLiesBehindTheEarliestDeadline) {
  TaskHarness harness;
  EXPECT_TRUE(harness.scheduler().NextTimer().infinite());
  std::vector<std::string> fired;
  NamedTimer timer("timer", &fired);
  harness.scheduler().timers().Arm(timer, 5'000'000'000);
  EXPECT_LE(harness.scheduler().NextTimer().nanoseconds(),
            5'000'000'000 + (1 << TimerWheel::kTickBits));
  harness.RunUntilIdle();
  EXPECT_EQ(fired.size(), 1u);
  EXPECT_GE(harness.now().nanoseconds(), 5'000'000'000);
}

TEST(SchedulerTest, NowStandsStillDuringATurn) {
  TaskHarness harness;
  harness.clock().Advance(absl::Seconds(1));
  EXPECT_EQ(harness.scheduler().now(), Timestamp::FromNanoseconds(0));
  EXPECT_EQ(harness.scheduler().PreciseNow(), Timestamp::FromNanoseconds(1'000'000'000));
  harness.Turn();
  EXPECT_EQ(harness.scheduler().now(), Timestamp::FromNanoseconds(1'000'000'000));
}

TEST(SchedulerTest, IsInATaskOnlyWhileOneRuns) {
  TaskHarness harness;
  EXPECT_FALSE(harness.scheduler().InTask());
  auto look = [&]() -> Task<bool> { co_return harness.scheduler().InTask(); };
  EXPECT_TRUE(harness.Run(look()));
  EXPECT_FALSE(harness.scheduler().InTask());
}

TEST(SchedulerTest, ExchangeSwitchesTheCurrentScheduler) {
  VirtualClock clock;
  Scheduler scheduler(clock);
  EXPECT_EQ(Scheduler::Current(), nullptr);
  EXPECT_EQ(Scheduler::Exchange(&scheduler), nullptr);
  EXPECT_EQ(Scheduler::Current(), &scheduler);
  EXPECT_EQ(Scheduler::Exchange(nullptr), &scheduler);
  EXPECT_EQ(Scheduler::Current(), nullptr);
}

TEST(SchedulerBindingTest, NestsAndRestores) {
  VirtualClock clock;
  Scheduler outer(clock);
  Scheduler inner(clock);
  FramePool outer_frames;
  FramePool inner_frames;
  {
    const SchedulerBinding outer_binding(&outer, &outer_frames);
    {
      const SchedulerBinding inner_binding(&inner, &inner_frames);
      EXPECT_EQ(Scheduler::Current(), &inner);
      EXPECT_EQ(FramePool::Current(), &inner_frames);
    }
    EXPECT_EQ(Scheduler::Current(), &outer);
    EXPECT_EQ(FramePool::Current(), &outer_frames);
  }
  EXPECT_EQ(Scheduler::Current(), nullptr);
  EXPECT_EQ(FramePool::Current(), nullptr);
}

TEST(SchedulerTest, TwoSchedulersOnOneThreadKeepTheirTasksApart) {
  VirtualClock clock;
  FramePool frames;
  Scheduler first(clock);
  Scheduler second(clock);
  std::vector<int> order;
  std::optional<TaskScope> first_scope;
  std::optional<TaskScope> second_scope;
  {
    const SchedulerBinding binding(&first, &frames);
    first_scope.emplace(nullptr, TaskScope::Options{});
    first_scope->Spawn(AppendAndYield, &order, 1, 2);
  }
  {
    const SchedulerBinding binding(&second, &frames);
    second_scope.emplace(nullptr, TaskScope::Options{});
    second_scope->Spawn(AppendAndYield, &order, 2, 2);
    second.BeginTurn();
    EXPECT_FALSE(second.RunReady());
    EXPECT_EQ(order, (std::vector<int>{2, 2}));
  }
  const SchedulerBinding binding(&first, &frames);
  first.BeginTurn();
  EXPECT_FALSE(first.RunReady());
  EXPECT_EQ(order, (std::vector<int>{2, 2, 1, 1}));
}

TEST(SchedulerDeathTest, DiesWhenItIsDestroyedWithReadyTasks) {
  auto destroy = [] {
    VirtualClock clock;
    FramePool frames;
    Scheduler scheduler(clock);
    const SchedulerBinding binding(&scheduler, &frames);
    auto* scope = new TaskScope(nullptr, {});  // outlives the scheduler, so that that is what dies
    scope->Spawn(Ready);
  };
  EXPECT_DEATH(destroy(), "destroyed with tasks that are ready");
}

TEST(SchedulerDeathTest, DiesWhenItIsDestroyedWithArmedTimers) {
  auto destroy = [] {
    VirtualClock clock;
    std::vector<std::string> fired;
    NamedTimer timer("timer", &fired);
    Scheduler scheduler(clock);
    scheduler.timers().Arm(timer, 1);
  };
  EXPECT_DEATH(destroy(), "armed timers");
}

#ifndef NDEBUG
TEST(SchedulerDeathTest, DiesWhenAContextIsAskedForOutsideATask) {
  TaskHarness harness;
  EXPECT_DEATH(harness.scheduler().current_context(), "called from outside a task");
}
#endif

std::vector<int> OrderOfTwenty(std::optional<uint64_t> seed) {
  TaskHarness harness({.shuffle_seed = seed});
  std::vector<int> order;
  for (int i = 0; i < 20; ++i) {
    harness.scope().Spawn([&order, i]() -> Task<void> {
      order.push_back(i);
      co_return;
    });
  }
  harness.RunUntilIdle();
  return order;
}

TEST(SchedulerTest, ASeedShufflesTheReadyTasksTheSameWayEachTime) {
  const std::vector<int> in_order = OrderOfTwenty(std::nullopt);
  EXPECT_TRUE(std::ranges::is_sorted(in_order));
  const std::vector<int> first = OrderOfTwenty(1);
  EXPECT_EQ(first, OrderOfTwenty(1));
  EXPECT_NE(first, in_order);
  EXPECT_NE(first, OrderOfTwenty(2));
  EXPECT_TRUE(std::ranges::is_permutation(first, in_order)) << "each runs once";
}

}  // namespace
}  // namespace pelton
