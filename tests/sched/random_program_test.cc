// Random programs of tasks on the virtual clock, with what must hold of every program checked in
// every step.
//
// A program is a tree of tasks that sleep, yield, spawn, cancel, set deadlines and run side by side
// as a seed decides. Every wait in it can be interrupted, so whoever is told to stop ends at that
// moment of virtual time: which makes exact bounds of time hold.

#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

constexpr absl::Duration kLateness = absl::Nanoseconds(2 << TimerWheel::kTickBits);

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  int Below(int limit) { return static_cast<int>(Next() % static_cast<uint64_t>(limit)); }
  bool OneIn(int chances) { return Below(chances) == 0; }
  absl::Duration Pause() { return absl::Microseconds(Below(5'000)); }

 private:
  uint64_t state_;
};

class Program {
 public:
  explicit Program(uint64_t seed) : random_(seed) {}

  // Runs the whole program; yields a digest of all that happened and when.
  uint64_t Run() {
    {
      TaskHarness harness({.operation_budget = 32, .virtual_quota = 256});
      harness_ = &harness;
      harness.Run(Root());
      EXPECT_EQ(started_, ended_);
      EXPECT_TRUE(scopes_.empty());
      EXPECT_TRUE(harness.scheduler().NextTimer().infinite()) << "a timer outlived its task";
      EXPECT_FALSE(harness.scheduler().HasReady());
      EXPECT_EQ(harness.frames().GetStatistics().live, 0u);
      EXPECT_TRUE(harness.scheduler().timers().CheckInvariants());
    }
    return digest_;
  }

  uint64_t started() const { return started_; }

 private:
  static constexpr int kDepth = 5;

  Task<void> Root() {
    TaskScope scope;
    scope.SpawnContained([this] { return Body(kDepth); });
    scope.SpawnContained([this] { return Body(kDepth); });
    scope.Spawn([this] { return CancelAtRandom(); });
    EXPECT_TRUE((co_await scope.Join()).ok());
  }

  // Cancels scopes of others at random times.
  Task<void> CancelAtRandom() {
    for (int i = 0; i < 8; ++i) {
      EXPECT_TRUE((co_await SleepFor(random_.Pause())).ok()) << "nobody stops this task";
      if (!scopes_.empty()) scopes_[random_.Below(static_cast<int>(scopes_.size()))]->Cancel();
    }
  }

  // A task of the program. Fails with the stop status once it is stopped; else as the dice fall.
  Task<absl::Status> Body(int depth) {
    ++started_;
    const TaskContext* const context = &Scheduler::Current()->current_context();
    absl::Status status;
    bool thrown = false;
    const int actions = 1 + random_.Below(4);
    for (int i = 0; i < actions && status.ok() && !thrown; ++i) {
      try {
        status = co_await Act(depth);
      } catch (const std::runtime_error&) {
        thrown = true;
      }
      EXPECT_EQ(&Scheduler::Current()->current_context(), context) << "an action left its context";
    }
    ++ended_;
    Note(static_cast<uint64_t>(status.code()));
    if (thrown && random_.OneIn(2)) throw std::runtime_error("passed on");
    co_return status;
  }

  Task<absl::Status> Act(int depth) {
    switch (random_.Below(depth > 0 ? 8 : 3)) {
      case 0:
        return Nap();
      case 1:
        return Yields();
      case 2:
        return MayFail();
      case 3:
        return Children(depth);
      case 4:
        return Timeout(depth);
      case 5:
        return All(depth);
      case 6:
        return Any(depth);
      default:
        return ReadyAwaits();
    }
  }

  Task<absl::Status> Nap() {
    const Timestamp start = harness_->now();
    const absl::Duration pause = random_.Pause();
    const absl::Status status = co_await SleepFor(pause);
    if (status.ok()) {
      EXPECT_GE(harness_->now(), start + pause) << "woke early";
      EXPECT_LE(harness_->now(), start + pause + kLateness) << "woke late";
    } else {
      const TaskContext& context = Scheduler::Current()->current_context();
      EXPECT_TRUE(context.StoppedFrom(StopPhase::kEverything)) << "interrupted without a reason";
      EXPECT_EQ(status, context.StopStatus());
    }
    co_return status;
  }

  Task<absl::Status> Yields() {
    for (int i = random_.Below(5); i > 0; --i) co_await Yield();
    co_return absl::OkStatus();
  }

  Task<absl::Status> MayFail() {
    if (random_.OneIn(4)) throw std::runtime_error("thrown");
    if (random_.OneIn(4)) co_return absl::DataLossError("failed");
    co_return absl::OkStatus();
  }

  [[gnu::noinline]] static Task<int> One() { co_return 1; }
  Task<absl::Status> ReadyAwaits() {
    int sum = 0;
    const int awaits = random_.Below(200);
    for (int i = 0; i < awaits; ++i) sum += co_await One();
    EXPECT_EQ(sum, awaits);
    co_return absl::OkStatus();
  }

  Task<absl::Status> Children(int depth) {
    TaskScope scope({.max_children = 3});
    scopes_.push_back(&scope);
    int ended = 0;
    int spawned = 0;
    for (int i = random_.Below(6); i > 0; --i) {
      const absl::Status room = co_await scope.WaitForRoom();
      EXPECT_EQ(room.ok(), !StopRequested());
      if (!room.ok()) break;
      EXPECT_LT(scope.live(), 3u);
      ++spawned;
      auto child = [this, depth, &ended]() -> Task<absl::Status> {
        absl::Status status;
        try {
          status = co_await Body(depth - 1);
        } catch (...) {
          ++ended;
          throw;
        }
        ++ended;
        co_return status;
      };
      if (random_.OneIn(2)) {
        scope.Spawn(child);
      } else {
        scope.SpawnContained(child);
      }
    }
    if (random_.OneIn(3)) scope.Cancel();
    absl::Status joined;
    bool thrown = false;
    const bool stopped_before = scope.context().StoppedFrom(StopPhase::kEverything);
    const Timestamp before = harness_->now();
    try {
      joined = co_await scope.Join();
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT_EQ(scope.live(), 0u);
    EXPECT_EQ(ended, spawned) << "the join returned before a child had ended";
    if (stopped_before) {
      EXPECT_EQ(harness_->now(), before) << "stopped tasks take no time";
    }
    std::erase(scopes_, &scope);
    if (thrown) throw std::runtime_error("thrown by a child");
    co_return joined;
  }

  Task<absl::Status> Timeout(int depth) {
    const absl::Duration timeout = random_.Pause();
    const Timestamp deadline = harness_->now() + timeout;
    const Timestamp outer = CurrentDeadline();
    absl::Status status;
    bool thrown = false;
    try {
      status = co_await WithTimeout(timeout, Body(depth - 1));
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT_LE(harness_->now(), deadline + kLateness) << "a task outlived its deadline";
    EXPECT_EQ(CurrentDeadline(), outer);
    if (thrown) throw std::runtime_error("thrown under a deadline");
    co_return status;
  }

  Task<absl::Status> All(int depth) {
    auto [first, second] = co_await WhenAll(Body(depth - 1), Body(depth - 1));
    co_return first.ok() ? second : first;
  }

  Task<absl::Status> Any(int depth) {
    Timestamp first_end = Timestamp::InfiniteFuture();
    auto timed = [&]() -> Task<absl::Status> {
      absl::Status status;
      try {
        status = co_await Body(depth - 1);
      } catch (...) {
        first_end = std::min(first_end, harness_->now());
        throw;
      }
      first_end = std::min(first_end, harness_->now());
      co_return status;
    };
    auto first = co_await WhenAny(timed(), timed());
    EXPECT_EQ(harness_->now(), first_end) << "losers take no time";
    co_return first.index() == 0 ? std::get<0>(first) : std::get<1>(first);
  }

  void Note(uint64_t event) {
    digest_ =
        (digest_ ^ event ^ static_cast<uint64_t>(harness_->now().nanoseconds())) * 0x100000001b3;
  }

  Random random_;
  TaskHarness* harness_ = nullptr;
  std::vector<TaskScope*> scopes_;
  uint64_t started_ = 0;
  uint64_t ended_ = 0;
  uint64_t digest_ = 0xcbf29ce484222325;
};

TEST(RandomProgramTest, KeepsEveryInvariant) {
  uint64_t tasks = 0;
  for (uint64_t seed = 1; seed <= 2'000; ++seed) {
    SCOPED_TRACE(seed);
    Program program(seed);
    program.Run();
    tasks += program.started();
    if (HasFailure()) break;
  }
  EXPECT_GT(tasks, 50'000u) << "the programs do too little";
}

TEST(RandomProgramTest, IsAFunctionOfItsSeed) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    EXPECT_EQ(Program(seed).Run(), Program(seed).Run()) << "seed " << seed;
  }
  EXPECT_NE(Program(1).Run(), Program(2).Run());
}

}  // namespace
}  // namespace pelton
