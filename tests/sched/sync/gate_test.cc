#include "sched/sync/gate.h"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::TaskHarness;
using testing::Waiters;

TEST(GateTest, CloseWaitsUntilAllHaveLeft) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    Gate gate;
    Waiters waiters(harness);
    auto visit = [&](auto) -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(const Gate::Pass pass, gate.Enter());
      const auto pause = absl::Milliseconds(static_cast<int64_t>(random.Below(20)));
      co_return co_await SleepFor(pause);
    };
    auto close = [&](auto) -> Task<absl::Status> {
      const absl::Status status = co_await gate.Close();
      EXPECT_EQ(gate.inside(), 0u);
      EXPECT_TRUE(absl::IsUnavailable(gate.Enter().status()));
      co_return status;
    };
    for (int i = 0; i < 6; ++i) waiters.Start(visit);
    waiters.Start(close);
    waiters.Start(close);
    for (int i = 0; i < 3; ++i) waiters.Start(visit);
    harness.RunUntilIdle();
    EXPECT_EQ(waiters.ended(), 11u);
    for (const auto* waiter : waiters.order_of_ending()) {
      EXPECT_TRUE(waiter->status.ok() || absl::IsUnavailable(waiter->status));
    }
  });
}

TEST(GateTest, RefusesEntranceFromTheCallOfClose) {
  TaskHarness harness;
  Gate gate;
  Gate::Pass pass = *gate.Enter();
  auto close = [&]() -> Task<absl::Status> {
    auto closing = gate.Close();
    EXPECT_TRUE(gate.closed());
    EXPECT_TRUE(absl::IsUnavailable(gate.Enter().status()));
    pass.Leave();
    co_return co_await closing;
  };
  EXPECT_TRUE(harness.Run(close()).ok());
}

TEST(GateTest, AStopEndsTheWaitAndNotTheClosing) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    Gate gate;
    Waiters waiters(harness);
    Gate::Pass pass = *gate.Enter();
    auto close = [&](auto) -> Task<absl::Status> { co_return co_await gate.Close(); };
    Waiters::Waiter& closer = waiters.Start(close);
    if (random.Below(2) == 0) harness.RunReady();
    closer.scope.Cancel();
    harness.RunReady();
    EXPECT_TRUE(absl::IsCancelled(closer.status));
    EXPECT_TRUE(gate.closed());
    EXPECT_FALSE(gate.Enter().ok());
    Waiters::Waiter& again = waiters.Start(close);
    harness.RunReady();
    EXPECT_FALSE(again.ended);
    pass.Leave();
    harness.RunReady();
    EXPECT_TRUE(again.status.ok());
  });
}

TEST(GateTest, TakesADeadlineWithoutATask) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Gate gate;
    Gate::Pass pass = *gate.Enter();
    auto close = [&]() -> Task<absl::Status> {
      co_return co_await WithTimeout(absl::Seconds(1), gate.Close());
    };
    EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(close())));
    pass.Leave();
    EXPECT_TRUE(harness.Run(close()).ok());
  });
}

TEST(GateTest, PassesMoveAndLeaveOnce) {
  Gate gate;
  Gate::Pass one = *gate.Enter();
  Gate::Pass other = *gate.Enter();
  EXPECT_EQ(gate.inside(), 2u);
  one = std::move(other);
  EXPECT_EQ(gate.inside(), 1u);
  other.Leave();
  EXPECT_EQ(gate.inside(), 1u);
  one.Leave();
  one.Leave();
  EXPECT_EQ(gate.inside(), 0u);
}

TEST(GateDeathTest, MustBeLeftBeforeItDies) {
  std::optional<Gate> gate(std::in_place);
  const Gate::Pass pass = *gate->Enter();
  EXPECT_DEATH(gate.reset(), "a Gate was destroyed with 1 inside");
}

}  // namespace
}  // namespace pelton
