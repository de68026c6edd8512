#include "sched/task_context.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace pelton {
namespace {

TEST(TaskContextTest, IsNotStoppedAtFirst) {
  const TaskContext context(nullptr);
  EXPECT_EQ(context.stop_phase(), StopPhase::kNone);
  EXPECT_EQ(context.stop_reason(), StopReason::kNone);
  EXPECT_TRUE(context.StoppedFrom(StopPhase::kNone));
  EXPECT_FALSE(context.StoppedFrom(StopPhase::kAccepting));
  EXPECT_TRUE(context.deadline().infinite());
  EXPECT_EQ(context.parent(), nullptr);
  EXPECT_EQ(context.state(), TaskContext::State::kDetached);
}

TEST(TaskContextTest, EachPhaseIncludesThoseBeforeIt) {
  TaskContext context(nullptr);
  context.Stop(StopPhase::kIdle, StopReason::kDraining);
  EXPECT_TRUE(context.StoppedFrom(StopPhase::kAccepting));
  EXPECT_TRUE(context.StoppedFrom(StopPhase::kIdle));
  EXPECT_FALSE(context.StoppedFrom(StopPhase::kEverything));
}

TEST(TaskContextTest, ALowerPhaseThanTheOneReachedChangesNothing) {
  TaskContext context(nullptr);
  context.Stop(StopPhase::kEverything, StopReason::kDeadline);
  context.Stop(StopPhase::kAccepting, StopReason::kDraining);
  context.Stop(StopPhase::kEverything, StopReason::kCancelled);
  EXPECT_EQ(context.stop_phase(), StopPhase::kEverything);
  EXPECT_EQ(context.stop_reason(), StopReason::kDeadline) << "the first one wins";
}

TEST(TaskContextTest, AHigherPhaseBringsItsReason) {
  TaskContext context(nullptr);
  context.Stop(StopPhase::kAccepting, StopReason::kDraining);
  context.Stop(StopPhase::kEverything, StopReason::kCancelled);
  EXPECT_EQ(context.stop_reason(), StopReason::kCancelled);
}

TEST(TaskContextTest, TheReasonDecidesTheStatus) {
  const auto status_of = [](StopReason reason) {
    TaskContext context(nullptr);
    context.Stop(StopPhase::kEverything, reason);
    return context.StopStatus();
  };
  EXPECT_TRUE(absl::IsCancelled(status_of(StopReason::kCancelled)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status_of(StopReason::kDeadline)));
  EXPECT_TRUE(absl::IsUnavailable(status_of(StopReason::kDraining)));
}

TEST(TaskContextTest, StopReachesAllBelowAndNobodyElse) {
  TaskContext root(nullptr);
  TaskContext left(&root);
  TaskContext left_child(&left);
  TaskContext left_grandchild(&left_child);
  TaskContext left_second(&left);
  TaskContext right(&root);
  TaskContext right_child(&right);
  left.Stop(StopPhase::kEverything, StopReason::kCancelled);
  for (const TaskContext* context : {&left, &left_child, &left_grandchild, &left_second}) {
    EXPECT_TRUE(context->StoppedFrom(StopPhase::kEverything));
  }
  for (const TaskContext* context : {&root, &right, &right_child}) {
    EXPECT_FALSE(context->StoppedFrom(StopPhase::kAccepting));
  }
}

TEST(TaskContextTest, AChildThatIsAheadKeepsItsReason) {
  TaskContext root(nullptr);
  TaskContext child(&root);
  TaskContext grandchild(&child);
  TaskContext sibling(&root);
  child.Stop(StopPhase::kEverything, StopReason::kDeadline);
  root.Stop(StopPhase::kEverything, StopReason::kCancelled);
  EXPECT_EQ(child.stop_reason(), StopReason::kDeadline);
  EXPECT_EQ(grandchild.stop_reason(), StopReason::kDeadline);
  EXPECT_EQ(sibling.stop_reason(), StopReason::kCancelled);
}

TEST(TaskContextTest, AChildInheritsHowFarItsParentWasStopped) {
  TaskContext root(nullptr);
  root.Stop(StopPhase::kIdle, StopReason::kDraining);
  const TaskContext child(&root);
  EXPECT_EQ(child.stop_phase(), StopPhase::kIdle);
  EXPECT_EQ(child.stop_reason(), StopReason::kDraining);
}

TEST(TaskContextTest, AChildInheritsTheDeadlineAndOnlyTightensIt) {
  TaskContext root(nullptr);
  root.TightenDeadline(Timestamp::FromNanoseconds(100));
  TaskContext child(&root);
  EXPECT_EQ(child.deadline(), Timestamp::FromNanoseconds(100));
  child.TightenDeadline(Timestamp::FromNanoseconds(200));
  EXPECT_EQ(child.deadline(), Timestamp::FromNanoseconds(100));
  child.TightenDeadline(Timestamp::FromNanoseconds(50));
  EXPECT_EQ(child.deadline(), Timestamp::FromNanoseconds(50));
  EXPECT_EQ(root.deadline(), Timestamp::FromNanoseconds(100));
}

TEST(TaskContextTest, LeavesTheTreeWhenItIsDestroyed) {
  TaskContext root(nullptr);
  TaskContext first(&root);
  {
    const TaskContext second(&root);
    const TaskContext third(&root);
  }
  TaskContext fourth(&root);
  root.Stop(StopPhase::kEverything, StopReason::kCancelled);
  EXPECT_TRUE(first.StoppedFrom(StopPhase::kEverything));
  EXPECT_TRUE(fourth.StoppedFrom(StopPhase::kEverything));
}

TEST(TaskContextTest, StoppingATreeOfAHundredThousandLevelsNeedsNoStack) {
  std::vector<std::unique_ptr<TaskContext>> chain;
  chain.push_back(std::make_unique<TaskContext>(nullptr));
  for (int i = 0; i < 100'000; ++i) {
    chain.push_back(std::make_unique<TaskContext>(chain.back().get()));
  }
  chain.front()->Stop(StopPhase::kEverything, StopReason::kCancelled);
  EXPECT_TRUE(chain.back()->StoppedFrom(StopPhase::kEverything));
  while (!chain.empty()) chain.pop_back();
}

TEST(TaskContextDeathTest, DiesWhenItIsDestroyedBeforeThoseBelow) {
  EXPECT_DEATH(
      {
        auto root = std::make_unique<TaskContext>(nullptr);
        TaskContext child(root.get());
        root.reset();
      },
      "destroyed before the tasks below it");
}

TEST(TaskContextDeathTest, DiesWhenTheStatusOfOneThatWasNotStoppedIsAskedFor) {
  const TaskContext context(nullptr);
  EXPECT_DEATH((void)context.StopStatus(), "not stopped");
}

}  // namespace
}  // namespace pelton
