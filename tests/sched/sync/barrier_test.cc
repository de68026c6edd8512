#include "sched/sync/barrier.h"

#include <gtest/gtest.h>

#include <vector>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::TaskHarness;
using testing::Waiters;

auto Arrive(Barrier& barrier) {
  return [&barrier](auto arrive) -> Task<absl::Status> {
    arrive();
    co_return co_await barrier.ArriveAndWait();
  };
}

TEST(BarrierTest, NobodyIsAPhaseAhead) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    constexpr int kTasks = 5;
    constexpr int kPhases = 10;
    Barrier barrier(kTasks);
    Waiters waiters(harness);
    std::vector<int> in_phase(kPhases + 1, 0);
    auto work = [&](auto) -> Task<absl::Status> {
      for (int phase = 0; phase < kPhases; ++phase) {
        ++in_phase[phase];
        if (random.Below(2) == 0) co_await Yield();
        PELTON_CO_RETURN_IF_ERROR(co_await barrier.ArriveAndWait());
        EXPECT_EQ(in_phase[phase], kTasks);
      }
      co_return absl::OkStatus();
    };
    waiters.StartAll(kTasks, work);
    EXPECT_EQ(waiters.ended(), static_cast<size_t>(kTasks));
    EXPECT_EQ(barrier.phase(), static_cast<uint64_t>(kPhases));
    EXPECT_EQ(barrier.arrived(), 0u);
  });
}

TEST(BarrierTest, AStopTakesTheArrivalBack) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Barrier barrier(3);
    Waiters waiters(harness);
    waiters.StartAll(2, Arrive(barrier));
    waiters.arrived(0).scope.Cancel();
    EXPECT_EQ(barrier.arrived(), 1u);
    waiters.StartAll(1, Arrive(barrier));
    EXPECT_EQ(waiters.ended(), 1u) << "two of three have arrived";
    waiters.StartAll(1, Arrive(barrier));
    EXPECT_EQ(waiters.ended(), 4u);
    EXPECT_EQ(barrier.phase(), 1u);
  });
}

TEST(BarrierTest, NobodyWaitsForOneThatDropped) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Barrier barrier(3);
    Waiters waiters(harness);
    waiters.StartAll(2, Arrive(barrier));
    EXPECT_EQ(waiters.ended(), 0u);
    barrier.ArriveAndDrop();
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 2u);
    EXPECT_EQ(barrier.participants(), 2u);
    waiters.StartAll(1, Arrive(barrier));
    EXPECT_EQ(waiters.ended(), 2u);
    waiters.StartAll(1, Arrive(barrier));
    EXPECT_EQ(waiters.ended(), 4u);
  });
}

// The whole pattern for a participant that gives up at its deadline.
TEST(BarrierTest, AParticipantThatMissesItsDeadlineMayDrop) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Barrier barrier(3);
    Waiters waiters(harness);
    auto impatient = [&](auto) -> Task<absl::Status> {
      const absl::Status status = co_await WithTimeout(absl::Seconds(1), barrier.ArriveAndWait());
      if (!status.ok()) barrier.ArriveAndDrop();
      co_return status;
    };
    Waiters::Waiter& late = waiters.Start(impatient);
    Waiters::Waiter& patient = waiters.Start(Arrive(barrier));
    harness.RunUntilIdle();
    EXPECT_TRUE(absl::IsDeadlineExceeded(late.status));
    EXPECT_FALSE(patient.ended);
    barrier.ArriveAndDrop();
    harness.RunReady();
    EXPECT_TRUE(patient.ended);
    EXPECT_TRUE(patient.status.ok());
  });
}

TEST(BarrierDeathTest, MisuseDies) {
  EXPECT_DEATH(Barrier(0), "a Barrier of no participants");
  Barrier barrier(1);
  barrier.ArriveAndDrop();
  EXPECT_DEATH(barrier.ArriveAndDrop(), "more participants dropped");
  EXPECT_DEATH((void)barrier.ArriveAndWait(), "all participants have dropped");
}

}  // namespace
}  // namespace pelton
