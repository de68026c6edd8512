// Cancellation reaches everything in sched that can suspend, within one turn: each kind of wait is
// begun, its task is told to stop, and has ended when the turn is over. Waits that hold several
// flows end as soon as these do, so a wait inside of another counts, too.

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <ranges>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sched/async_generator.h"
#include "sched/deadline.h"
#include "sched/defer.h"
#include "sched/in_group.h"
#include "sched/loop.h"
#include "sched/preemption.h"
#include "sched/race.h"
#include "sched/retry.h"
#include "sched/shield.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "sched/when_range.h"
#include "tests/sched/flows.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::Sleep;
using testing::TaskHarness;
using testing::UnderEverySeed;

constexpr absl::Duration kLong = absl::Hours(1);

// A wait that only a stop ends, and what it yields then as far as that is a status.
struct Wait {
  std::string name;
  std::function<Task<absl::Status>()> begin;
};

// Fills a scope, and yields what `wait`, which waits for something of it, yields.
template <typename F>
Task<absl::Status> WithFullScope(F wait) {
  TaskScope scope({.max_children = 1});
  scope.Spawn(Sleep, kLong);
  const absl::Status status = co_await wait(scope);
  (void)co_await scope.Join();
  co_return status;
}

AsyncGenerator<absl::Status> SleepAndYield() { co_yield co_await SleepFor(kLong); }

Task<absl::Status> YieldForever() {
  while (!StopRequested()) co_await Yield();
  co_return Scheduler::Current()->current_context().StopStatus();
}

Task<absl::Status> PassPointsForever() {
  while (!StopRequested()) co_await PreemptionPoint();
  co_return Scheduler::Current()->current_context().StopStatus();
}

std::vector<Task<absl::Status>> ThreeSleeps() {
  std::vector<Task<absl::Status>> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(Sleep(kLong));
  return tasks;
}

std::vector<Wait> SimpleWaits() {
  return {
      {"SleepFor", []() -> Task<absl::Status> { co_return co_await SleepFor(kLong); }},
      {"SleepUntil",
       []() -> Task<absl::Status> { co_return co_await SleepUntil(Timestamp::InfiniteFuture()); }},
      {"Task", []() -> Task<absl::Status> { co_return co_await Sleep(kLong); }},
      {"Yield", YieldForever},
      {"PreemptionPoint", PassPointsForever},
      {"InGroup",
       []() -> Task<absl::Status> { co_return co_await In(SchedulingGroup(), Sleep(kLong)); }},
      {"TaskScope::Join",
       [] {
         return WithFullScope(
             [](TaskScope& scope) -> Task<absl::Status> { co_return co_await scope.Join(); });
       }},
      {"TaskScope::WaitForRoom",
       [] { return WithFullScope([](TaskScope& scope) { return scope.WaitForRoom(); }); }},
      {"WithTaskScope",
       [] {
         return WithTaskScope([](TaskScope& scope) -> Task<absl::Status> {
           scope.Spawn(Sleep, kLong);
           co_return absl::OkStatus();
         });
       }},
      {"AsyncGenerator::Next",
       []() -> Task<absl::Status> {
         AsyncGenerator<absl::Status> generator = SleepAndYield();
         co_return *co_await generator.Next();
       }},
      {"ForEach", [] { return ForEach(std::views::iota(0), [](int) {}); }},
      {"YieldingLoop",
       []() -> Task<absl::Status> {
         YieldingLoop loop;
         while (co_await loop) {
         }
         co_return loop.status();
       }},
  };
}

std::vector<Wait> Combinations() {
  return {
      {"WithTimeout(Task)", [] { return WithTimeout(2 * kLong, Sleep(kLong)); }},
      {"WithTimeout(awaiter)",
       []() -> Task<absl::Status> { co_return co_await WithTimeout(2 * kLong, SleepFor(kLong)); }},
      {"WhenAll",
       []() -> Task<absl::Status> {
         co_return std::get<0>(co_await WhenAll(SleepFor(kLong), Sleep(kLong)));
       }},
      {"WhenAll(FailFast)",
       []() -> Task<absl::Status> {
         co_return co_await WhenAll(FailFast(), SleepFor(kLong), Sleep(kLong));
       }},
      {"WhenAll(range)",
       []() -> Task<absl::Status> { co_return (co_await WhenAll(ThreeSleeps()))[2]; }},
      {"WhenAll(FailFast, range, limit)",
       []() -> Task<absl::Status> {
         co_return co_await WhenAll(FailFast(), ThreeSleeps(), {.limit = 1});
       }},
      {"WhenAny",
       []() -> Task<absl::Status> { co_return std::get<0>(co_await WhenAny(SleepFor(kLong))); }},
      {"WhenAny(range)",
       []() -> Task<absl::Status> { co_return (co_await WhenAny(ThreeSleeps())).value; }},
      {"Race",
       []() -> Task<absl::Status> { co_return co_await Race(SleepFor(kLong), Sleep(kLong)); }},
      {"Race(range)", []() -> Task<absl::Status> { co_return co_await Race(ThreeSleeps()); }},
      {"Retry",
       [] {
         return Retry({.initial_backoff = kLong, .max_backoff = kLong},
                      []() -> Task<absl::Status> { co_return absl::UnavailableError("down"); });
       }},
      {"WithDefer",
       [] {
         return WithDefer([](Defer& defer) -> Task<absl::Status> {
           defer.Add([]() -> Task<void> { co_await Yield(); });
           co_return co_await SleepFor(kLong);
         });
       }},
      {"Shield(until the service ends)",
       [] { return Shield(Sleep(kLong), {.limit = 2 * kLong, .until_service_ends = true}); }},
  };
}

std::vector<Wait> EveryWait() {
  std::vector<Wait> waits = SimpleWaits();
  for (Wait& wait : Combinations()) waits.push_back(std::move(wait));
  return waits;
}

// Runs `wait` until the turn is over in which its task was told to stop by `stop`.
template <typename Stop>
void ExpectItEndsInOneTurn(TaskHarness& harness, const Wait& wait, absl::StatusCode expected,
                           Stop stop) {
  SCOPED_TRACE(wait.name);
  absl::Status result;
  bool ended = false;
  harness.scope().Spawn([&]() -> Task<void> {
    result = co_await wait.begin();
    ended = true;
  });
  for (int turn = 0; turn < 3; ++turn) harness.Turn();
  EXPECT_FALSE(ended) << result;
  stop();
  harness.Turn();
  EXPECT_TRUE(ended);
  EXPECT_EQ(harness.scope().live(), 0u);
  EXPECT_EQ(result.code(), expected) << result;
  harness.RunUntilIdle();
}

TEST(EveryAwaiterTest, TheEndOfTheServiceEndsEveryWaitWithinOneTurn) {
  for (const Wait& wait : EveryWait()) {
    UnderEverySeed([&](TaskHarness& harness) {
      ExpectItEndsInOneTurn(harness, wait, absl::StatusCode::kCancelled, [&] {
        harness.root().Stop(StopPhase::kEverything, StopReason::kCancelled);
      });
    });
  }
}

TEST(EveryAwaiterTest, CancellingAScopeEndsEveryWaitWithinOneTurn) {
  std::vector<Wait> waits = EveryWait();
  std::erase_if(waits, [](const Wait& wait) { return wait.name.starts_with("Shield"); });
  for (const Wait& wait : waits) {
    // Through contexts of every kind in between.
    const Wait deep{"in a scope in a race: " + wait.name, [&]() -> Task<absl::Status> {
                      co_return co_await Race(
                          WithTaskScope([&](TaskScope&) { return wait.begin(); }), Sleep(kLong));
                    }};
    UnderEverySeed([&](TaskHarness& harness) {
      ExpectItEndsInOneTurn(harness, deep, absl::StatusCode::kCancelled, [&] {
        harness.scope().Stop(StopPhase::kEverything, StopReason::kCancelled);
      });
    });
  }
}

TEST(EveryAwaiterTest, ADeadlineEndsEveryWaitWithinOneTurn) {
  std::vector<Wait> waits = EveryWait();
  std::erase_if(waits, [](const Wait& wait) { return wait.name.starts_with("Shield"); });
  for (const Wait& wait : waits) {
    if (wait.name == "Retry") continue;  // gives up rather than sleep past its deadline
    const Wait bounded{wait.name, [&]() -> Task<absl::Status> {
                         co_return co_await WithTimeout(absl::Seconds(1), wait.begin());
                       }};
    UnderEverySeed([&](TaskHarness& harness) {
      ExpectItEndsInOneTurn(harness, bounded, absl::StatusCode::kDeadlineExceeded, [&] {
        harness.clock().Advance(absl::Seconds(2));
        harness.scheduler().BeginTurn();
        harness.scheduler().FireTimers();
      });
    });
  }
}

TEST(EveryAwaiterTest, NoWaitBeginsInATaskThatWasStoppedBefore) {
  for (const Wait& wait : EveryWait()) {
    UnderEverySeed([&](TaskHarness& harness) {
      SCOPED_TRACE(wait.name);
      harness.root().Stop(StopPhase::kEverything, StopReason::kCancelled);
      harness.scope().Spawn([&]() -> Task<void> {
        const absl::Status result = co_await wait.begin();
        EXPECT_FALSE(result.ok());
      });
      harness.Turn();
      EXPECT_EQ(harness.scope().live(), 0u);
    });
  }
}

TEST(EveryAwaiterTest, EveryWaitSaysWhatItWaitsFor) {
  for (const Wait& wait : EveryWait()) {
    SCOPED_TRACE(wait.name);
    TaskHarness harness;
    harness.scope().Spawn([&]() -> Task<void> { (void)co_await wait.begin(); });
    harness.Turn();
    // Every context that waits, in the order of a walk.
    std::vector<const TaskContext*> walk{&harness.root()};
    while (!walk.empty()) {
      const TaskContext* const at = walk.back();
      walk.pop_back();
      if (at->waiting_for() != nullptr) {
        std::ostringstream out;
        at->waiting_for()->Describe(out);
        EXPECT_GT(out.str().size(), 3u);
      }
      for (const TaskContext* child = at->first_child(); child != nullptr;
           child = child->next_sibling()) {
        walk.push_back(child);
      }
    }
    harness.root().Stop(StopPhase::kEverything, StopReason::kCancelled);
    harness.RunReady();
  }
}

}  // namespace
}  // namespace pelton
