#include "framework/on.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/stepped_runtime.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "sched/when.h"

namespace pelton {
namespace {

// Runs `body` on shard 0 of a service whose other shards have nothing of their own to do.
absl::Status RunOnShard0(uint64_t seed, const std::function<Task<absl::Status>()>& body) {
  SteppedRuntime runtime({.shards = 4, .seed = seed});
  auto serve = [&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() != 0) co_return absl::OkStatus();
    co_return co_await body();
  };
  const absl::Status status = runtime.Run(serve);
  for (uint32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(runtime.shard(i).visitors().live(), 0u);
    EXPECT_FALSE(runtime.shard(i).mail().HasUnsent());
    EXPECT_FALSE(runtime.shard(i).mail().HasArrivals());
  }
  return status;
}

ShardId Here() { return Shard::Current()->id(); }

TEST(OnTest, RunsThereAndGoesOnHere) {
  auto body = []() -> Task<absl::Status> {
    EXPECT_EQ(Here(), ShardId(0));
    const ShardId there = co_await On(ShardId(2), []() -> Task<ShardId> {
      const ShardId first = Here();
      co_await Yield();
      EXPECT_EQ(Here(), first);
      co_return first;
    });
    EXPECT_EQ(there, ShardId(2));
    EXPECT_EQ(Here(), ShardId(0));
    co_return absl::OkStatus();
  };
  for (uint64_t seed = 1; seed <= 10; ++seed) EXPECT_TRUE(RunOnShard0(seed, body).ok());
}

TEST(OnTest, BringsEveryKindOfResultBack) {
  auto body = []() -> Task<absl::Status> {
    const ShardId there(1);
    EXPECT_EQ(co_await On(there, []() -> Task<int> { co_return 7; }), 7);
    co_await On(there, []() -> Task<void> { co_return; });
    const std::unique_ptr<int> moved = co_await On(
        there, []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(5); });
    EXPECT_EQ(*moved, 5);
    const std::string text =
        co_await On(there, []() -> Task<std::string> { co_return std::string(1000, 'x'); });
    EXPECT_EQ(text.size(), 1000u);
    const absl::StatusOr<int> error = co_await On(
        there, []() -> Task<absl::StatusOr<int>> { co_return absl::NotFoundError("no such key"); });
    EXPECT_TRUE(absl::IsNotFound(error.status()));
    co_return co_await On(there, []() -> Task<absl::Status> { co_return absl::OkStatus(); });
  };
  EXPECT_TRUE(RunOnShard0(1, body).ok());
}

TEST(OnTest, RethrowsAnExceptionHere) {
  auto body = []() -> Task<absl::Status> {
    bool caught = false;
    try {
      co_await On(ShardId(1), []() -> Task<int> {
        co_await Yield();
        throw std::runtime_error("there");
      });
    } catch (const std::runtime_error& error) {
      caught = error.what() == std::string("there") && Here() == ShardId(0);
    }
    EXPECT_TRUE(caught);
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(1, body).ok());
}

TEST(OnTest, RethrowsWhatTheFunctionItselfThrows) {
  auto body = []() -> Task<absl::Status> {
    bool caught = false;
    try {
      co_await On(ShardId(1), []() -> Task<int> {
        if (Here() == ShardId(1)) throw 42;  // not a coroutine: thrown before there is a task
        return []() -> Task<int> { co_return 1; }();
      });
    } catch (int) {
      caught = true;
    }
    EXPECT_TRUE(caught);
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(1, body).ok());
}

TEST(OnTest, MayNameTheShardItself) {
  auto body = []() -> Task<absl::Status> {
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(co_await On(ShardId(0), []() -> Task<ShardId> { co_return Here(); }), ShardId(0));
    }
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(1, body).ok());
}

TEST(OnTest, NestsBackToWhereItCameFrom) {
  auto body = []() -> Task<absl::Status> {
    const int sum = co_await On(ShardId(1), []() -> Task<int> {
      const int inner = co_await On(ShardId(0), []() -> Task<int> {
        EXPECT_EQ(Here(), ShardId(0));
        co_return co_await On(ShardId(3), []() -> Task<int> { co_return 1; });
      });
      EXPECT_EQ(Here(), ShardId(1));
      co_return inner + 1;
    });
    EXPECT_EQ(sum, 2);
    co_return absl::OkStatus();
  };
  for (uint64_t seed = 1; seed <= 10; ++seed) EXPECT_TRUE(RunOnShard0(seed, body).ok());
}

Task<int> PingPong(int depth) {
  if (depth == 0) co_return 0;
  const ShardId other((Here().index() + 1) % 2);
  co_return 1 + co_await On(other, [depth] { return PingPong(depth - 1); });
}

TEST(OnTest, NestsDeeply) {
  auto body = []() -> Task<absl::Status> {
    EXPECT_EQ(co_await PingPong(2'000), 2'000);
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(1, body).ok());
}

TEST(OnTest, CapturesLiveUntilTheReply) {
  auto body = []() -> Task<absl::Status> {
    const auto counter = std::make_shared<int>(0);
    int local = 0;
    co_await On(ShardId(1), [counter, &local]() -> Task<void> {
      co_await Yield();
      *counter = 1;
      local = 2;
    });
    EXPECT_EQ(*counter, 1);
    EXPECT_EQ(local, 2);
    EXPECT_EQ(counter.use_count(), 1) << "the function is gone";
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(1, body).ok());
}

TEST(OnTest, TheFramesOfTheCallAreBackWithTheirShard) {
  SteppedRuntime runtime({.shards = 2});
  auto serve = [&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() != 0) co_return absl::OkStatus();
    const uint64_t before = runtime.shard(1).frames().GetStatistics().live;
    for (int i = 0; i < 10; ++i) co_await On(ShardId(1), []() -> Task<void> { co_await Yield(); });
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Seconds(1)));
    EXPECT_LE(runtime.shard(1).frames().GetStatistics().live, before);
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(runtime.Run(serve).ok());
}

// Sleeps there for an hour, and tells what came of it.
struct RemoteSleep {
  absl::Status status = absl::UnknownError("did not run");
  Task<void> Run() {
    co_await On(ShardId(1), [this]() -> Task<void> {
      status = absl::UnknownError("did not end");
      status = co_await SleepFor(absl::Hours(1));
    });
  }
};

TEST(OnTest, CancellingBeforeTheRequestHasLeftReachesTheTask) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    auto body = []() -> Task<absl::Status> {
      RemoteSleep sleep;
      TaskScope scope;
      scope.Spawn(&RemoteSleep::Run, &sleep);
      co_await Yield();  // it has asked, in this very turn
      scope.Cancel();
      const absl::Status joined = co_await scope.Join();
      EXPECT_TRUE(absl::IsCancelled(sleep.status)) << sleep.status;
      co_return joined;
    };
    EXPECT_TRUE(RunOnShard0(seed, body).ok());
  }
}

TEST(OnTest, CancellingWhileTheTaskRunsReachesIt) {
  auto body = []() -> Task<absl::Status> {
    const Timestamp start = Scheduler::Current()->PreciseNow();
    RemoteSleep sleep;
    TaskScope scope;
    scope.Spawn(&RemoteSleep::Run, &sleep);
    PELTON_CHECK((co_await SleepFor(absl::Seconds(1))).ok());
    scope.Cancel();
    const absl::Status joined = co_await scope.Join();
    EXPECT_TRUE(absl::IsCancelled(sleep.status)) << sleep.status;
    EXPECT_LT(Scheduler::Current()->PreciseNow() - start, absl::Seconds(2));
    co_return joined;
  };
  for (uint64_t seed = 1; seed <= 20; ++seed) EXPECT_TRUE(RunOnShard0(seed, body).ok());
}

TEST(OnTest, ACancellationThatRacesTheReplyIsHarmless) {
  int finished = 0;
  int cancelled = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    auto body = [&]() -> Task<absl::Status> {
      absl::Status status;
      TaskScope scope;
      scope.Spawn([&]() -> Task<void> {
        // From two ticks before the cancellation to two ticks after it.
        const absl::Duration pause =
            absl::Milliseconds(10) +
            (static_cast<int>(seed % 5) - 2) * absl::Nanoseconds(1 << TimerWheel::kTickBits);
        status = co_await On(
            ShardId(1), [pause]() -> Task<absl::Status> { co_return co_await SleepFor(pause); });
      });
      PELTON_CHECK((co_await SleepFor(absl::Milliseconds(10))).ok());
      for (uint64_t i = 0; i < seed % 3; ++i) co_await Yield();
      scope.Cancel();
      const absl::Status joined = co_await scope.Join();
      ++(status.ok() ? finished : cancelled);
      EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
      co_return joined;
    };
    EXPECT_TRUE(RunOnShard0(seed, body).ok()) << seed;
  }
  EXPECT_GT(finished, 0);
  EXPECT_GT(cancelled, 0) << "the race was always won by the same side";
}

TEST(OnTest, InATaskThatIsStoppedTheRemoteTaskRunsStopped) {
  auto body = []() -> Task<absl::Status> {
    RemoteSleep sleep;
    TaskScope scope;
    scope.Cancel();
    scope.Spawn(&RemoteSleep::Run, &sleep);
    const absl::Status joined = co_await scope.Join();
    EXPECT_TRUE(absl::IsCancelled(sleep.status)) << sleep.status;
    EXPECT_EQ(Scheduler::Current()->PreciseNow(), Timestamp());
    co_return joined;
  };
  EXPECT_TRUE(RunOnShard0(1, body).ok());
}

TEST(OnTest, TheRemoteTaskInheritsTheDeadline) {
  auto body = []() -> Task<absl::Status> {
    Timestamp there;
    RemoteSleep sleep;
    auto both = [&]() -> Task<void> {
      there = co_await On(ShardId(1), []() -> Task<Timestamp> { co_return CurrentDeadline(); });
      EXPECT_EQ(there, CurrentDeadline());
      co_await sleep.Run();
    };
    const absl::Status status = co_await WithTimeout(absl::Seconds(5), both());
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    EXPECT_TRUE(absl::IsDeadlineExceeded(sleep.status)) << sleep.status;
    EXPECT_EQ(there - Timestamp(), absl::Seconds(5));
    co_return absl::OkStatus();
  };
  for (uint64_t seed = 1; seed <= 10; ++seed) EXPECT_TRUE(RunOnShard0(seed, body).ok());
}

TEST(OnTest, TheRemoteTaskMayIgnoreACancellation) {
  auto body = []() -> Task<absl::Status> {
    int result = 0;
    TaskScope scope;
    scope.Spawn([&]() -> Task<void> {
      result = co_await On(ShardId(1), []() -> Task<int> {
        while (!StopRequested()) co_await Yield();
        for (int i = 0; i < 10; ++i) co_await Yield();
        co_return 7;
      });
    });
    PELTON_CHECK((co_await SleepFor(absl::ZeroDuration())).ok());
    scope.Cancel();
    const absl::Status joined = co_await scope.Join();
    EXPECT_EQ(result, 7) << "the await returns when the remote task has ended, with its result";
    co_return joined;
  };
  EXPECT_TRUE(RunOnShard0(1, body).ok());
}

TEST(OnTest, RunsInWhenAllAndWhenAny) {
  auto body = []() -> Task<absl::Status> {
    auto from = [](uint32_t shard, absl::Duration pause) -> Task<uint32_t> {
      co_return co_await On(ShardId(shard), [pause]() -> Task<uint32_t> {
        (void)co_await SleepFor(pause);
        co_return Here().index();
      });
    };
    auto [a, b, c] = co_await WhenAll(from(1, absl::Seconds(1)), from(2, absl::Seconds(2)),
                                      from(3, absl::Seconds(3)));
    EXPECT_EQ(a + b + c, 6u);
    const Timestamp start = Scheduler::Current()->PreciseNow();
    const auto first = co_await WhenAny(from(1, absl::Hours(1)), from(2, absl::Seconds(1)));
    EXPECT_EQ(first.index(), 1u);
    EXPECT_LT(Scheduler::Current()->PreciseNow() - start, absl::Seconds(2));
    co_return absl::OkStatus();
  };
  for (uint64_t seed = 1; seed <= 10; ++seed) EXPECT_TRUE(RunOnShard0(seed, body).ok());
}

TEST(OnTest, AThousandAtOnceFromEveryShard) {
  SteppedRuntime runtime({.shards = 4, .seed = 3});
  std::vector<uint64_t> received(4);
  auto serve = [&](Shard& shard) -> Task<absl::Status> {
    const uint32_t self = shard.id().index();
    TaskScope scope;
    auto ask = [&received, self](uint32_t i) -> Task<void> {
      const ShardId target(i % 4);
      received[self] += co_await On(target, [i]() -> Task<uint64_t> {
        if (i % 5 == 0) co_await Yield();
        if (i % 7 == 0) PELTON_CHECK((co_await SleepFor(absl::Milliseconds(i % 11))).ok());
        co_return i;
      });
    };
    for (uint32_t i = 0; i < 1'000; ++i) scope.Spawn(ask, i);
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(runtime.Run(serve).ok());
  EXPECT_EQ(received, std::vector<uint64_t>(4, 999 * 1000 / 2));
}

TEST(OnTest, AShardWhoseServiceHasEndedStillServesTheOthers) {
  auto body = []() -> Task<absl::Status> {
    // The services of the others have returned long ago.
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Hours(1)));
    const absl::Status there = co_await On(
        ShardId(1), []() -> Task<absl::Status> { co_return co_await SleepFor(absl::Hours(1)); });
    EXPECT_TRUE(there.ok()) << there;
    EXPECT_GE(Scheduler::Current()->PreciseNow() - Timestamp(), absl::Hours(2));
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(1, body).ok());
}

TEST(OnTest, TheRuntimeWaitsForVisitorsOfVisitors) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SteppedRuntime runtime({.shards = 3, .seed = seed});
    int ended = 0;
    auto serve = [&](Shard& shard) -> Task<absl::Status> {
      // Outlives the service, and is stopped when all services have ended; then it still visits
      // another shard.
      shard.visitors().Spawn([&ended]() -> Task<void> {
        EXPECT_TRUE(absl::IsCancelled(co_await SleepFor(absl::Hours(1))));
        const ShardId next((Here().index() + 1) % 3);
        for (int visit = 0; visit < 2; ++visit) {
          co_await On(next, [&ended]() -> Task<void> {
            for (int i = 0; i < 5; ++i) co_await Yield();
            ++ended;
          });
        }
        ++ended;
      });
      co_return absl::OkStatus();
    };
    EXPECT_TRUE(runtime.Run(serve).ok());
    EXPECT_EQ(ended, 9);
    EXPECT_EQ(runtime.clock().Now(), Timestamp());
  }
}

TEST(OnDeathTest, DiesForAShardThatDoesNotExist) {
  auto body = []() -> Task<absl::Status> {
    co_await On(ShardId(4), []() -> Task<void> { co_return; });
    co_return absl::OkStatus();
  };
  EXPECT_DEATH((void)RunOnShard0(1, body), "On\\(4\\): there are 4 shards");
}

}  // namespace
}  // namespace pelton
