#include "sched/branch_group.h"

#include <gtest/gtest.h>

#include <new>
#include <sstream>
#include <vector>

#include "sched/deadline.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

// Sleeps in two branches; cannot make the second one when `scarce`.
class TwoSleeps final : private sched_internal::BranchGroup {
 public:
  TwoSleeps(bool scarce, int* ended) : scarce_(scarce), ended_(ended) {}
  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    StartAll(task.promise(), [this](TaskContext& context) {
      std::vector<sched_internal::Branch> branches;
      branches.push_back(Sleep(*this, context, ended_));
      if (scarce_) throw std::bad_alloc();
      branches.push_back(Sleep(*this, context, ended_));
      const Suspension& wait = *this;
      EXPECT_EQ(wait.context(), nullptr) << "it waits only when all have been made";
      return branches;
    });
  }
  void await_resume() { EndAll(); }

 private:
  static sched_internal::Branch Sleep(BranchOwner&, TaskContext&, int* ended) {
    (void)co_await SleepFor(absl::Seconds(1));
    ++*ended;
  }
  bool scarce_;
  int* ended_;
};

TEST(BranchGroupTest, EndsWhenAllItsBranchesHaveEnded) {
  TaskHarness harness;
  int ended = 0;
  auto body = [&]() -> Task<void> {
    co_await TwoSleeps(false, &ended);
    EXPECT_EQ(ended, 2);
  };
  harness.Run(body());
}

TEST(BranchGroupTest, ABranchThatCannotBeMadeLeavesNothingBehind) {
  TaskHarness harness;
  int ended = 0;
  auto body = [&]() -> Task<void> {
    bool caught = false;
    try {
      (void)co_await WithTimeout(absl::Seconds(5), TwoSleeps(true, &ended));
    } catch (const std::bad_alloc&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
    EXPECT_TRUE((co_await SleepFor(absl::Seconds(10))).ok());
  };
  harness.Run(body());
  EXPECT_EQ(ended, 0);
}

TEST(BranchGroupTest, SaysWhatItWaitsFor) {
  TaskHarness harness;
  int ended = 0;
  harness.scope().Spawn([&]() -> Task<void> { co_await TwoSleeps(false, &ended); });
  harness.Turn();
  std::ostringstream out;
  const TaskContext* const flow = harness.scheduler().root().first_child()->first_child();
  ASSERT_NE(flow->waiting_for(), nullptr);
  flow->waiting_for()->Describe(out);
  EXPECT_EQ(out.str(), "2 concurrent tasks to end");
  harness.RunUntilIdle();
}

}  // namespace
}  // namespace pelton
