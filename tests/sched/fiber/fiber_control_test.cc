#include "sched/fiber/internal/fiber_control.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>

#include "absl/status/status.h"
#include "sched/preemption.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton::sched_internal {
namespace {

using testing::TaskHarness;

// What the fiber of a test does: switches back `count` times.
struct Switches {
  int count = 0;
  int done = 0;

  static void Run(void* self) {
    Switches& switches = *static_cast<Switches*>(self);
    FiberControl& fiber = *FiberControl::Running();
    for (; switches.done < switches.count; ++switches.done) {
      fiber.SwitchBack(fiber.carrier().handle());
    }
  }
};

Task<int> Carry(FiberControl* fiber) {
  int switches = 0;
  for (; !fiber->ended(); ++switches) co_await fiber->Run();
  co_return switches;
}

TEST(FiberControlTest, RunsUntilItSwitchesBackAndGoesOnThere) {
  TaskHarness harness;
  Switches switches{.count = 3};
  FiberControl fiber({.name = "three"}, &Switches::Run, &switches, std::source_location::current());
  EXPECT_EQ(fiber.stack(), nullptr);
  ASSERT_TRUE(fiber.TakeStack().ok());
  EXPECT_NE(fiber.stack(), nullptr);
  EXPECT_EQ(fiber.name(), "three");
  EXPECT_EQ(harness.Run(Carry(&fiber)), 4);
  EXPECT_EQ(switches.done, 3);
  EXPECT_TRUE(fiber.ended());
  EXPECT_EQ(fiber.stack(), nullptr) << "the stack is the next fiber's";
  EXPECT_EQ(FiberControl::Running(), nullptr);
}

TEST(FiberControlTest, OneThatNeverBeganGivesItsStackBack) {
  Switches switches;
  FiberControl fiber({}, &Switches::Run, &switches, std::source_location::current());
  ASSERT_TRUE(fiber.TakeStack().ok());
  EXPECT_FALSE(fiber.ended());
}

TEST(FiberControlTest, RefusesAStackThatIsTooSmall) {
  FiberControl fiber({.stack_bytes = 1}, &Switches::Run, nullptr, std::source_location::current());
  EXPECT_TRUE(absl::IsInvalidArgument(fiber.TakeStack()));
}

TEST(FiberControlTest, FloatingPointModesBelongToTheFiber) {
  TaskHarness harness;
  struct Rounds {
    static void Run(void*) {
      FiberControl& fiber = *FiberControl::Running();
      const int before = std::fegetround();
      std::fesetround(FE_TOWARDZERO);
      fiber.SwitchBack(fiber.carrier().handle());
      EXPECT_EQ(std::fegetround(), FE_TOWARDZERO);
      std::fesetround(before);
    }
  };
  FiberControl fiber({}, &Rounds::Run, nullptr, std::source_location::current());
  ASSERT_TRUE(fiber.TakeStack().ok());
  auto carry = [&]() -> Task<void> {
    co_await fiber.Run();
    EXPECT_EQ(std::fegetround(), FE_TONEAREST);
    co_await fiber.Run();
  };
  harness.Run(carry());
  EXPECT_TRUE(fiber.ended());
}

TEST(FiberControlDeathTest, IsNotDestroyedWhileTheFiberIsSuspended) {
  TaskHarness harness;
  auto abandon = []() -> Task<void> {
    Switches switches{.count = 1};
    FiberControl fiber({.name = "lost"}, &Switches::Run, &switches,
                       std::source_location::current());
    EXPECT_TRUE(fiber.TakeStack().ok());
    co_await fiber.Run();
  };
  EXPECT_DEATH(harness.Run(abandon()), "fiber lost was destroyed while it was suspended");
}

TEST(FiberControlDeathTest, DoesNotRunWithoutAStack) {
  TaskHarness harness;
  Switches switches;
  FiberControl fiber({.name = "bare"}, &Switches::Run, &switches, std::source_location::current());
  EXPECT_DEATH(harness.Run(Carry(&fiber)), "fiber bare has no stack");
}

}  // namespace
}  // namespace pelton::sched_internal
