// ShardChannel, ShardSemaphore and MapReduce between real threads. What they promise is tested on
// the stepped runtime; this is for the memory model.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/status.h"
#include "framework/map_reduce.h"
#include "framework/shard_channel.h"
#include "framework/shard_semaphore.h"
#include "sched/backtrace.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "tests/framework/runtime_test_base.h"

namespace pelton {
namespace {

using Box = std::unique_ptr<uint64_t>;

class ShardSyncRuntimeTest : public testing::RuntimeTestBase {};

TEST_P(ShardSyncRuntimeTest, AChannelCarriesEveryValueOnce) {
  constexpr uint64_t kValues = 2'000;
  ShardChannel<Box> channel(ShardId(1), 16);
  std::atomic<uint64_t> sum = 0;
  std::atomic<uint32_t> done = 0;
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    TaskScope scope;
    scope.Spawn([&]() -> Task<absl::Status> {
      const uint64_t first = shard.id().index() * kValues;
      std::vector<Box> batch;
      for (uint64_t i = first; i < first + kValues; ++i) {
        if (i % 3 == 0) {
          PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(std::make_unique<uint64_t>(i)));
          continue;
        }
        batch.push_back(std::make_unique<uint64_t>(i));
        if (batch.size() == 10) PELTON_CO_RETURN_IF_ERROR(co_await channel.SendBatch(batch));
      }
      PELTON_CO_RETURN_IF_ERROR(co_await channel.SendBatch(batch));
      if (done.fetch_add(1) + 1 == shard.shards()) co_await channel.Close();
      co_return absl::OkStatus();
    });
    scope.Spawn([&]() -> Task<absl::Status> {
      while (true) {
        PELTON_CO_ASSIGN_OR_RETURN(const std::optional<Box> value, co_await channel.Receive());
        if (!value.has_value()) co_return absl::OkStatus();
        sum += **value;
      }
    });
    scope.Spawn([&]() -> Task<absl::Status> {
      std::vector<Box> batch;
      while (true) {
        batch.clear();
        PELTON_CO_ASSIGN_OR_RETURN(const size_t count, co_await channel.ReceiveBatch(batch, 8));
        if (count == 0) co_return absl::OkStatus();
        // NOLINTNEXTLINE(pelton-await-free-loop): a small batch.
        for (const Box& value : batch) sum += *value;
      }
    });
    co_return co_await scope.Join();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(sum.load(), (2 * kValues - 1) * kValues);
}

TEST_P(ShardSyncRuntimeTest, StopsRaceHandOversWithoutLoss) {
  ShardChannel<Box> channel(ShardId(0), 1);
  std::atomic<uint64_t> sent = 0;
  std::atomic<uint64_t> received = 0;
  std::atomic<uint32_t> done = 0;
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    for (int round = 0; round < 200; ++round) {
      TaskScope scope;
      scope.Spawn([&]() -> Task<void> {
        Box value = std::make_unique<uint64_t>(1);
        const absl::Status outcome = co_await channel.Send(std::move(value));
        EXPECT_EQ(outcome.ok(), value == nullptr);
        sent += outcome.ok();
      });
      scope.Spawn([&]() -> Task<void> {
        absl::StatusOr<std::optional<Box>> value = co_await channel.Receive();
        if (value.ok()) received += ***value;
      });
      for (int turns = round % 20; turns > 0; --turns) co_await Yield();
      scope.Cancel();
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    }
    if (done.fetch_add(1) + 1 == shard.shards()) co_await channel.Close();
    if (shard.id().index() != 0) co_return absl::OkStatus();
    // What was sent last is there still.
    while (true) {
      PELTON_CO_ASSIGN_OR_RETURN(const std::optional<Box> value, co_await channel.Receive());
      if (!value.has_value()) co_return absl::OkStatus();
      received += **value;
    }
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(sent.load(), received.load());
}

TEST_P(ShardSyncRuntimeTest, ASemaphoreBoundsWhatRunsAtOnce) {
  ShardSemaphore semaphore(ShardId(0), 3);
  std::atomic<int> held = 0;
  std::atomic<int> most = 0;
  std::atomic<int> granted = 0;
  const absl::Status status = Run([&](Shard&) -> Task<absl::Status> {
    TaskScope scope;
    for (int task = 0; task < 8; ++task) {
      scope.Spawn([&, task]() -> Task<absl::Status> {
        for (int round = 0; round < 50; ++round) {
          const absl::Duration patience = absl::Microseconds(task * 200);
          const absl::StatusOr<ShardSemaphore::Permits> permits =
              co_await WithTimeout(patience, semaphore.Acquire(1 + round % 2));
          if (!permits.ok()) {
            if (!absl::IsDeadlineExceeded(permits.status())) co_return permits.status();
            continue;
          }
          ++granted;
          const int count = static_cast<int>(permits->count());
          const int now = held += count;
          int seen = most.load();
          // NOLINTNEXTLINE(pelton-await-free-loop): a small batch.
          while (seen < now && !most.compare_exchange_weak(seen, now)) {
          }
          co_await Yield();
          held -= count;
        }
        co_return absl::OkStatus();
      });
    }
    co_return co_await scope.Join();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_LE(most.load(), 3);
  EXPECT_GT(granted.load(), 0);
}

TEST_P(ShardSyncRuntimeTest, MapReduceAndExceptionsCrossThreads) {
  struct Store {
    std::string Name() const { return std::string(100, static_cast<char>('a' + id)); }
    uint32_t id = Shard::Current()->id().index();
  };
  std::string names;
  std::string text;
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() != 0) co_return absl::OkStatus();
    Sharded<Store> stores;
    PELTON_CO_RETURN_IF_ERROR(co_await stores.Start());
    for (int round = 0; round < 100; ++round) {
      names = co_await MapReduce(stores, &Store::Name, std::string(), std::plus<>());
      try {
        co_await stores.InvokeOnAll([](Store& store) -> Task<void> {
          co_await Yield();
          if (store.id == 1) throw std::runtime_error("far away");
        });
      } catch (...) {
        text = DescribeException(std::current_exception());
      }
    }
    co_await stores.Stop();
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(names, std::string(100, 'a') + std::string(100, 'b'));
  EXPECT_TRUE(text.starts_with("far away\n")) << text;
  EXPECT_NE(text.find("for the task of another shard"), text.npos) << text;
}

INSTANTIATE_TEST_SUITE_P(Drivers, ShardSyncRuntimeTest, testing::EachDriver(),
                         testing::NameOfDriver);

}  // namespace
}  // namespace pelton
