#include "sched/task_branch.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "sched/preemption.h"
#include "sched/task.h"
#include "tests/support/task_harness.h"

namespace pelton::sched_internal {
namespace {

using testing::TaskHarness;

// Notes what its branches tell it.
struct Owner {
  void OnResult(int result) { events.push_back(std::to_string(result)); }
  void OnBranchException(std::exception_ptr exception) {
    events.push_back("exception: " + DescribeException(exception).substr(0, 6));
  }
  void OnBranchEnd() {
    events.push_back("end");
    frames_at_end = FramePool::Current()->GetStatistics().live;
  }

  std::vector<std::string> events;
  uint64_t frames_at_end = 0;
};

template <typename T>
void Start(Owner& owner, TaskContext& parent, Task<T> task) {
  (new TaskBranch<Owner, T>(owner, parent, std::move(task)))->Start();
}

Task<int> Hold(std::shared_ptr<int> held) {
  *held = 1;
  co_await Yield();
  co_return 7;
}

TEST(TaskBranchTest, RunsTheTaskLaterAndTellsItsResultAndThenItsEnd) {
  TaskHarness harness;
  Owner owner;
  auto held = std::make_shared<int>(0);
  const uint64_t frames = harness.frames().GetStatistics().live;
  Start(owner, harness.root(), Hold(held));
  EXPECT_EQ(*held, 0) << "it does not run inside Start()";
  harness.RunReady();
  EXPECT_EQ(*held, 1);
  EXPECT_EQ(owner.events, (std::vector<std::string>{"7", "end"}));
  EXPECT_EQ(owner.frames_at_end, frames) << "its memory is gone when the owner hears of it";
  EXPECT_EQ(held.use_count(), 1) << "and the task with it";
}

TEST(TaskBranchTest, ATaskThatYieldsNothingTellsItsEndOnly) {
  TaskHarness harness;
  Owner owner;
  Start(owner, harness.root(), []() -> Task<void> { co_return; }());
  harness.RunReady();
  EXPECT_EQ(owner.events, std::vector<std::string>{"end"});
}

TEST(TaskBranchTest, TellsOfAnExceptionBeforeTheEnd) {
  TaskHarness harness;
  Owner owner;
  Start(owner, harness.root(), []() -> Task<int> {
    co_await Yield();
    throw std::runtime_error("failed");
  }());
  harness.RunReady();
  EXPECT_EQ(owner.events, (std::vector<std::string>{"exception: failed", "end"}));
}

TEST(TaskBranchTest, InheritsTheStopOfItsContext) {
  TaskHarness harness;
  Owner owner;
  TaskContext stopped(&harness.root());
  stopped.Stop(StopPhase::kIdle, StopReason::kDraining);
  StopPhase seen = StopPhase::kNone;
  Start(owner, stopped, [](StopPhase* phase) -> Task<void> {
    *phase = Scheduler::Current()->current_context().stop_phase();
    co_return;
  }(&seen));
  harness.RunReady();
  EXPECT_EQ(seen, StopPhase::kIdle);
}

TEST(TaskBranchTest, BacktracesEndAtTheTask) {
  TaskHarness harness;
  Owner owner;
  size_t frames = 0;
  Start(owner, harness.root(), [](size_t* count) -> Task<void> {
    co_await Yield();
    *count = CurrentBacktrace().frames().size();
  }(&frames));
  harness.RunReady();
  EXPECT_EQ(frames, 1u);
}

TEST(TaskBranchTest, TakesOneFrameOf128Bytes) {
  TaskHarness harness;
  Owner owner;
  Task<void> task = []() -> Task<void> { co_await Yield(); }();
  const uint64_t before = harness.frames().LiveBytes();
  Start(owner, harness.root(), std::move(task));
  EXPECT_EQ(harness.frames().LiveBytes() - before, 128u);
  harness.RunReady();
}

}  // namespace
}  // namespace pelton::sched_internal
