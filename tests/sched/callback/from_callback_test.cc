// Awaiting callback APIs that call back on the same shard.

#include "sched/callback/from_callback.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "alloc/thread_allocations.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

constexpr uint64_t kSeeds = 200;

// A callback API as it is: it calls back when its timer fires, or when it is cancelled.
class LegacyTimer final : private Timer {
 public:
  void Start(absl::Duration delay, Completion<int> done) {
    done_.emplace(std::move(done));
    Scheduler& scheduler = *Scheduler::Current();
    scheduler.timers().Arm(*this, (scheduler.now() + delay).nanoseconds());
  }
  void Cancel() {
    ++cancellations;
    Scheduler::Current()->timers().Cancel(*this);
    Finish(-1);
  }

  int cancellations = 0;

 private:
  void Fire() override { Finish(1); }
  void Finish(int result) {
    Completion<int> done = *std::move(done_);
    done_.reset();
    done(result);
  }

  std::optional<Completion<int>> done_;
};

TEST(FromCallbackTest, YieldsWhatACallbackInsideTheStartGives) {
  TaskHarness harness;
  auto program = []() -> Task<int> {
    co_return *co_await FromCallback<int>([](Completion<int> done) { done(4); });
  };
  EXPECT_EQ(harness.Run(program()), 4);
}

TEST(FromCallbackTest, YieldsWhatALaterCallbackGives) {
  TaskHarness harness;
  auto program = [&harness]() -> Task<int> {
    LegacyTimer timer;
    const absl::StatusOr<int> result = co_await FromCallback<int>(
        [&](Completion<int> done) { timer.Start(absl::Seconds(2), std::move(done)); });
    EXPECT_GE(harness.now() - Timestamp(), absl::Seconds(2));
    co_return *result;
  };
  EXPECT_EQ(harness.Run(program()), 1);
}

TEST(FromCallbackTest, CarriesWhatCanOnlyBeMoved) {
  TaskHarness harness;
  auto program = []() -> Task<int> {
    auto result = co_await FromCallback<std::unique_ptr<int>>(
        [](Completion<std::unique_ptr<int>> done) { done(std::make_unique<int>(3)); });
    co_return **result;
  };
  EXPECT_EQ(harness.Run(program()), 3);
}

TEST(FromCallbackTest, ADroppedCompletionIsABrokenOne) {
  TaskHarness harness;
  auto program = []() -> Task<absl::Status> {
    co_return (co_await FromCallback<int>([](Completion<int>) {})).status();
  };
  EXPECT_TRUE(absl::IsAborted(harness.Run(program())));
}

TEST(FromCallbackTest, AnExceptionOfTheStartComesOutOfTheAwait) {
  TaskHarness harness;
  auto program = []() -> Task<void> {
    (void)co_await FromCallback<int>(
        [](Completion<int>) { throw std::runtime_error("cannot start"); });
  };
  EXPECT_THROW(harness.Run(program()), std::runtime_error);
}

TEST(FromCallbackTest, WithoutACancelFunctionCancellingEndsTheWaitAtOnce) {
  TaskHarness harness;
  std::optional<Completion<int>> kept;
  absl::Status status;
  auto wait = [&]() -> Task<void> {
    status = (co_await FromCallback<int>([&](Completion<int> done) {
               kept = std::move(done);
             })).status();
  };
  harness.scope().Spawn(wait);
  harness.RunUntilIdle();
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_TRUE(absl::IsCancelled(status));
  (*kept)(1);
}

TEST(FromCallbackTest, ACancelFunctionIsAskedOnceAndTheCallbackEndsTheWait) {
  TaskHarness harness;
  LegacyTimer timer;
  absl::StatusOr<int> result;
  auto wait = [&]() -> Task<void> {
    result = co_await FromCallback<int>(
        "a legacy timer",
        [&](Completion<int> done) { timer.Start(absl::Hours(1), std::move(done)); },
        [&] { timer.Cancel(); });
  };
  harness.scope().Spawn(wait);
  harness.Turn();
  harness.scope().Cancel();
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_EQ(timer.cancellations, 1);
  EXPECT_EQ(*result, -1) << "what the API said to the cancellation";
}

TEST(FromCallbackTest, AfterAskingToCancelTheWaitGoesOnUntilTheCallback) {
  TaskHarness harness;
  std::optional<Completion<int>> kept;
  bool asked = false;
  std::optional<absl::Status> status;
  auto wait = [&]() -> Task<void> {
    status = (co_await FromCallback<int>([&](Completion<int> done) { kept = std::move(done); },
                                         [&] { asked = true; }))
                 .status();
  };
  harness.scope().Spawn(wait);
  harness.RunUntilIdle();
  harness.scope().Cancel();
  harness.RunUntilIdle();
  EXPECT_TRUE(asked);
  EXPECT_FALSE(status.has_value()) << "the API may still use the task's memory";
  kept.reset();
  harness.RunUntilIdle();
  EXPECT_TRUE(absl::IsCancelled(*status)) << *status;
}

TEST(FromCallbackTest, AStoppedTaskStartsNothing) {
  TaskHarness harness;
  bool started = false;
  absl::Status status;
  auto wait = [&]() -> Task<void> {
    status = (co_await FromCallback<int>([&](Completion<int>) { started = true; })).status();
  };
  harness.scope().Spawn(wait);
  harness.scope().Cancel();
  harness.RunUntilIdle();
  EXPECT_FALSE(started);
  EXPECT_TRUE(absl::IsCancelled(status));
}

TEST(FromCallbackTest, AStartThatCancelsItsOwnTaskIsCancelled) {
  for (const bool with_cancel : {false, true}) {
    TaskHarness harness;
    std::optional<Completion<int>> kept;
    std::optional<absl::Status> status;
    auto start = [&](Completion<int> done) {
      kept = std::move(done);
      harness.scope().Cancel();
    };
    auto wait = [&]() -> Task<void> {
      if (with_cancel) {
        status = (co_await FromCallback<int>(start, [&] { kept.reset(); })).status();
      } else {
        status = (co_await FromCallback<int>(start)).status();
      }
    };
    harness.scope().Spawn(wait);
    harness.RunUntilIdle();
    ASSERT_TRUE(status.has_value()) << with_cancel;
    EXPECT_TRUE(absl::IsCancelled(*status)) << *status;
  }
}

TEST(FromCallbackTest, EndsAtItsDeadline) {
  TaskHarness harness;
  auto program = []() -> Task<absl::Status> {
    LegacyTimer timer;
    co_return (co_await WithTimeout(
                   absl::Seconds(1),
                   FromCallback<int>(
                       [&](Completion<int> done) { timer.Start(absl::Hours(1), std::move(done)); },
                       [&] { timer.Cancel(); })))
        .status();
  };
  // The API answers the cancellation by a value, and a value is kept.
  EXPECT_TRUE(harness.Run(program()).ok());
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(2));
  std::optional<Completion<int>> kept;
  auto without_cancel = [&]() -> Task<absl::Status> {
    co_return (co_await WithTimeout(absl::Seconds(1), FromCallback<int>([&](Completion<int> done) {
                                      kept = std::move(done);
                                    })))
        .status();
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(without_cancel())));
}

TEST(FromCallbackTest, SaysWhatItWaitsFor) {
  TaskHarness harness;
  std::optional<Completion<int>> kept;
  const TaskContext* waiting = nullptr;
  auto wait = [&]() -> Task<void> {
    waiting = &Scheduler::Current()->current_context();
    (void)co_await FromCallback<int>(
        "name resolution", [&](Completion<int> done) { kept = std::move(done); }, [] {});
  };
  const auto description = [&] {
    std::ostringstream out;
    waiting->waiting_for()->Describe(out);
    return out.str();
  };
  harness.scope().Spawn(wait);
  harness.RunUntilIdle();
  EXPECT_EQ(description(), "callback of name resolution");
  harness.scope().Cancel();
  EXPECT_EQ(description(), "callback of name resolution, which was asked to cancel");
  (*kept)(1);
  harness.RunUntilIdle();
}

TEST(FromCallbackTest, ALoopOfImmediateCallbacksGivesWay) {
  TaskHarness harness;
  bool stop = false;
  uint64_t rounds = 0;
  auto loop = [&]() -> Task<void> {
    while (!stop) {
      (void)co_await FromCallback<int>([](Completion<int> done) { done(1); });
      ++rounds;
    }
  };
  auto stopper = [&]() -> Task<void> {
    stop = true;
    co_return;
  };
  harness.scope().Spawn(loop);
  harness.scope().Spawn(stopper);
  harness.RunUntilIdle();
  EXPECT_GT(rounds, 0u);
  EXPECT_LE(rounds, 300u);
}

TEST(FromCallbackTest, AllocatesNothingInTheSteadyState) {
  TaskHarness harness;
  auto program = []() -> Task<void> {
    LegacyTimer timer;
    uint64_t before = 0;
    for (int i = 0; i < 200; ++i) {
      if (i == 100) before = ThreadAllocatedBytes();
      (void)co_await FromCallback<int>(
          [&](Completion<int> done) { timer.Start(absl::Seconds(1), std::move(done)); });
    }
    if (ThreadAllocationsCounted()) EXPECT_EQ(ThreadAllocatedBytes(), before);
  };
  harness.Run(program());
}

// Tasks that wait for callbacks, a few of which are cancelled, time out, or are dropped, in every
// order that a seed makes.
TEST(FromCallbackTest, EveryWaitEndsOnceInEveryOrder) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    TaskHarness harness({.shuffle_seed = seed});
    constexpr int kWaits = 40;
    std::optional<Completion<int>> kept[kWaits];
    std::vector<absl::StatusOr<int>> outcomes(kWaits, absl::UnknownError("did not end"));
    int ended = 0;
    auto wait = [&](int i) -> Task<void> {
      const auto start = [&kept, i](Completion<int> done) { kept[i] = std::move(done); };
      if (i % 4 == 1) {
        outcomes[i] = co_await WithTimeout(absl::Milliseconds(i), FromCallback<int>(start));
      } else if (i % 4 == 2) {
        outcomes[i] = co_await FromCallback<int>(start, [&kept, i] { kept[i].reset(); });
      } else {
        outcomes[i] = co_await FromCallback<int>(start);
      }
      ++ended;
    };
    auto call = [&](int i) -> Task<void> {
      while (!kept[i].has_value()) co_await Yield();
      const Completion<int> done = *std::move(kept[i]);
      kept[i].reset();
      done(i);
    };
    auto program = [&]() -> Task<void> {
      TaskScope waits;
      TaskScope calls;
      for (int i = 0; i < kWaits; ++i) {
        waits.Spawn(wait, i);
        if (i % 4 == 0) calls.Spawn(call, i);
      }
      EXPECT_TRUE((co_await calls.Join()).ok());
      (void)co_await SleepFor(absl::Seconds(1));
      for (int i = 3; i < kWaits; i += 8) kept[i].reset();
      co_await Yield();
      waits.Cancel();
      EXPECT_TRUE((co_await waits.Join()).ok());
    };
    harness.Run(program());
    EXPECT_EQ(ended, kWaits);
    for (int i = 0; i < kWaits; ++i) {
      SCOPED_TRACE(i);
      const absl::Status status = outcomes[i].status();
      if (i % 4 == 0) EXPECT_EQ(*outcomes[i], i);
      if (i % 4 == 1) EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
      if (i % 4 == 2) EXPECT_TRUE(absl::IsCancelled(status)) << status;
      if (i % 8 == 3) EXPECT_TRUE(absl::IsAborted(status)) << status;
      if (i % 8 == 7) EXPECT_TRUE(absl::IsCancelled(status)) << status;
    }
  }
}

}  // namespace
}  // namespace pelton
