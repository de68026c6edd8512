#include "framework/shard.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"
#include "framework/on.h"
#include "framework/stepped_runtime.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "tests/support/waits.h"

namespace pelton {
namespace {

using testing::StopWait;

TEST(ShardTest, AnErrorOfOneShardStopsAllAndNamesTheShard) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SteppedRuntime runtime({.shards = 3, .seed = seed});
    int cancelled = 0;
    auto serve = [&](Shard& shard) -> Task<absl::Status> {
      if (shard.id().index() == 1) {
        PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Seconds(1)));
        co_return absl::NotFoundError("no such file");
      }
      const absl::Status status = co_await SleepFor(absl::Hours(1));
      if (absl::IsCancelled(status)) ++cancelled;
      co_return status;
    };
    EXPECT_EQ(runtime.Run(serve), absl::NotFoundError("shard 1: no such file"));
    EXPECT_EQ(cancelled, 2);
    EXPECT_LT(runtime.clock().Now() - Timestamp(), absl::Seconds(2));
  }
}

TEST(ShardTest, TheErrorOfAServiceKeepsItsErrno) {
  SteppedRuntime runtime({.shards = 2});
  const absl::Status status = runtime.Run([](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() == 0) co_return absl::OkStatus();
    co_return ErrnoToStatus(EADDRINUSE, "bind", "127.0.0.1:80");
  });
  EXPECT_TRUE(ToStd(status.message()).starts_with("shard 1: bind 127.0.0.1:80: ")) << status;
  EXPECT_EQ(GetErrno(status), EADDRINUSE);
}

TEST(ShardTest, TheFirstErrorWins) {
  SteppedRuntime runtime({.shards = 3});
  auto serve = [](Shard& shard) -> Task<absl::Status> {
    (void)co_await SleepFor(absl::Seconds(3 - shard.id().index()));
    co_return absl::DataLossError("lost");
  };
  EXPECT_EQ(runtime.Run(serve), absl::DataLossError("shard 2: lost"));
}

TEST(ShardTest, AnExceptionOfAServiceIsReportedWithItsText) {
  SteppedRuntime runtime({.shards = 2});
  auto serve = [](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() == 1) throw std::runtime_error("boom");
    co_return co_await SleepFor(absl::Hours(1));
  };
  const absl::Status status = runtime.Run(serve);
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_TRUE(ToStd(status.message())
                  .starts_with("shard 1: the service ended by an exception: boom\n"
                               "  in a task that has not awaited anything\n"
                               "  at framework/shard.cc:"))
      << status;
}

TEST(ShardTest, AnExceptionBeforeTheServicesFirstTaskIsReportedToo) {
  SteppedRuntime runtime;
  auto serve = [](Shard&) -> Task<absl::Status> { throw std::runtime_error("not a coroutine"); };
  EXPECT_TRUE(absl::IsInternal(runtime.Run(serve)));
}

TEST(ShardTest, TheDrainGoesThroughItsPhasesInOrder) {
  SteppedRuntime runtime({.shards = 2});
  std::vector<std::string> events;
  auto serve = [&](Shard& shard) -> Task<absl::Status> {
    const bool notes = shard.id().index() == 0;
    EXPECT_FALSE(shard.draining());
    const absl::Status accepting = co_await StopWait(StopPhase::kAccepting);
    EXPECT_TRUE(shard.draining());
    EXPECT_FALSE(StopRequested()) << "work that has begun goes on";
    if (notes) events.push_back("accepting " + accepting.ToString());
    const absl::Status idle = co_await StopWait(StopPhase::kIdle);
    EXPECT_FALSE(StopRequested());
    if (notes) events.push_back("idle " + idle.ToString());
    const absl::Status everything = co_await StopWait(StopPhase::kEverything);
    EXPECT_TRUE(StopRequested());
    if (notes) events.push_back("everything " + everything.ToString());
    co_return everything;
  };
  runtime.Start(serve);
  const auto step = [&] {
    while (runtime.Step()) {
    }
  };
  step();
  EXPECT_TRUE(events.empty());
  for (const StopPhase phase : {StopPhase::kAccepting, StopPhase::kIdle, StopPhase::kEverything}) {
    EXPECT_FALSE(runtime.ended());
    runtime.RequestStop(phase);
    step();
  }
  EXPECT_TRUE(runtime.ended());
  EXPECT_TRUE(runtime.status().ok()) << runtime.status();
  EXPECT_EQ(events, (std::vector<std::string>{"accepting UNAVAILABLE: the service is draining",
                                              "idle UNAVAILABLE: the service is draining",
                                              "everything CANCELLED: the task was cancelled"}));
}

absl::Status DrainedWith(const absl::Status& outcome) {
  SteppedRuntime runtime;
  auto serve = [&](Shard&) -> Task<absl::Status> {
    (void)co_await StopWait(StopPhase::kAccepting);
    co_return outcome;
  };
  runtime.Start(serve);
  while (runtime.Step()) {
  }
  runtime.RequestStop(StopPhase::kAccepting);
  while (runtime.Step()) {
  }
  EXPECT_TRUE(runtime.ended());
  return runtime.status();
}

TEST(ShardTest, WhatAStopInterruptedHasNotFailed) {
  EXPECT_TRUE(DrainedWith(absl::OkStatus()).ok());
  EXPECT_TRUE(DrainedWith(absl::UnavailableError("draining")).ok());
  EXPECT_TRUE(DrainedWith(absl::CancelledError("cancelled")).ok());
  EXPECT_TRUE(absl::IsDataLoss(DrainedWith(absl::DataLossError("while it was draining"))));
}

TEST(ShardTest, WithoutAStopTheSameErrorsAreFailures) {
  SteppedRuntime runtime;
  auto serve = [](Shard&) -> Task<absl::Status> {
    co_await Yield();
    co_return absl::UnavailableError("the backend is away");
  };
  EXPECT_TRUE(absl::IsUnavailable(runtime.Run(serve)));
}

TEST(ShardTest, VisitorsAreStoppedWhenAllServicesHaveEnded) {
  SteppedRuntime runtime({.shards = 2});
  absl::Status visitor = absl::UnknownError("did not end");
  auto serve = [&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() == 0) {
      shard.visitors().Spawn([&]() -> Task<void> { visitor = co_await SleepFor(absl::Hours(2)); });
      co_return absl::OkStatus();
    }
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Hours(1)));
    EXPECT_EQ(visitor.message(), "did not end") << "one service still runs";
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(runtime.Run(serve).ok());
  EXPECT_TRUE(absl::IsCancelled(visitor)) << visitor;
  EXPECT_LT(runtime.clock().Now() - Timestamp(), absl::Hours(1) + absl::Seconds(1));
}

TEST(ShardTest, AFrameThatIsFreedOnAnotherShardComesHome) {
  SteppedRuntime runtime({.shards = 2});
  auto serve = [&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() != 0) co_return absl::OkStatus();
    auto make = [](int value) -> Task<int> { co_return value; };
    std::optional<Task<int>> made_here = make(5);
    const int result = co_await On(ShardId(1), [&]() -> Task<int> {
      const int value = co_await *std::move(made_here);
      made_here.reset();
      co_return value;
    });
    EXPECT_EQ(result, 5);
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Milliseconds(1)));
    EXPECT_EQ(runtime.shard(0).frames().GetStatistics().remote_frees, 1u);
    EXPECT_EQ(runtime.shard(1).frames().GetStatistics().remote_frees, 0u);
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(runtime.Run(serve).ok());
}

TEST(ShardTest, ABindingMakesItCurrentAndRestores) {
  SteppedRuntime runtime({.shards = 2});
  EXPECT_EQ(Shard::Current(), nullptr);
  {
    const Shard::Binding outer(runtime.shard(0));
    {
      const Shard::Binding inner(runtime.shard(1));
      EXPECT_EQ(Shard::Current(), &runtime.shard(1));
      EXPECT_EQ(Scheduler::Current(), &runtime.shard(1).scheduler());
      EXPECT_EQ(io::Reactor::Current(), &runtime.shard(1).reactor());
      EXPECT_EQ(FramePool::Current(), &runtime.shard(1).frames());
    }
    EXPECT_EQ(Shard::Current(), &runtime.shard(0));
    EXPECT_EQ(Scheduler::Current(), &runtime.shard(0).scheduler());
    EXPECT_EQ(io::Reactor::Current(), &runtime.shard(0).reactor());
    EXPECT_EQ(FramePool::Current(), &runtime.shard(0).frames());
  }
  EXPECT_EQ(Shard::Current(), nullptr);
  EXPECT_EQ(Scheduler::Current(), nullptr);
  EXPECT_EQ(io::Reactor::Current(), nullptr);
  EXPECT_EQ(FramePool::Current(), nullptr);
}

TEST(ShardTest, AbortUndoesAStart) {
  ShardGroup group(1, [](void*, std::string_view, uint32_t) {}, nullptr);
  VirtualClock clock;
  bool ran = false;
  {
    Shard shard(group, ShardId(0), clock, {});
    {
      const Shard::Binding binding(shard);
      shard.Start([&](Shard&) -> Task<absl::Status> {
        ran = true;
        co_return absl::OkStatus();
      });
    }
    shard.Abort();
  }
  EXPECT_FALSE(ran);
  EXPECT_TRUE(group.first_error().ok());
}

TEST(ShardTest, HasArrivalsWhenItIsAskedToStop) {
  SteppedRuntime runtime;
  Shard& shard = runtime.shard(0);
  EXPECT_FALSE(shard.HasArrivals());
  runtime.RequestStop(StopPhase::kAccepting);
  EXPECT_TRUE(shard.HasArrivals());
  const Shard::Binding binding(shard);
  shard.BeginTurn();
  EXPECT_FALSE(shard.HasArrivals());
  EXPECT_TRUE(shard.draining());
}

}  // namespace
}  // namespace pelton
