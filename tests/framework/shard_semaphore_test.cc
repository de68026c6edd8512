#include "framework/shard_semaphore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/status.h"
#include "framework/shard_channel.h"
#include "sched/backtrace.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "tests/framework/three_shards.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using ::testing::HasSubstr;
using testing::Here;
using testing::kLateness;
using testing::kShards;
using testing::Settle;
using testing::ThreeShards;
using testing::Visit;
using Permits = ShardSemaphore::Permits;

// A function that acquires `count` permits and keeps them in `permits`.
auto AcquireInto(ShardSemaphore& semaphore, uint64_t count, Permits& permits) {
  return [&semaphore, count, &permits]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(permits, co_await semaphore.Acquire(count));
    co_return absl::OkStatus();
  };
}

// How many are available at home.
Task<uint64_t> Available(ShardSemaphore& semaphore) {
  co_return co_await On(semaphore.home(),
                        [&]() -> Task<uint64_t> { co_return semaphore.available(); });
}

TEST(ShardSemaphoreTest, NoMoreThanThePermitsAreHeldAtOnce) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardSemaphore semaphore(ShardId(random.Below(kShards)), 4);
    uint64_t held = 0;
    uint64_t most = 0;
    int rounds = 0;
    const absl::Status status = shards.Run([&](Shard&) -> Task<absl::Status> {
      TaskScope scope;
      for (int task = 0; task < 4; ++task) {
        scope.Spawn([&]() -> Task<absl::Status> {
          for (int round = 0; round < 5; ++round) {
            const uint64_t count = 1 + random.Below(4);
            PELTON_CO_ASSIGN_OR_RETURN(const Permits permits, co_await semaphore.Acquire(count));
            EXPECT_EQ(permits.count(), count);
            held += count;
            most = std::max(most, held);
            for (uint64_t turns = random.Below(3); turns > 0; --turns) co_await Yield();
            held -= count;
            ++rounds;
          }
          co_return absl::OkStatus();
        });
      }
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
      if (Here() != 0) co_return absl::OkStatus();
      // Waits until all are home.
      PELTON_CO_ASSIGN_OR_RETURN(const Permits all, co_await semaphore.Acquire(4));
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(rounds, 60);
    EXPECT_GT(most, 1u);
    EXPECT_LE(most, 4u);
  });
}

TEST(ShardSemaphoreTest, PermitsComeHomeFromWhereverTheyDie) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardSemaphore semaphore(ShardId(random.Below(kShards)), 3);
    const ShardId acquirer(random.Below(kShards));
    const ShardId holder(random.Below(kShards));
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      Permits permits;
      PELTON_CO_RETURN_IF_ERROR(co_await On(acquirer, AcquireInto(semaphore, 2, permits)));
      EXPECT_EQ(co_await Available(semaphore), 1u);
      co_await On(holder, [moved = std::move(permits)]() mutable -> Task<void> {
        const Permits last = std::move(moved);
        co_await Yield();
      });
      co_await Settle();
      EXPECT_EQ(co_await Available(semaphore), 3u);
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardSemaphoreTest, PermitsMayTravelThroughAChannel) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardSemaphore semaphore(ShardId(random.Below(kShards)), 3);
    ShardChannel<Permits> channel(ShardId(random.Below(kShards)), 3);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(Permits permits, co_await semaphore.Acquire(3));
      PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(std::move(permits)));
      co_return co_await On(ShardId(2), [&]() -> Task<absl::Status> {
        PELTON_CO_ASSIGN_OR_RETURN(std::optional<Permits> received, co_await channel.Receive());
        EXPECT_EQ(received->count(), 3u);
        received.reset();
        co_return (co_await semaphore.Acquire(3)).status();
      });
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardSemaphoreTest, PermitsAreHomeWhenTheServiceHasEnded) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardSemaphore semaphore(ShardId(random.Below(kShards)), 8);
    const absl::Status status = shards.Run([&](Shard&) -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(const Permits permits, co_await semaphore.Acquire(2));
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    // The destructor checks it.
  });
}

TEST(ShardSemaphoreTest, PermitsCanBeSplitMovedAndReleasedEarly) {
  for (const uint32_t home : {0, 1}) {
    ThreeShards shards(1);
    ShardSemaphore semaphore(ShardId(home), 10);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(Permits permits, co_await semaphore.Acquire(6));
      Permits some = permits.Split(4);
      EXPECT_EQ(permits.count(), 2u);
      EXPECT_EQ(some.count(), 4u);
      EXPECT_EQ(permits.Split(0).count(), 0u);
      some.Release();
      some.Release();
      EXPECT_EQ(some.count(), 0u);
      co_await Settle();
      EXPECT_EQ(co_await Available(semaphore), 8u);
      permits = Permits();
      co_await Settle();
      EXPECT_EQ(co_await Available(semaphore), 10u);
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST(ShardSemaphoreTest, ABigRequestIsNotOvertakenBySmallOnes) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardSemaphore semaphore(ShardId(random.Below(kShards)), 4);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(Permits held, co_await semaphore.Acquire(2));
      std::array<Permits, 3> permits;
      std::array<Visit, 3> visits;
      const std::array<uint64_t, 3> counts = {3, 1, 2};
      for (uint32_t i = 0; i < visits.size(); ++i) {
        visits[i].Start(i, AcquireInto(semaphore, counts[i], permits[i]));
        co_await Settle();
      }
      EXPECT_FALSE(visits[1].ended()) << "one permit is there, but the first in line wants three";
      held.Release();
      PELTON_CO_RETURN_IF_ERROR(co_await visits[0].Join());
      PELTON_CO_RETURN_IF_ERROR(co_await visits[1].Join());
      co_await Settle();
      EXPECT_FALSE(visits[2].ended());
      permits[0].Release();
      co_return co_await visits[2].Join();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardSemaphoreTest, ARequestThatIsStoppedInLineLetsThoseBehindItGoOn) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardSemaphore semaphore(ShardId(random.Below(kShards)), 2);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(const Permits held, co_await semaphore.Acquire(1));
      Permits none;
      Permits one;
      Visit big;
      big.Start(random.Below(kShards), AcquireInto(semaphore, 2, none));
      co_await Settle();
      Visit small;
      small.Start(random.Below(kShards), AcquireInto(semaphore, 1, one));
      co_await Settle();
      EXPECT_FALSE(small.ended());
      big.Cancel();
      EXPECT_TRUE(absl::IsCancelled(co_await big.Join()));
      EXPECT_EQ(none.count(), 0u);
      PELTON_CO_RETURN_IF_ERROR(co_await small.Join());
      EXPECT_EQ(one.count(), 1u);
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardSemaphoreTest, AStopThatMeetsTheGrantLosesNoPermits) {
  int granted = 0;
  int stopped = 0;
  ForEachSeed([&](ThreeShards& shards, Random& random) {
    ShardSemaphore semaphore(ShardId(random.Below(kShards)), 2);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(Permits held, co_await semaphore.Acquire(2));
      Permits permits;
      Visit waiter;
      waiter.Start(random.Below(kShards), AcquireInto(semaphore, 2, permits));
      co_await Settle();
      // A release takes one message, a stop two: either may be the first at home.
      const bool stop_first = random.Below(2) == 0;
      if (stop_first) waiter.Cancel();
      for (uint64_t turns = random.Below(4); turns > 0; --turns) co_await Yield();
      held.Release();
      if (!stop_first) waiter.Cancel();
      const absl::Status outcome = co_await waiter.Join();
      ++(outcome.ok() ? granted : stopped);
      EXPECT_EQ(permits.count(), outcome.ok() ? 2u : 0u) << outcome;
      permits.Release();
      co_await Settle();
      EXPECT_EQ(co_await Available(semaphore), 2u);
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
  EXPECT_GT(granted, 0);
  EXPECT_GT(stopped, 0);
}

TEST(ShardSemaphoreTest, AWaitEndsAtItsDeadline) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardSemaphore semaphore(ShardId(random.Below(kShards)), 1);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(const Permits held, co_await semaphore.Acquire());
      const absl::Duration timeout = absl::Milliseconds(5);
      const Timestamp start = Scheduler::Current()->PreciseNow();
      const absl::StatusOr<Permits> late = co_await WithTimeout(timeout, semaphore.Acquire());
      EXPECT_TRUE(absl::IsDeadlineExceeded(late.status()));
      EXPECT_LE(Scheduler::Current()->PreciseNow() - start, timeout + kLateness);
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardSemaphoreTest, AnEndOfTheServiceAmidTheTrafficLosesNoPermits) {
  int granted = 0;
  ForEachSeed([&](ThreeShards& shards, Random& random) {
    // Its destructor checks that all are back.
    ShardSemaphore semaphore(ShardId(random.Below(kShards)), 2);
    shards.runtime().Start([&](Shard&) -> Task<absl::Status> {
      while (true) {
        PELTON_CO_ASSIGN_OR_RETURN(const Permits permits, co_await semaphore.Acquire(1));
        ++granted;
        co_await Yield();
      }
    });
    for (uint64_t steps = random.Below(60); steps > 0; --steps) (void)shards.runtime().Step();
    shards.runtime().RequestStop(StopPhase::kEverything);
    while (shards.runtime().Step()) {
    }
    EXPECT_TRUE(shards.runtime().ended());
    EXPECT_TRUE(shards.runtime().status().ok()) << shards.runtime().status();
  });
  EXPECT_GT(granted, 0);
}

TEST(ShardSemaphoreTest, AWaitSaysWhatItIsFor) {
  std::array<std::string, 2> dumps;
  ThreeShards shards(1);
  ShardSemaphore semaphore(ShardId(0), 5);
  const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Permits held, co_await semaphore.Acquire(4));
    std::array<Permits, 2> permits;
    std::array<Visit, 2> visits;
    for (uint32_t i = 0; i < 2; ++i) visits[i].Start(i, AcquireInto(semaphore, 2, permits[i]));
    co_await Settle();
    for (uint32_t i = 0; i < 2; ++i) {
      co_await On(ShardId(i), [&]() -> Task<void> {
        std::ostringstream out;
        DumpTasks(out);
        dumps[Here()] = out.str();
        co_return;
      });
    }
    held.Release();
    for (Visit& visit : visits) PELTON_CO_RETURN_IF_ERROR(co_await visit.Join());
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(dumps[0], HasSubstr("waits for 2 permits of a semaphore of shard 0, which has 1 "));
  EXPECT_THAT(dumps[1], HasSubstr("waits for 2 permits of a semaphore of shard 0\n"));
}

TEST(ShardSemaphoreDeathTest, DiesWhenItIsDestroyedBeforeItsPermitsAreBack) {
  auto end = [] {
    ThreeShards shards(1);
    (void)shards.RunOnFirst([]() -> Task<absl::Status> {
      auto semaphore = std::make_unique<ShardSemaphore>(ShardId(0), 3);
      Permits permits;
      (void)co_await On(ShardId(1), AcquireInto(*semaphore, 2, permits));
      semaphore.reset();
      co_return absl::OkStatus();
    });
  };
  EXPECT_DEATH(end(), "while 2 of its permits are held, or on their way home");
}

TEST(ShardSemaphoreDeathTest, DiesWhenItIsDestroyedWhileTasksWaitForIt) {
  auto end = [] {
    ThreeShards shards(1);
    (void)shards.RunOnFirst([]() -> Task<absl::Status> {
      auto semaphore = std::make_unique<ShardSemaphore>(ShardId(0), 0);
      Permits permits;
      Visit visit;
      visit.Start(1, AcquireInto(*semaphore, 1, permits));
      co_await Settle();
      semaphore.reset();
      co_return absl::OkStatus();
    });
  };
  EXPECT_DEATH(end(), "a ShardSemaphore was destroyed while tasks wait for it");
}

TEST(ShardSemaphoreDeathTest, DiesWhenPermitsOutliveTheService) {
  auto end = [] {
    ShardSemaphore semaphore(ShardId(0), 1);
    Permits permits;
    ThreeShards shards(1);
    (void)shards.RunOnFirst(AcquireInto(semaphore, 1, permits));
    permits.Release();
  };
  EXPECT_DEATH(end(), "permits of a ShardSemaphore were destroyed outside of a shard");
}

}  // namespace
}  // namespace pelton
