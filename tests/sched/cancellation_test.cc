// How stopping, waiting and ending meet: what each phase interrupts, and what happens when they
// race.

#include <gtest/gtest.h>

#include <coroutine>
#include <vector>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_context.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

// Waits for Complete() or for the phase from which it is interrupted, and counts the interruptions.
class Wait final : private Suspension {
 public:
  explicit Wait(StopPhase interrupted_from) : Suspension(interrupted_from) {}

  auto operator co_await() { return Awaiter{*this}; }

  // Ends the wait, as an I/O completion does.
  void Complete() { End(Outcome::kCompleted); }
  int interruptions() const { return interruptions_; }
  bool completed() const { return outcome_ == Outcome::kCompleted; }
  bool interrupted() const { return outcome_ == Outcome::kInterrupted; }
  bool resumed() const { return resumed_; }

 private:
  enum class Outcome { kNone, kCompleted, kInterrupted };
  struct Awaiter {
    Wait& wait;
    bool await_ready() const noexcept { return false; }
    template <PeltonPromise Promise>
    void await_suspend(std::coroutine_handle<Promise> task) {
      wait.Suspend(task.promise());
    }
    void await_resume() const noexcept { wait.resumed_ = true; }
  };

  void Interrupt() override {
    ++interruptions_;
    End(Outcome::kInterrupted);
  }
  void Describe(std::ostream& out) const override { out << "the test"; }
  void End(Outcome outcome) {
    if (outcome_ != Outcome::kNone) return;
    outcome_ = outcome;
    Resume();
  }

  Outcome outcome_ = Outcome::kNone;
  int interruptions_ = 0;
  bool resumed_ = false;
};

Task<void> Await(Wait* wait) { co_await *wait; }

TEST(CancellationTest, EachPhaseInterruptsOnlyTheWaitsThatNameItOrAnEarlierOne) {
  TaskHarness harness;
  Wait accepting(StopPhase::kAccepting);
  Wait idle(StopPhase::kIdle);
  Wait everything(StopPhase::kEverything);
  for (Wait* wait : {&accepting, &idle, &everything}) harness.scope().Spawn(Await, wait);
  harness.Turn();

  harness.scope().Stop(StopPhase::kAccepting, StopReason::kDraining);
  harness.RunReady();
  EXPECT_TRUE(accepting.interrupted());
  EXPECT_FALSE(idle.resumed());
  EXPECT_FALSE(everything.resumed());

  harness.scope().Stop(StopPhase::kIdle, StopReason::kDraining);
  harness.RunReady();
  EXPECT_TRUE(idle.interrupted());
  EXPECT_FALSE(everything.resumed());

  harness.scope().Stop(StopPhase::kEverything, StopReason::kCancelled);
  harness.RunReady();
  EXPECT_TRUE(everything.interrupted());
  for (const Wait* wait : {&accepting, &idle, &everything}) EXPECT_EQ(wait->interruptions(), 1);
}

TEST(CancellationTest, TheLastPhaseInterruptsEveryWaitAtOnce) {
  TaskHarness harness;
  Wait accepting(StopPhase::kAccepting);
  Wait idle(StopPhase::kIdle);
  Wait everything(StopPhase::kEverything);
  for (Wait* wait : {&accepting, &idle, &everything}) harness.scope().Spawn(Await, wait);
  harness.Turn();
  harness.scope().Cancel();
  harness.RunReady();
  for (const Wait* wait : {&accepting, &idle, &everything}) {
    EXPECT_TRUE(wait->interrupted());
    EXPECT_EQ(wait->interruptions(), 1);
  }
}

TEST(CancellationTest, WhenTheCompletionCameFirstTheStopIsANoOp) {
  TaskHarness harness;
  Wait wait(StopPhase::kEverything);
  harness.scope().Spawn(Await, &wait);
  harness.Turn();
  wait.Complete();
  harness.scope().Cancel();
  EXPECT_EQ(wait.interruptions(), 0);
  harness.RunReady();
  EXPECT_TRUE(wait.completed());
}

TEST(CancellationTest, WhenTheStopCameFirstTheCompletionIsANoOp) {
  TaskHarness harness;
  Wait wait(StopPhase::kEverything);
  harness.scope().Spawn(Await, &wait);
  harness.Turn();
  harness.scope().Cancel();
  wait.Complete();
  harness.RunReady();
  EXPECT_TRUE(wait.interrupted());
  EXPECT_EQ(wait.interruptions(), 1);
}

TEST(CancellationTest, StoppingTwiceInterruptsOnce) {
  TaskHarness harness;
  Wait wait(StopPhase::kEverything);
  harness.scope().Spawn(Await, &wait);
  harness.Turn();
  harness.scope().Cancel();
  harness.scope().Cancel();
  harness.root().Stop(StopPhase::kEverything, StopReason::kDeadline);
  harness.RunReady();
  EXPECT_EQ(wait.interruptions(), 1);
}

TEST(CancellationTest, StoppingResumesNothingByItself) {
  TaskHarness harness;
  Wait wait(StopPhase::kEverything);
  harness.scope().Spawn(Await, &wait);
  harness.Turn();
  harness.scope().Cancel();
  EXPECT_FALSE(wait.resumed()) << "the task runs in its turn of the ready queue";
  harness.RunReady();
  EXPECT_TRUE(wait.resumed());
}

TEST(CancellationTest, ATaskThatIsReadyIsNotInterrupted) {
  TaskHarness harness;
  int steps = 0;
  auto task = [&]() -> Task<void> {
    for (; steps < 10; ++steps) co_await Yield();
  };
  harness.scope().Spawn(task);
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_EQ(steps, 10) << "a stop ends waits; to yield is not to wait";
}

TEST(CancellationTest, AStoppedFlowCanStillCleanUp) {
  TaskHarness harness;
  bool cleaned = false;
  auto clean = [&]() -> Task<void> {
    co_await Yield();
    cleaned = true;
  };
  auto task = [&]() -> Task<absl::Status> {
    const absl::Status status = co_await SleepFor(absl::Hours(1));
    co_await clean();
    co_return status;
  };
  harness.scope().Spawn(task);
  harness.Turn();
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_TRUE(cleaned);
}

TEST(CancellationTest, StopRequestedTellsALoopThatAwaitsNothing) {
  TaskHarness harness;
  int rounds = 0;
  auto compute = [&]() -> Task<void> {
    while (!StopRequested()) {
      ++rounds;
      co_await PreemptionPoint();
    }
  };
  harness.scope().Spawn(compute);
  harness.Turn();
  EXPECT_GT(rounds, 0);
  harness.scope().Stop(StopPhase::kIdle, StopReason::kDraining);
  harness.Turn();
  EXPECT_EQ(harness.scope().live(), 1u) << "a drain lets work go on";
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_EQ(harness.scope().live(), 0u);
}

TEST(CancellationTest, ADrainLeavesSleepsAlone) {
  TaskHarness harness;
  absl::Status status = absl::UnknownError("not set");
  auto sleep = [&]() -> Task<void> { status = co_await SleepFor(absl::Seconds(1)); };
  harness.scope().Spawn(sleep);
  harness.Turn();
  harness.scope().Stop(StopPhase::kIdle, StopReason::kDraining);
  harness.RunUntilIdle();
  EXPECT_TRUE(status.ok()) << status;
}

// Spawns a scope in a scope in a scope, `depth` times; the innermost one waits.
Task<absl::Status> Descend(int depth, int* ended) {
  TaskScope scope;
  if (depth > 0) scope.Spawn(Descend, depth - 1, ended);
  const absl::Status slept = depth == 0 ? co_await SleepFor(absl::Hours(1)) : absl::OkStatus();
  const absl::Status joined = co_await scope.Join();
  ++*ended;
  co_return slept.ok() ? joined : slept;
}

TEST(CancellationTest, ATreeOfAHundredThousandTasksIsStoppedWithoutStack) {
  TaskHarness harness;
  constexpr int kDepth = 50'000;  // two contexts each
  int ended = 0;
  harness.scope().Spawn(Descend, kDepth, &ended);
  harness.RunReady();
  EXPECT_EQ(ended, 0);
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_EQ(ended, kDepth + 1);
  EXPECT_EQ(harness.scope().live(), 0u);
}

TEST(CancellationTest, TheReasonTravelsWithTheStop) {
  TaskHarness harness;
  absl::Status status;
  auto sleep = [&]() -> Task<absl::Status> {
    status = co_await SleepFor(absl::Hours(1));
    co_return status;
  };
  auto parent = [&]() -> Task<absl::Status> {
    TaskScope scope;
    scope.Spawn(sleep);
    co_return co_await scope.Join();
  };
  harness.scope().Spawn(parent);
  harness.Turn();
  harness.scope().Stop(StopPhase::kEverything, StopReason::kDraining);
  harness.RunReady();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

}  // namespace
}  // namespace pelton
