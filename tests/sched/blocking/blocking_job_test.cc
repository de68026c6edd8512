// What happens to a job that is cancelled, too late or one too many.

#include "sched/blocking/blocking_job.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/blocking/run_blocking.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/when.h"
#include "tests/sched/blocking/blocker.h"
#include "tests/sched/blocking/shard_threads.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::Blocker;
using testing::MakePool;
using testing::StepUntilEnded;
using testing::TaskHarness;

// A pool of one thread, which a blocker may hold.
class BlockingJobTest : public ::testing::Test {
 protected:
  // Occupies the pool's thread until blocker_.Release().
  void HoldTheThread() {
    harness_.scope().Spawn([this]() -> Task<void> {
      EXPECT_TRUE((co_await RunBlocking(*pool_, [this] { blocker_.Hold(); })).ok());
    });
    harness_.Turn();
    blocker_.AwaitHeld();
  }

  // Runs turns until `condition()`. Not Step(), which would wait for the thread that is held.
  template <typename Condition>
  void TurnUntil(Condition condition) {
    while (!condition()) {
      harness_.Turn();
      std::this_thread::yield();
    }
  }

  std::string WhatItWaitsFor(const TaskContext& context) {
    std::ostringstream text;
    context.waiting_for()->Describe(text);
    return text.str();
  }

  TaskHarness harness_;
  Blocker blocker_;
  std::unique_ptr<BlockingPool> pool_ =
      MakePool({.name = "test", .max_threads = 1, .queue_limit = 3});
};

TEST_F(BlockingJobTest, InAStoppedFlowTheFunctionIsNotCalled) {
  absl::Status status;
  bool called = false;
  harness_.scope().Cancel();
  harness_.scope().Spawn(
      [&]() -> Task<void> { status = co_await RunBlocking(*pool_, [&] { called = true; }); });
  harness_.RunReady();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_FALSE(called);
  EXPECT_EQ(pool_->GetStatistics().completed, 0u);
}

TEST_F(BlockingJobTest, CancelledWhileItIsQueuedTheFunctionIsNeverCalled) {
  HoldTheThread();
  TaskScope scope(&harness_.root(), {});
  absl::Status status;
  bool called = false;
  scope.Spawn(
      [&]() -> Task<void> { status = co_await RunBlocking(*pool_, [&] { called = true; }); });
  harness_.Turn();
  EXPECT_EQ(pool_->GetStatistics().queued, 1u);
  scope.Cancel();
  TurnUntil([&] { return scope.live() == 0; });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_EQ(pool_->GetStatistics().running, 1u) << "the thread was still held";
  EXPECT_EQ(pool_->GetStatistics().queued, 0u);
  EXPECT_EQ(pool_->GetStatistics().withdrawn, 1u);
  blocker_.Release();
  StepUntilEnded(harness_);
  EXPECT_FALSE(called);
}

TEST_F(BlockingJobTest, TheShardItselfWithdrawsWhenTheThreadsAreBusy) {
  HoldTheThread();
  TaskScope scope(&harness_.root(), {});
  scope.Spawn(
      [&]() -> Task<void> { EXPECT_TRUE(absl::IsCancelled(co_await RunBlocking(*pool_, [] {}))); });
  harness_.Turn();
  scope.Cancel();
  harness_.Turn();
  EXPECT_EQ(scope.live(), 0u) << "cancelling takes a turn, whatever the threads do";
  blocker_.Release();
  StepUntilEnded(harness_);
}

TEST_F(BlockingJobTest, CancelledWhileItRunsTheFunctionIsToldAndItsResultKept) {
  std::atomic<bool> running = false;
  TaskScope scope(&harness_.root(), {});
  absl::StatusOr<int> result = absl::UnknownError("none yet");
  scope.Spawn([&]() -> Task<void> {
    result = co_await RunBlocking(*pool_, [&](const StopFlag& stop) {
      running.store(true);
      while (!stop.requested()) std::this_thread::yield();
      return 5;
    });
    EXPECT_TRUE(StopRequested());
  });
  harness_.Turn();
  while (!running.load()) std::this_thread::yield();
  EXPECT_EQ(pool_->GetStatistics().running, 1u);
  scope.Cancel();
  TurnUntil([&] { return scope.live() == 0; });
  EXPECT_EQ(result.value(), 5);
  EXPECT_EQ(pool_->GetStatistics().withdrawn, 0u);
}

TEST_F(BlockingJobTest, AnExceptionAfterACancellationIsNotLost) {
  TaskScope scope(&harness_.root(), {});
  bool caught = false;
  std::atomic<bool> running = false;
  scope.Spawn([&]() -> Task<void> {
    try {
      (void)co_await RunBlocking(*pool_, [&](const StopFlag& stop) {
        running.store(true);
        while (!stop.requested()) std::this_thread::yield();
        throw 5;
      });
    } catch (int) {
      caught = true;
    }
  });
  harness_.Turn();
  while (!running.load()) std::this_thread::yield();
  scope.Cancel();
  TurnUntil([&] { return scope.live() == 0; });
  EXPECT_TRUE(caught);
}

TEST_F(BlockingJobTest, ADeadlineEndsTheWaitOfOneThatIsQueued) {
  HoldTheThread();
  absl::Status status;
  bool called = false;
  harness_.scope().Spawn([&]() -> Task<void> {
    ScopedDeadline deadline(absl::Seconds(1));
    status = co_await RunBlocking(*pool_, [&] { called = true; });
  });
  harness_.Turn();
  harness_.clock().Advance(absl::Seconds(2));
  TurnUntil([&] { return harness_.scope().live() == 1; });
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_FALSE(called);
  blocker_.Release();
  StepUntilEnded(harness_);
  EXPECT_FALSE(called);
}

TEST_F(BlockingJobTest, OneThatRunsWhenItsDeadlinePassesKeepsItsValue) {
  std::atomic<bool> running = false;
  absl::StatusOr<int> result = absl::UnknownError("none yet");
  harness_.scope().Spawn([&]() -> Task<void> {
    auto run = [&]() -> Task<absl::StatusOr<int>> {
      co_return co_await RunBlocking(*pool_, [&](const StopFlag& stop) {
        running.store(true);
        while (!stop.requested()) std::this_thread::yield();
        return 6;
      });
    };
    result = co_await WithTimeout(absl::Seconds(1), run());
  });
  harness_.Turn();
  while (!running.load()) std::this_thread::yield();
  harness_.clock().Advance(absl::Seconds(2));
  StepUntilEnded(harness_);
  EXPECT_EQ(result.value(), 6);
}

TEST_F(BlockingJobTest, AFullQueueRefusesTryRunBlockingAndLetsRunBlockingWait) {
  HoldTheThread();
  int completed = 0;
  auto run = [&]() -> Task<void> {
    EXPECT_TRUE((co_await RunBlocking(*pool_, [] {})).ok());
    ++completed;
  };
  for (int i = 0; i < 5; ++i) harness_.scope().Spawn(run);
  harness_.Turn();
  EXPECT_EQ(pool_->GetStatistics().queued, 5u);
  EXPECT_EQ(pool_->GetStatistics().waits, 2u) << "beyond the limit of 3";

  absl::Status refused;
  bool called = false;
  harness_.scope().Spawn(
      [&]() -> Task<void> { refused = co_await TryRunBlocking(*pool_, [&] { called = true; }); });
  harness_.Turn();
  EXPECT_EQ(refused,
            absl::ResourceExhaustedError("the queue of the blocking pool \"test\" is full: "
                                         "3 jobs wait for its 1 threads"));
  EXPECT_EQ(pool_->GetStatistics().refused, 1u);
  blocker_.Release();
  StepUntilEnded(harness_);
  EXPECT_EQ(completed, 5);
  EXPECT_FALSE(called);
  harness_.scope().Spawn([&]() -> Task<void> {
    EXPECT_TRUE((co_await TryRunBlocking(*pool_, [&] { called = true; })).ok());
  });
  StepUntilEnded(harness_);
  EXPECT_TRUE(called);
}

TEST_F(BlockingJobTest, AJobThatIsWithdrawnMakesRoomInTheQueue) {
  HoldTheThread();
  TaskScope scope(&harness_.root(), {});
  auto run = [&]() -> Task<void> { (void)co_await RunBlocking(*pool_, [] {}); };
  for (int i = 0; i < 3; ++i) scope.Spawn(run);
  harness_.Turn();
  scope.Cancel();
  TurnUntil([&] { return scope.live() == 0; });
  absl::Status status = absl::UnknownError("none yet");
  harness_.scope().Spawn([&]() -> Task<void> { status = co_await TryRunBlocking(*pool_, [] {}); });
  harness_.Turn();
  EXPECT_EQ(pool_->GetStatistics().queued, 1u);
  blocker_.Release();
  StepUntilEnded(harness_);
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(BlockingJobTest, SaysWhatItWaitsFor) {
  // The task's context is the scope's youngest child.
  TaskContext* first = nullptr;
  TaskContext* second = nullptr;
  auto run = [this](TaskContext** context, Blocker* blocker) -> Task<void> {
    *context = &Scheduler::Current()->current_context();
    (void)co_await RunBlocking(*pool_, [=] {
      if (blocker != nullptr) blocker->Hold();
    });
  };
  harness_.scope().Spawn(run, &first, &blocker_);
  harness_.Turn();
  blocker_.AwaitHeld();
  harness_.scope().Spawn(run, &second, nullptr);
  harness_.Turn();
  EXPECT_EQ(WhatItWaitsFor(*first), "a function on a thread of the blocking pool \"test\"");
  EXPECT_EQ(WhatItWaitsFor(*second), "a thread of the blocking pool \"test\"");
  blocker_.Release();
  StepUntilEnded(harness_);
}

TEST(BlockingJobOrderTest, JobsStartInTheOrderOfArrivalThoughOthersAreWithdrawn) {
  constexpr int kJobs = 30;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    TaskHarness harness({.shuffle_seed = seed});
    Blocker blocker;
    const std::unique_ptr<BlockingPool> pool = MakePool({.max_threads = 1, .queue_limit = 5});
    TaskScope kept(&harness.root(), {});
    TaskScope withdrawn(&harness.root(), {});
    std::vector<int> submitted;
    std::vector<int> started;
    kept.Spawn([&]() -> Task<void> {
      EXPECT_TRUE((co_await RunBlocking(*pool, [&] { blocker.Hold(); })).ok());
    });
    harness.Turn();
    blocker.AwaitHeld();
    auto run = [&](int job) -> Task<void> {
      const bool stays = job % 3 != 0;
      if (stays) submitted.push_back(job);
      const absl::Status status = co_await RunBlocking(*pool, [&] { started.push_back(job); });
      EXPECT_EQ(status.ok(), stays) << status;
    };
    for (int job = 0; job < kJobs; ++job) (job % 3 == 0 ? withdrawn : kept).Spawn(run, job);
    harness.Turn();
    withdrawn.Cancel();
    while (withdrawn.live() > 0) harness.Turn();
    blocker.Release();
    while (kept.live() > 0) ASSERT_TRUE(harness.Step() || kept.live() == 0);
    EXPECT_EQ(started, submitted);
    EXPECT_EQ(started.size(), 20u);
  }
}

TEST(BlockingJobStormTest, EveryJobEitherRunsOrIsWithdrawn) {
  constexpr int kShards = 2;
  constexpr int kRounds = 100;
  constexpr int kJobs = 40;
  std::atomic<uint64_t> called = 0;
  std::atomic<uint64_t> succeeded = 0;
  std::atomic<uint64_t> cancelled = 0;
  std::unique_ptr<BlockingPool> made = MakePool({.max_threads = 3, .queue_limit = 10});
  BlockingPool& pool = *made;
  testing::RunOnShards(kShards, std::move(made), [&](TaskHarness& harness, int) {
    auto run = [&]() -> Task<void> {
      const absl::Status status = co_await RunBlocking(pool, [&] { called.fetch_add(1); });
      EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
      (status.ok() ? succeeded : cancelled).fetch_add(1);
    };
    for (int round = 0; round < kRounds; ++round) {
      TaskScope scope(&harness.root(), {});
      for (int job = 0; job < kJobs; ++job) scope.Spawn(run);
      for (int turn = 0; turn < 1 + round % 4; ++turn) harness.Turn();
      scope.Cancel();
      while (scope.live() > 0) ASSERT_TRUE(harness.Step() || scope.live() == 0);
    }
    const BlockingPool::Statistics statistics = pool.GetStatistics();
    EXPECT_LE(statistics.threads, 3u);
  });
  EXPECT_EQ(called.load(), succeeded.load());
  EXPECT_EQ(succeeded.load() + cancelled.load(), uint64_t{kShards} * kRounds * kJobs);
}

}  // namespace
}  // namespace pelton
