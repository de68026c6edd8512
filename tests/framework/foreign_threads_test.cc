// Real threads submit to the shards of a real runtime, also while it ends.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <latch>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "framework/blocking.h"
#include "framework/foreign.h"
#include "framework/on.h"
#include "sched/blocking/parker.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "tests/framework/runtime_test_base.h"

namespace pelton {
namespace {

class ForeignThreadsTest : public testing::RuntimeTestBase {
 protected:
  static constexpr uint32_t kShards = 2;

  // On each shard, at the beginning of its service.
  void Publish(Shard& shard) {
    handles_[shard.id().index()] = shard.handle();
    published_.count_down();
  }
  // On a foreign thread, when both are there.
  const ShardHandle& handle(uint32_t shard) {
    published_.wait();
    return *handles_[shard];
  }

 private:
  std::array<std::optional<ShardHandle>, kShards> handles_;
  std::latch published_{kShards};
};

TEST_P(ForeignThreadsTest, ManyThreadsSubmitAndWait) {
  constexpr uint32_t kThreads = 4;
  constexpr uint32_t kCalls = 300;
  std::array<uint64_t, kShards> sums = {};  // each its shard's own
  const auto be_foreign = [&](uint32_t thread) {
    for (uint32_t call = 0; call < kCalls; ++call) {
      const uint32_t shard = (thread + call) % kShards;
      const absl::StatusOr<uint32_t> result =
          handle(shard).SubmitAndWait([&, shard, call]() -> Task<uint32_t> {
            co_await Yield();
            sums[shard] += call;
            co_return Shard::Current()->id().index();
          });
      EXPECT_EQ(result.value(), shard);
    }
  };
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    Publish(shard);
    // The service goes on as long as one shard's does.
    if (shard.id().index() != 0) co_return absl::OkStatus();
    co_return co_await RunBlocking([&] {
      std::vector<std::thread> threads;
      for (uint32_t i = 0; i < kThreads; ++i) threads.emplace_back(be_foreign, i);
      for (std::thread& thread : threads) thread.join();
    });
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(sums[0] + sums[1], uint64_t{kThreads} * kCalls * (kCalls - 1) / 2);
}

TEST_P(ForeignThreadsTest, WakesAShardThatSleeps) {
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    Publish(shard);
    if (shard.id().index() != 0) co_return absl::OkStatus();
    co_return co_await RunBlocking([&] {
      for (int i = 0; i < 5; ++i) {
        // Longer than a shard spins, so that it does sleep.
        Parker parker;
        EXPECT_FALSE(parker.ParkFor(absl::Milliseconds(2)));
        EXPECT_EQ(handle(1).SubmitAndWait([] { return 1; }).value(), 1);
      }
    });
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_P(ForeignThreadsTest, AThreadOfThePoolMaySubmitAndWaitToo) {
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    Publish(shard);
    const uint32_t other = 1 - shard.id().index();
    const absl::StatusOr<uint32_t> result = co_await RunBlocking(
        [&] { return handle(other).SubmitAndWait([] { return Shard::Current()->id().index(); }); });
    // The other one may have ended: both services return when they have called.
    if (result.ok()) EXPECT_EQ(*result, other);
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_P(ForeignThreadsTest, TheRuntimeEndsWhileThreadsSubmit) {
  constexpr uint32_t kThreads = 3;
  std::atomic<uint64_t> ran = 0;
  std::atomic<uint64_t> succeeded = 0;
  std::atomic<uint64_t> detached = 0;
  std::vector<std::thread> threads;
  std::latch handles_known(1);
  std::atomic<bool> run_failed = false;
  for (uint32_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      handles_known.wait();
      if (run_failed.load()) return;
      for (uint32_t i = thread;; ++i) {
        ForeignResult<uint32_t> result = handle(i % kShards).Submit([&, i]() -> Task<uint32_t> {
          ran.fetch_add(1);
          co_return co_await On(ShardId(i % kShards), [i]() -> Task<uint32_t> { co_return i; });
        });
        switch (i % 4) {
          case 0:
            continue;  // dropped: cancelled
          case 1:
            if (result.ready()) break;
            detached.fetch_add(1);
            std::move(result).Detach();
            continue;
          case 2:
            result.Cancel();
            break;
          default:
            break;
        }
        const absl::StatusOr<uint32_t> value = result.Wait();
        if (value.ok()) {
          EXPECT_EQ(*value, i);
          succeeded.fetch_add(1);
        } else if (absl::IsUnavailable(value.status())) {
          return;
        } else {
          EXPECT_TRUE(absl::IsResourceExhausted(value.status())) << value.status();
        }
      }
    });
  }
  std::atomic<uint32_t> started = 0;
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    Publish(shard);
    if (started.fetch_add(1) + 1 == kShards) handles_known.count_down();
    while (ran.load() < 300) PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Microseconds(50)));
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  if (!status.ok() && started.load() < kShards) {
    run_failed.store(true);
    handles_known.count_down();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(ran.load(), 300u);
  EXPECT_GT(succeeded.load(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Drivers, ForeignThreadsTest, testing::EachDriver(), testing::NameOfDriver);

}  // namespace
}  // namespace pelton
