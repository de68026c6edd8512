#include "framework/blocking.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "framework/stepped_runtime.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "sched/when.h"

namespace pelton {
namespace {

TEST(BlockingTest, CallsOnAThreadOfTheRuntimesPool) {
  SteppedRuntime runtime({.shards = 2});
  auto serve = [](Shard& shard) -> Task<absl::Status> {
    const absl::StatusOr<std::thread::id> there =
        co_await RunBlocking([] { return std::this_thread::get_id(); });
    PELTON_CO_RETURN_IF_ERROR(there);
    EXPECT_NE(*there, std::this_thread::get_id());
    EXPECT_EQ(Shard::Current(), &shard);
    co_return co_await TryRunBlocking([] {});
  };
  const absl::Status status = runtime.Run(serve);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(runtime.shard(0).blocking_pool().GetStatistics().completed, 4u);
}

TEST(BlockingTest, TheQueueIsAsLongAsTheRuntimeWasTold) {
  SteppedRuntime::Options options;
  options.blocking.max_threads = 1;
  options.blocking.queue_limit = 1;
  SteppedRuntime runtime(options);
  int refused = 0;
  auto serve = [&](Shard&) -> Task<absl::Status> {
    TaskScope scope;
    for (int i = 0; i < 20; ++i) {
      scope.Spawn([&]() -> Task<void> {
        if (absl::IsResourceExhausted(co_await TryRunBlocking([] {}))) ++refused;
      });
    }
    co_return co_await scope.Join();
  };
  EXPECT_TRUE(runtime.Run(serve).ok());
  const BlockingPool::Statistics statistics = runtime.shard(0).blocking_pool().GetStatistics();
  EXPECT_EQ(statistics.completed + statistics.refused, 20u);
  EXPECT_EQ(statistics.refused, static_cast<uint64_t>(refused));
}

TEST(BlockingTest, VirtualTimeWaitsForTheThreads) {
  SteppedRuntime runtime({.shards = 2});
  auto serve = [&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() == 1) co_return co_await SleepFor(absl::Hours(1));
    PELTON_CO_RETURN_IF_ERROR(co_await RunBlocking([] {
      for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    }));
    EXPECT_LT(runtime.clock().Now() - Timestamp(), absl::Hours(1));
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(runtime.Run(serve).ok());
  EXPECT_GE(runtime.clock().Now() - Timestamp(), absl::Hours(1));
}

TEST(BlockingTest, AShardDoesNotEndBeforeItsJobs) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SteppedRuntime runtime({.shards = 3, .seed = seed});
    absl::Status visitor = absl::UnknownError("did not end");
    auto serve = [&](Shard& shard) -> Task<absl::Status> {
      if (shard.id().index() == 0) {
        shard.visitors().Spawn([&]() -> Task<void> {
          visitor = co_await RunBlocking([](const StopFlag& stop) {
            while (!stop.requested()) std::this_thread::yield();
          });
        });
      }
      co_return absl::OkStatus();
    };
    EXPECT_TRUE(runtime.Run(serve).ok());
    EXPECT_TRUE(visitor.ok() || absl::IsCancelled(visitor)) << visitor;
  }
}

}  // namespace
}  // namespace pelton
