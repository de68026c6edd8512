// How much comes through the gate, and until when.

#include "framework/internal/foreign_gate.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "framework/foreign.h"
#include "framework/on.h"
#include "sched/sleep.h"
#include "tests/framework/foreign_test_base.h"

namespace pelton {
namespace {

using testing::IdleService;
using testing::StopWait;

TEST(ForeignGateTest, RefusesWhatIsBeyondTheLimitAtOnce) {
  SteppedRuntime::Options options = {.shards = 2};
  options.shard.foreign_limit = 2;
  IdleService service(options);
  const auto nap = []() -> Task<void> { (void)co_await SleepFor(absl::Hours(1)); };
  std::vector<ForeignResult<void>> results;
  for (int i = 0; i < 3; ++i) results.push_back(service.handle(1).Submit(nap));
  EXPECT_TRUE(results[2].ready());
  EXPECT_EQ(results[2].Wait(),
            absl::ResourceExhaustedError(
                "shard 1 has its limit of 2 submissions of other threads to do; wait for the "
                "result of one first"));
  EXPECT_FALSE(results[0].ready());
  ForeignResult<void> elsewhere = service.handle(0).Submit(nap);
  EXPECT_FALSE(elsewhere.ready()) << "the limit is the shard's own";
  service.Settle();
  EXPECT_TRUE(results[0].Wait().ok());
  EXPECT_TRUE(results[1].Wait().ok());
  ForeignResult<void> again = service.handle(1).Submit(nap);
  EXPECT_FALSE(again.ready());
  service.Settle();
  EXPECT_TRUE(again.Wait().ok());
  EXPECT_TRUE(elsewhere.Wait().ok());
}

TEST(ForeignGateTest, StaysOpenWhileTheServiceDrains) {
  SteppedRuntime runtime;
  std::vector<ShardHandle> handles;
  runtime.Start([&](Shard& shard) -> Task<absl::Status> {
    handles.push_back(shard.handle());
    co_return co_await StopWait(StopPhase::kEverything);
  });
  while (runtime.Step()) {
  }
  runtime.RequestStop(StopPhase::kIdle);
  while (runtime.Step()) {
  }
  ForeignResult<int> result = handles[0].Submit([] { return 1; });
  while (runtime.Step()) {
  }
  EXPECT_EQ(result.Wait().value(), 1);
  runtime.RequestStop(StopPhase::kEverything);
  while (runtime.Step()) {
  }
  EXPECT_TRUE(runtime.ended());
}

TEST(ForeignGateTest, WhatWasAcceptedIsCancelledWhenTheServicesEnd) {
  IdleService service;
  absl::Status seen;
  ForeignResult<void> result = service.handle().Submit(
      [&]() -> Task<void> { seen = co_await StopWait(StopPhase::kEverything); });
  service.runtime().Step();
  service.runtime().Step();
  service.End();
  EXPECT_TRUE(absl::IsCancelled(seen)) << seen;
  EXPECT_TRUE(result.Wait().ok());
}

// Submits at every possible moment of a service's end: each submission has an answer, none keeps
// the service from ending, and none is lost.
TEST(ForeignGateTest, EverySubmissionIsAnsweredHoweverLateItComes) {
  constexpr uint32_t kShards = 3;
  int accepted = 0;
  int refused = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    SteppedRuntime::Options options = {.shards = kShards, .seed = seed};
    options.shard.scheduler.shuffle_seed = seed;
    IdleService service(options);
    std::vector<ForeignResult<uint32_t>> results;
    const auto submit = [&] {
      for (uint32_t i = 0; i < kShards; ++i) {
        results.push_back(service.handle(i).Submit([i]() -> Task<uint32_t> {
          // Crosses shards, so that one that has left too early would be missed.
          co_return co_await On(ShardId((i + 1) % kShards),
                                [i]() -> Task<uint32_t> { co_return i; });
        }));
      }
    };
    service.runtime().RequestStop(StopPhase::kAccepting);
    do {
      submit();
    } while (service.runtime().Step());
    submit();
    EXPECT_TRUE(service.runtime().ended());
    for (size_t i = 0; i < results.size(); ++i) {
      ASSERT_TRUE(results[i].ready());
      const absl::StatusOr<uint32_t> result = results[i].Wait();
      if (result.ok()) {
        EXPECT_EQ(*result, i % kShards);
        ++accepted;
      } else {
        EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
        ++refused;
      }
    }
  }
  EXPECT_GT(accepted, 200);
  EXPECT_GE(refused, 600);
}

}  // namespace
}  // namespace pelton
