#include "sched/branch.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "sched/preemption.h"
#include "sched/task.h"
#include "tests/support/task_harness.h"

namespace pelton::sched_internal {
namespace {

using testing::TaskHarness;

// Notes what its branches tell it.
class Owner final : public BranchOwner {
 public:
  void OnBranchException(std::exception_ptr exception) override {
    events.push_back("exception");
    EXPECT_NE(exception, nullptr);
  }
  void OnBranchEnd() override {
    events.push_back("end");
    frames_at_end = FramePool::Current()->GetStatistics().live;
  }

  std::vector<std::string> events;
  uint64_t frames_at_end = 0;
};

Branch Hold(BranchOwner&, TaskContext&, std::shared_ptr<int> held, bool fail) {
  co_await []() -> Task<void> { co_await Yield(); }();
  *held = 1;
  if (fail) throw std::runtime_error("failed");
}

TEST(BranchTest, RunsInAContextBelowTheGivenOneAndTellsItsOwnerWhenItEnds) {
  TaskHarness harness;
  Owner owner;
  auto held = std::make_shared<int>(0);
  const uint64_t frames = harness.frames().GetStatistics().live;
  Hold(owner, harness.root(), held, /*fail=*/false).Start();
  EXPECT_EQ(*held, 0) << "it does not run inside Start()";
  harness.RunReady();
  EXPECT_EQ(*held, 1);
  EXPECT_EQ(owner.events, std::vector<std::string>{"end"});
  EXPECT_EQ(owner.frames_at_end, frames) << "its frame is gone when the owner hears of it";
  EXPECT_EQ(held.use_count(), 1);
}

TEST(BranchTest, TellsOfAnExceptionBeforeTheEnd) {
  TaskHarness harness;
  Owner owner;
  Hold(owner, harness.root(), std::make_shared<int>(0), /*fail=*/true).Start();
  harness.RunReady();
  EXPECT_EQ(owner.events, (std::vector<std::string>{"exception", "end"}));
}

TEST(BranchTest, OneThatNeverStartsIsDestroyedWithItsHandle) {
  TaskHarness harness;
  Owner owner;
  auto held = std::make_shared<int>(0);
  {
    const Branch branch = Hold(owner, harness.root(), held, /*fail=*/false);
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_TRUE(owner.events.empty()) << "it was never the owner's";
}

TEST(BranchTest, InheritsTheStopOfItsContext) {
  TaskHarness harness;
  Owner owner;
  StopPhase seen = StopPhase::kNone;
  TaskContext stopped(&harness.root());
  stopped.Stop(StopPhase::kIdle, StopReason::kDraining);
  struct Look {
    static Branch Run(BranchOwner&, TaskContext&, StopPhase* phase) {
      *phase = Scheduler::Current()->current_context().stop_phase();
      co_return;
    }
  };
  Look::Run(owner, stopped, &seen).Start();
  harness.RunReady();
  EXPECT_EQ(seen, StopPhase::kIdle);
}

}  // namespace
}  // namespace pelton::sched_internal
