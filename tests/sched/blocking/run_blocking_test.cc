#include "sched/blocking/run_blocking.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "alloc/thread_allocations.h"
#include "sched/blocking/blocking_pool.h"
#include "tests/sched/blocking/shard_threads.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::MakePool;
using testing::TaskHarness;

class RunBlockingTest : public ::testing::Test {
 protected:
  TaskHarness harness_;
  const std::unique_ptr<BlockingPool> pool_ = MakePool();
};

TEST_F(RunBlockingTest, YieldsTheResultAsAStatusOrAStatusOr) {
  auto task = [this]() -> Task<void> {
    absl::StatusOr<int> number = co_await RunBlocking(*pool_, [] { return 7; });
    EXPECT_EQ(number.value(), 7);
    absl::StatusOr<std::unique_ptr<int>> moved =
        co_await RunBlocking(*pool_, [] { return std::make_unique<int>(8); });
    EXPECT_EQ(**moved, 8);
    bool ran = false;
    absl::Status nothing = co_await RunBlocking(*pool_, [&] { ran = true; });
    EXPECT_TRUE(nothing.ok());
    EXPECT_TRUE(ran);
    absl::Status status = co_await RunBlocking(*pool_, [] { return absl::NotFoundError("file"); });
    EXPECT_EQ(status, absl::NotFoundError("file"));
    absl::StatusOr<std::string> text =
        co_await RunBlocking(*pool_, [] { return absl::StatusOr<std::string>("text"); });
    EXPECT_EQ(*text, "text");
  };
  harness_.Run(task());
}

TEST_F(RunBlockingTest, RunsOnAnotherThreadThatIsNoShard) {
  auto task = [this]() -> Task<void> {
    std::thread::id there;
    Scheduler* scheduler = Scheduler::Current();
    EXPECT_TRUE((co_await RunBlocking(*pool_, [&] {
                  there = std::this_thread::get_id();
                  scheduler = Scheduler::Current();
                })).ok());
    EXPECT_NE(there, std::this_thread::get_id());
    EXPECT_EQ(scheduler, nullptr);
    EXPECT_NE(Scheduler::Current(), nullptr);
  };
  harness_.Run(task());
}

TEST_F(RunBlockingTest, RethrowsAnExceptionAtTheAwait) {
  auto task = [this]() -> Task<void> {
    (void)co_await RunBlocking(*pool_, []() -> int { throw std::runtime_error("boom"); });
  };
  try {
    harness_.Run(task());
    FAIL() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "boom");
  }
}

// Notes where it is called and destroyed.
class Tracked {
 public:
  explicit Tracked(std::vector<std::thread::id>* deaths) : deaths_(deaths) {}
  Tracked(Tracked&& other) noexcept : deaths_(std::exchange(other.deaths_, nullptr)) {}
  ~Tracked() {
    if (deaths_ != nullptr) deaths_->push_back(std::this_thread::get_id());
  }
  std::thread::id operator()() { return std::this_thread::get_id(); }

 private:
  std::vector<std::thread::id>* deaths_;
};

TEST_F(RunBlockingTest, TheFunctionIsDestroyedOnTheShard) {
  std::vector<std::thread::id> deaths;
  auto task = [&]() -> Task<void> {
    absl::StatusOr<std::thread::id> ran_on = co_await RunBlocking(*pool_, Tracked(&deaths));
    EXPECT_NE(ran_on.value(), std::this_thread::get_id());
  };
  harness_.Run(task());
  EXPECT_EQ(deaths, std::vector<std::thread::id>{std::this_thread::get_id()});
}

TEST_F(RunBlockingTest, TheFunctionMayChangeItselfAndOwnWhatCannotBeCopied) {
  auto task = [this]() -> Task<int> {
    auto function = [count = 0, owned = std::make_unique<int>(40)]() mutable {
      count += 2;
      return count + *owned;
    };
    co_return (co_await RunBlocking(*pool_, std::move(function))).value();
  };
  EXPECT_EQ(harness_.Run(task()), 42);
}

TEST_F(RunBlockingTest, TryRunBlockingRunsWhereThereIsRoom) {
  auto task = [this]() -> Task<int> {
    co_return (co_await TryRunBlocking(*pool_, [] { return 5; })).value();
  };
  EXPECT_EQ(harness_.Run(task()), 5);
  EXPECT_EQ(pool_->GetStatistics().completed, 1u);
}

TEST_F(RunBlockingTest, AFunctionMayTakeAStopFlag) {
  auto task = [this]() -> Task<bool> {
    co_return (co_await RunBlocking(*pool_, [](const StopFlag& stop) {
      return stop.requested();
    })).value();
  };
  EXPECT_FALSE(harness_.Run(task()));
}

TEST_F(RunBlockingTest, AllocatesNothing) {
  auto once = [this]() -> Task<int> {
    co_return (co_await RunBlocking(*pool_, [] { return 1; })).value();
  };
  auto task = [&]() -> Task<void> {
    for (int i = 0; i < 10; ++i) co_await once();
    const uint64_t here = ThreadAllocatedBytes();
    uint64_t there = 0;
    for (int i = 0; i < 100; ++i) {
      co_await once();
      EXPECT_TRUE((co_await RunBlocking(*pool_, [&] { there = ThreadAllocatedBytes(); })).ok());
    }
    EXPECT_EQ(ThreadAllocatedBytes(), here);
  };
  harness_.Run(task());
}

TEST(RunBlockingTypesTest, TheJobLivesInTheAwaiter) {
  auto function = [] { return 1; };
  using Awaiter = decltype(RunBlocking(std::declval<BlockingPool&>(), function));
  EXPECT_LE(sizeof(Awaiter), 160u);
  EXPECT_FALSE(std::is_copy_constructible_v<Awaiter>);
  EXPECT_FALSE(std::is_move_constructible_v<Awaiter>);
}

TEST(RunBlockingThreadsTest, ShardsShareAPool) {
  constexpr int kShards = 3;
  constexpr int kTasks = 20;
  constexpr int kCalls = 20;
  std::atomic<int> calls = 0;
  std::unique_ptr<BlockingPool> made = MakePool({.max_threads = 4, .queue_limit = 8});
  BlockingPool& pool = *made;
  testing::RunOnShards(kShards, std::move(made), [&](TaskHarness& harness, int) {
    auto caller = [&]() -> Task<void> {
      for (int call = 0; call < kCalls; ++call) {
        const absl::StatusOr<int> result =
            co_await RunBlocking(pool, [&] { return calls.fetch_add(1); });
        EXPECT_TRUE(result.ok());
      }
    };
    for (int task = 0; task < kTasks; ++task) harness.scope().Spawn(caller);
    testing::StepUntilEnded(harness);
  });
  EXPECT_EQ(calls.load(), kShards * kTasks * kCalls);
}

}  // namespace
}  // namespace pelton
