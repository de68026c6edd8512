// What bounds a TaskScope's children and their failures: the limit of its options, and containment.

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "framework/base/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "tests/sched/flows.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::FailAfter;
using testing::Sleep;
using testing::TaskHarness;
using testing::ThrowAfter;
using testing::UnderEverySeed;

TEST(TaskScopeTest, ContainedFailuresHarmNobodyAndAreObserved) {
  struct Observed {
    std::vector<std::string> errors;
    static void Note(void* argument, const absl::Status& error) {
      static_cast<Observed*>(argument)->errors.push_back(error.ToString());
    }
  };
  TaskHarness harness;
  Observed observed;
  auto parent = [&]() -> Task<absl::Status> {
    TaskScope scope({.observer = &Observed::Note, .observer_argument = &observed});
    scope.SpawnContained(FailAfter, absl::Seconds(1), absl::NotFoundError("contained"));
    scope.SpawnContained(ThrowAfter, absl::Seconds(2), "thrown");
    scope.SpawnContained([]() -> Task<void> {
      (void)co_await SleepFor(absl::Seconds(3));
      throw 42;
    });
    scope.SpawnContained(FailAfter, absl::Seconds(1), absl::OkStatus());
    scope.Spawn(Sleep, absl::Seconds(10));
    const absl::Status joined = co_await scope.Join();
    EXPECT_EQ(scope.contained_errors(), 3u);
    co_return joined;
  };
  EXPECT_TRUE(harness.Run(parent()).ok());
  EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(10));
  ASSERT_EQ(observed.errors.size(), 3u);
  EXPECT_NE(observed.errors[0].find("NOT_FOUND: contained"), std::string::npos);
  EXPECT_NE(observed.errors[1].find("INTERNAL"), std::string::npos);
  EXPECT_NE(observed.errors[1].find("thrown"), std::string::npos);
  EXPECT_NE(observed.errors[2].find("not derived from std::exception"), std::string::npos);
}

TEST(TaskScopeTest, ContainedFailuresWithoutAnObserverAreCounted) {
  TaskHarness harness;
  auto parent = [&]() -> Task<uint64_t> {
    TaskScope scope;
    scope.SpawnContained(FailAfter, absl::Seconds(1), absl::NotFoundError(""));
    EXPECT_TRUE((co_await scope.Join()).ok());
    co_return scope.contained_errors();
  };
  EXPECT_EQ(harness.Run(parent()), 1u);
}

TEST(TaskScopeTest, ContainedChildrenThatWereCancelledHaveNotFailed) {
  TaskHarness harness;
  auto parent = [&]() -> Task<uint64_t> {
    TaskScope scope;
    scope.SpawnContained(Sleep, absl::Hours(1));
    co_await Yield();
    scope.Cancel();
    EXPECT_TRUE((co_await scope.Join()).ok());
    co_return scope.contained_errors();
  };
  EXPECT_EQ(harness.Run(parent()), 0u);
}

TEST(TaskScopeTest, AnExceptionOfTheObserverComesOutOfJoin) {
  TaskHarness harness;
  auto parent = []() -> Task<void> {
    TaskScope scope({.observer = [](void*, const absl::Status&) { throw 42; }});
    scope.SpawnContained(FailAfter, absl::ZeroDuration(), absl::NotFoundError(""));
    (void)co_await scope.Join();
  };
  EXPECT_THROW(harness.Run(parent()), int);
}

TEST(TaskScopeTest, WaitForRoomKeepsToTheLimit) {
  TaskHarness harness;
  size_t most = 0;
  auto parent = [&]() -> Task<absl::Status> {
    TaskScope scope({.max_children = 3});
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE((co_await scope.WaitForRoom()).ok());
      scope.Spawn(Sleep, absl::Seconds(1));
      most = std::max(most, scope.live());
    }
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(harness.Run(parent()).ok());
  EXPECT_EQ(most, 3u);
  EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(6));
}

TEST(TaskScopeTest, TasksGetRoomInTheOrderInWhichTheyAsked) {
  TaskHarness harness;
  std::vector<int> order;
  auto parent = [&]() -> Task<absl::Status> {
    TaskScope scope({.max_children = 1});
    scope.Spawn(Sleep, absl::Seconds(1));
    TaskScope spawners;
    auto spawner = [&](int number) -> Task<absl::Status> {
      for (int i = 0; i < 3; ++i) {
        PELTON_CO_RETURN_IF_ERROR(co_await scope.WaitForRoom());
        order.push_back(number);
        scope.Spawn(Sleep, absl::Seconds(1));
      }
      co_return absl::OkStatus();
    };
    for (int i = 0; i < 4; ++i) spawners.Spawn(spawner, i);
    EXPECT_TRUE((co_await spawners.Join()).ok());
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(harness.Run(parent()).ok());
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3}));
}

TEST(TaskScopeTest, ManySpawnersKeepToTheLimitInEveryOrder) {
  UnderEverySeed([](TaskHarness& harness) {
    size_t most = 0;
    int spawned = 0;
    auto parent = [&]() -> Task<absl::Status> {
      TaskScope scope({.max_children = 3});
      TaskScope spawners;
      auto spawner = [&]() -> Task<absl::Status> {
        for (int i = 0; i < 5; ++i) {
          PELTON_CO_RETURN_IF_ERROR(co_await scope.WaitForRoom());
          scope.Spawn(Sleep, absl::Seconds(1));
          ++spawned;
          most = std::max(most, scope.live());
          co_await Yield();
        }
        co_return absl::OkStatus();
      };
      for (int i = 0; i < 5; ++i) spawners.Spawn(spawner);
      EXPECT_TRUE((co_await spawners.Join()).ok());
      co_return co_await scope.Join();
    };
    EXPECT_TRUE(harness.Run(parent()).ok());
    EXPECT_EQ(spawned, 25);
    EXPECT_EQ(most, 3u);
    EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(10)) << "room is never left unused";
  });
}

TEST(TaskScopeTest, RoomThatIsNotUsedGoesToTheNext) {
  UnderEverySeed([](TaskHarness& harness) {
    int got_room = 0;
    auto parent = [&]() -> Task<absl::Status> {
      TaskScope scope({.max_children = 1});
      scope.Spawn(Sleep, absl::Seconds(1));
      TaskScope askers;
      for (int i = 0; i < 4; ++i) {
        askers.Spawn([&]() -> Task<void> { got_room += (co_await scope.WaitForRoom()).ok(); });
      }
      EXPECT_TRUE((co_await askers.Join()).ok());
      co_return co_await scope.Join();
    };
    EXPECT_TRUE(harness.Run(parent()).ok());
    EXPECT_EQ(got_room, 4);
  });
}

TEST(TaskScopeTest, OneOfSeveralWaitersGivesUpAndTheOthersGetRoom) {
  UnderEverySeed([](TaskHarness& harness) {
    absl::Status impatient;
    int got_room = 0;
    auto parent = [&]() -> Task<absl::Status> {
      TaskScope scope({.max_children = 1});
      scope.Spawn(Sleep, absl::Seconds(3));
      TaskScope askers;
      askers.Spawn([&]() -> Task<void> {
        impatient = co_await WithTimeout(absl::Seconds(1), scope.WaitForRoom());
      });
      for (int i = 0; i < 2; ++i) {
        askers.Spawn([&]() -> Task<void> { got_room += (co_await scope.WaitForRoom()).ok(); });
      }
      EXPECT_TRUE((co_await askers.Join()).ok());
      co_return co_await scope.Join();
    };
    EXPECT_TRUE(harness.Run(parent()).ok());
    EXPECT_TRUE(absl::IsDeadlineExceeded(impatient)) << impatient;
    EXPECT_EQ(got_room, 2);
  });
}

TEST(TaskScopeTest, WaitForRoomEndsWhenTheWaiterIsStopped) {
  TaskHarness harness;
  absl::Status room;
  absl::Status again;
  auto parent = [&]() -> Task<void> {
    TaskScope scope({.max_children = 1});
    scope.Spawn(Sleep, absl::Hours(1));
    room = co_await scope.WaitForRoom();
    again = co_await scope.WaitForRoom();
    EXPECT_FALSE((co_await scope.Join()).ok());
  };
  harness.scope().Spawn(parent);
  harness.Turn();
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_TRUE(absl::IsCancelled(room));
  EXPECT_TRUE(absl::IsCancelled(again));
}

TEST(TaskScopeTest, ADrainInterruptsWaitForRoomAndLeavesTheChildrenAlone) {
  TaskHarness harness;
  absl::Status room;
  absl::Status joined = absl::UnknownError("not set");
  auto parent = [&]() -> Task<void> {
    TaskScope scope({.max_children = 1});
    scope.Spawn(Sleep, absl::Hours(1));
    room = co_await scope.WaitForRoom();
    joined = co_await scope.Join();
  };
  harness.scope().Spawn(parent);
  harness.Turn();
  harness.scope().Stop(StopPhase::kAccepting, StopReason::kDraining);
  harness.RunReady();
  EXPECT_TRUE(absl::IsUnavailable(room)) << room;
  EXPECT_EQ(harness.scope().live(), 1u);
  harness.RunUntilIdle();
  EXPECT_TRUE(joined.ok()) << joined;
}

TEST(TaskScopeTest, WaitingForRoomInALoopGivesWay) {
  TaskHarness harness;
  bool other_ran = false;
  auto other = [&]() -> Task<void> {
    other_ran = true;
    co_return;
  };
  auto loop = [&]() -> Task<void> {
    TaskScope scope;
    harness.scope().Spawn(other);
    while (!other_ran) {
      EXPECT_TRUE((co_await scope.WaitForRoom()).ok());
    }
  };
  harness.Run(loop());
  EXPECT_TRUE(other_ran);
}

}  // namespace
}  // namespace pelton
