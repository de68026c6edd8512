// What tests of things that shards share have in common: services of three shards under many
// schedules, and tasks that can be stopped one by one.
//
//   ForEachSeed([](ThreeShards& shards, Random& random) { EXPECT_TRUE(shards.Run(serve).ok()); });

#ifndef PELTON_TESTS_FRAMEWORK_THREE_SHARDS_H_
#define PELTON_TESTS_FRAMEWORK_THREE_SHARDS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "framework/on.h"
#include "framework/stepped_runtime.h"
#include "sched/random.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton::testing {

inline constexpr uint32_t kShards = 3;

// How much later than it was told a wait may end on the virtual clock: timers have ticks.
inline constexpr absl::Duration kLateness = absl::Nanoseconds(2 << TimerWheel::kTickBits);

inline uint32_t Here() { return Shard::Current()->id().index(); }

// A stepped runtime of three shards. A seed decides in which order they and their ready tasks run,
// and how often those give way.
class ThreeShards {
 public:
  explicit ThreeShards(uint64_t seed) : runtime_(OptionsOfSeed(seed)) {}

  // Runs `serve` on each of them.
  absl::Status Run(const ServeFunction& serve) { return runtime_.Run(serve); }
  // Runs `body` on shard 0; the others only serve it.
  absl::Status RunOnFirst(const std::function<Task<absl::Status>()>& body) {
    return Run([&](Shard& shard) -> Task<absl::Status> {
      if (shard.id().index() != 0) co_return absl::OkStatus();
      co_return co_await body();
    });
  }
  SteppedRuntime& runtime() { return runtime_; }

 private:
  static SteppedRuntime::Options OptionsOfSeed(uint64_t seed) {
    SteppedRuntime::Options options;
    options.shards = kShards;
    options.seed = seed;
    options.shard.scheduler.shuffle_seed = seed;
    options.shard.scheduler.operation_budget = 16;
    options.shard.scheduler.virtual_quota = static_cast<uint32_t>(16 * (1 + seed % 8));
    return options;
  }

  SteppedRuntime runtime_;
};

// Calls body(ThreeShards&, Random&) for 200 seeds, until one fails; its number is in the message.
template <typename Body>
void ForEachSeed(Body body) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    ThreeShards shards(seed);
    Random random(seed);
    body(shards, random);
    if (::testing::Test::HasFailure()) return;
  }
}

// A task on some shard, started by a task of another, that may be stopped on its own.
class Visit {
 public:
  Visit() = default;
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  // REQUIRES: called from a task, which then joins.
  template <typename Function>
  void Start(uint32_t shard, Function function) {
    scope_ = std::make_unique<TaskScope>();
    scope_->Spawn([this, shard, function = std::move(function)]() mutable -> Task<void> {
      status_ = co_await On(ShardId(shard), std::move(function));
      ended_ = true;
      ended_at_ = Scheduler::Current()->PreciseNow();
    });
  }
  void Cancel() { scope_->Cancel(); }
  Task<absl::Status> Join() {
    PELTON_CO_RETURN_IF_ERROR(co_await scope_->Join());
    co_return status_;
  }
  bool ended() const { return ended_; }
  Timestamp ended_at() const { return ended_at_; }

 private:
  std::unique_ptr<TaskScope> scope_;
  absl::Status status_;
  bool ended_ = false;
  Timestamp ended_at_;
};

// Lets all shards come to rest: whoever has not ended then waits for somebody.
inline Task<void> Settle() {
  const absl::Status status = co_await SleepFor(absl::Milliseconds(1));
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace pelton::testing

#endif  // PELTON_TESTS_FRAMEWORK_THREE_SHARDS_H_
