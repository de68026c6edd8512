#include "framework/stepped_runtime.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "framework/on.h"
#include "io/tcp_listener.h"
#include "io/tcp_stream.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "tests/support/waits.h"

namespace pelton {
namespace {

using testing::EndlessWait;

Task<absl::Status> Nothing(Shard&) { co_return absl::OkStatus(); }

TEST(SteppedRuntimeTest, RunsTheServiceOnceOnEveryShard) {
  SteppedRuntime runtime({.shards = 4});
  std::vector<int> runs(4);
  auto serve = [&](Shard& shard) -> Task<absl::Status> {
    EXPECT_EQ(Shard::Current(), &shard);
    EXPECT_EQ(shard.shards(), 4u);
    ++runs[shard.id().index()];
    co_await Yield();
    EXPECT_EQ(Shard::Current(), &shard);
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(runtime.Run(serve).ok());
  EXPECT_EQ(runs, (std::vector<int>{1, 1, 1, 1}));
  EXPECT_TRUE(runtime.ended());
  EXPECT_EQ(Shard::Current(), nullptr);
}

TEST(SteppedRuntimeTest, MayBeDestroyedWithoutHavingRun) {
  const SteppedRuntime runtime({.shards = 3});
  EXPECT_FALSE(runtime.ended());
}

TEST(SteppedRuntimeTest, TimeJumpsOverWhatNobodyUses) {
  SteppedRuntime runtime({.shards = 2});
  auto serve = [](Shard& shard) -> Task<absl::Status> {
    co_return co_await SleepFor(absl::Hours(1 + shard.id().index()));
  };
  EXPECT_TRUE(runtime.Run(serve).ok());
  EXPECT_GE(runtime.clock().Now() - Timestamp(), absl::Hours(2));
  EXPECT_LT(runtime.clock().Now() - Timestamp(), absl::Hours(2) + absl::Milliseconds(1));
}

TEST(SteppedRuntimeTest, TimeStandsStillWhileAnyShardHasSomethingToDo) {
  SteppedRuntime runtime({.shards = 2});
  auto serve = [&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() == 0) co_return co_await SleepFor(absl::Seconds(1));
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(runtime.clock().Now(), Timestamp());
      co_await Yield();
    }
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(runtime.Run(serve).ok());
}

// Lets the shards of a service race, and yields who was where when.
std::string Trace(uint64_t seed) {
  SteppedRuntime runtime({.shards = 3, .seed = seed});
  std::string trace;
  auto serve = [&](Shard& shard) -> Task<absl::Status> {
    for (int i = 0; i < 5; ++i) {
      trace += static_cast<char>('a' + shard.id().index());
      const ShardId next((shard.id().index() + 1) % 3);
      co_await On(next, [&]() -> Task<void> {
        trace += static_cast<char>('A' + Shard::Current()->id().index());
        co_return;
      });
      PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Microseconds(100)));
    }
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(runtime.Run(serve).ok());
  return trace;
}

TEST(SteppedRuntimeTest, TheSameSeedGivesTheSameTrace) {
  for (uint64_t seed = 1; seed <= 10; ++seed) EXPECT_EQ(Trace(seed), Trace(seed)) << seed;
}

TEST(SteppedRuntimeTest, DifferentSeedsExploreDifferentOrders) {
  std::set<std::string> traces;
  for (uint64_t seed = 1; seed <= 50; ++seed) traces.insert(Trace(seed));
  EXPECT_GT(traces.size(), 40u);
}

TEST(SteppedRuntimeTest, AnyShardMayComeFirst) {
  std::set<char> first;
  for (uint64_t seed = 1; seed <= 50; ++seed) first.insert(Trace(seed)[0]);
  EXPECT_EQ(first, (std::set<char>{'a', 'b', 'c'}));
}

TEST(SteppedRuntimeTest, YieldsTheErrorOfTheService) {
  SteppedRuntime runtime({.shards = 2});
  auto serve = [](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() == 1) co_return absl::NotFoundError("no such file");
    co_return absl::OkStatus();
  };
  const absl::Status status = runtime.Run(serve);
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
}

TEST(SteppedRuntimeTest, CanBeSteppedByHandAndAskedToStop) {
  SteppedRuntime runtime({.shards = 2});
  int interrupted = 0;
  auto serve = [&](Shard&) -> Task<absl::Status> {
    const absl::Status status = co_await SleepFor(absl::InfiniteDuration());
    if (absl::IsCancelled(status)) ++interrupted;
    co_return status;
  };
  runtime.Start(serve);
  while (runtime.Step()) {
  }
  EXPECT_FALSE(runtime.ended()) << "both sleep forever";
  runtime.RequestStop(StopPhase::kEverything);
  while (runtime.Step()) {
  }
  EXPECT_TRUE(runtime.ended());
  EXPECT_TRUE(runtime.status().ok());
  EXPECT_EQ(interrupted, 2);
}

TEST(SteppedRuntimeTest, StepAfterTheEndDoesNothing) {
  SteppedRuntime runtime;
  EXPECT_TRUE(runtime.Run(Nothing).ok());
  EXPECT_FALSE(runtime.Step());
  EXPECT_TRUE(runtime.ended());
}

TEST(SteppedRuntimeTest, TwoRuntimesOnOneThreadDoNotMix) {
  SteppedRuntime first({.shards = 2});
  SteppedRuntime second({.shards = 2});
  int runs = 0;
  auto serve = [&](Shard& shard) -> Task<absl::Status> {
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(Shard::Current(), &shard);
      PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Seconds(1)));
    }
    ++runs;
    co_return absl::OkStatus();
  };
  first.Start(serve);
  second.Start(serve);
  bool first_goes_on = true;
  bool second_goes_on = true;
  while (first_goes_on || second_goes_on) {
    first_goes_on = first.Step();
    second_goes_on = second.Step();
  }
  EXPECT_EQ(runs, 4);
}

// Real I/O on loopback, on the virtual clock.
Task<absl::Status> EchoOnce(TcpStream peer) {
  PELTON_CO_ASSIGN_OR_RETURN(const Chunk bytes, co_await peer.Read());
  co_return co_await peer.Write(bytes);
}

TEST(SteppedRuntimeTest, RealIoCompletesBeforeATimerOvertakesIt) {
  SteppedRuntime runtime;
  std::string received;
  auto serve = [&](Shard&) -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
    const SocketAddress address = listener.address();
    absl::Status outcome;
    {
      TaskScope scope;
      auto accept = [&]() -> Task<absl::Status> {
        PELTON_CO_ASSIGN_OR_RETURN(TcpStream peer, co_await listener.Accept());
        co_return co_await EchoOnce(std::move(peer));
      };
      auto ask = [&]() -> Task<absl::Status> {
        PELTON_CO_ASSIGN_OR_RETURN(TcpStream peer, co_await TcpStream::Connect(address));
        PELTON_CO_RETURN_IF_ERROR(co_await peer.Write("hello"));
        PELTON_CO_ASSIGN_OR_RETURN(const Chunk bytes, co_await peer.Read());
        received = std::string(bytes.text());
        co_return absl::OkStatus();
      };
      scope.Spawn(accept);
      scope.Spawn(ask);
      outcome = co_await scope.Join();
    }
    co_return outcome;
  };
  EXPECT_TRUE(runtime.Run(serve).ok());
  EXPECT_EQ(received, "hello");
}

TEST(SteppedRuntimeDeathTest, ADeadlockDiesWithAMessage) {
  auto deadlock = [] {
    SteppedRuntime runtime({.shards = 2});
    (void)runtime.Run([](Shard& shard) -> Task<absl::Status> {
      if (shard.id().index() == 1) co_await EndlessWait();
      co_return absl::OkStatus();
    });
  };
  EXPECT_DEATH(deadlock(), "the service is stuck");
}

TEST(SteppedRuntimeDeathTest, AVisitorThatNeverEndsIsADeadlockToo) {
  auto deadlock = [] {
    SteppedRuntime runtime({.shards = 2});
    (void)runtime.Run([](Shard& shard) -> Task<absl::Status> {
      // A task of the shard's own that outlives its service, as visitors may.
      shard.visitors().Spawn([]() -> Task<void> { co_await EndlessWait(); });
      co_return absl::OkStatus();
    });
  };
  EXPECT_DEATH(deadlock(), "the service is stuck");
}

}  // namespace
}  // namespace pelton
