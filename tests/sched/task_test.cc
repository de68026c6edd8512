#include "sched/task.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "sched/preemption.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

// Counts its lives; each construction has to be matched by one destruction.
class Counted {
 public:
  struct Counts {
    int constructed = 0;
    int destroyed = 0;
    int live() const { return constructed - destroyed; }
  };

  explicit Counted(Counts* counts) : counts_(counts) { ++counts_->constructed; }
  Counted(Counted&& other) noexcept : counts_(other.counts_) { ++counts_->constructed; }
  Counted& operator=(Counted&&) = delete;
  ~Counted() { ++counts_->destroyed; }

 private:
  Counts* counts_;
};

// Not inlined, so that its frame is made.
[[gnu::noinline]] Task<int> Value(int value) { co_return value; }

Task<int> ValueAfterYield(int value) {
  co_await Yield();
  co_return value;
}

TEST(TaskTest, YieldsWhatItReturns) {
  TaskHarness harness;
  EXPECT_EQ(harness.Run(Value(7)), 7);
  EXPECT_EQ(harness.Run(ValueAfterYield(8)), 8);
}

TEST(TaskTest, RunsNothingBeforeItIsAwaited) {
  TaskHarness harness;
  bool ran = false;
  auto set = [&]() -> Task<void> {
    ran = true;
    co_return;
  };
  Task<void> task = set();
  harness.RunUntilIdle();
  EXPECT_FALSE(ran);
  harness.Run(std::move(task));
  EXPECT_TRUE(ran);
}

TEST(TaskTest, YieldsAReferenceToTheSameObject) {
  TaskHarness harness;
  int object = 1;
  auto reference = [&]() -> Task<int&> {
    co_await Yield();
    co_return object;
  };
  auto increment = [&]() -> Task<void> {
    int& through = co_await reference();
    ++through;
  };
  harness.Run(increment());
  EXPECT_EQ(object, 2);
  EXPECT_EQ(&harness.Run(reference()), &object);
}

TEST(TaskTest, YieldsAMoveOnlyResult) {
  TaskHarness harness;
  auto make = [](int value) -> Task<std::unique_ptr<int>> {
    co_await Yield();
    co_return std::make_unique<int>(value);
  };
  auto pass = [&]() -> Task<std::unique_ptr<int>> {
    std::unique_ptr<int> made = co_await make(5);
    co_return made;
  };
  EXPECT_EQ(*harness.Run(pass()), 5);
}

TEST(TaskTest, ReturnsABracedResult) {
  TaskHarness harness;
  auto pair = []() -> Task<std::pair<int, std::string>> { co_return {1, "one"}; };
  EXPECT_EQ(harness.Run(pair()), std::make_pair(1, std::string("one")));
}

TEST(TaskTest, ConvertsTheReturnedValue) {
  TaskHarness harness;
  auto text = []() -> Task<std::string> { co_return "text"; };
  EXPECT_EQ(harness.Run(text()), "text");
}

TEST(TaskTest, DestroysEachResultExactlyOnce) {
  TaskHarness harness;
  Counted::Counts counts;
  auto make = [&]() -> Task<Counted> { co_return Counted(&counts); };
  auto use = [&]() -> Task<void> {
    {
      Counted kept = co_await make();
      EXPECT_GE(counts.live(), 1);
    }
    EXPECT_EQ(counts.live(), 0);
    co_await make();  // the result is dropped
    EXPECT_EQ(counts.live(), 0);
    Task<Counted> task = make();
    co_await std::move(task);
    EXPECT_EQ(counts.live(), 1) << "the moved-from result goes with its task";
  };
  harness.Run(use());
  EXPECT_EQ(counts.live(), 0);
  EXPECT_GE(counts.constructed, 3);
}

TEST(TaskTest, DestroysTheResultWhenTheParentFailsBesideIt) {
  TaskHarness harness;
  Counted::Counts counts;
  auto make = [&]() -> Task<Counted> { co_return Counted(&counts); };
  auto fail = []() -> Task<int> {
    co_await Yield();
    throw std::runtime_error("beside");
  };
  auto both = [&]() -> Task<void> {
    const auto pair = std::make_pair(co_await make(), co_await fail());
    ADD_FAILURE() << "unreachable";
  };
  EXPECT_THROW(harness.Run(both()), std::runtime_error);
  EXPECT_EQ(counts.live(), 0);
}

TEST(TaskTest, AnUnstartedTaskDestroysItsArguments) {
  TaskHarness harness;
  Counted::Counts counts;
  auto hold = [](Counted) -> Task<void> { co_return; };
  {
    Task<void> task = hold(Counted(&counts));
    EXPECT_TRUE(task.valid());
    EXPECT_EQ(counts.live(), 1);
  }
  EXPECT_EQ(counts.live(), 0);
  EXPECT_EQ(harness.frames().GetStatistics().live, 0u);
}

TEST(TaskTest, AnEmptyTaskHoldsNothing) {
  Task<int> task;
  EXPECT_FALSE(task.valid());
}

TEST(TaskTest, MovingHandsTheCoroutineOver) {
  TaskHarness harness;
  Task<int> first = Value(1);
  Task<int> second = std::move(first);
  EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move): what is tested
  EXPECT_TRUE(second.valid());
  EXPECT_EQ(harness.Run(std::move(second)), 1);
}

TEST(TaskTest, MoveAssignmentDestroysWhatItReplaces) {
  TaskHarness harness;
  Counted::Counts counts;
  auto hold = [](Counted, int value) -> Task<int> { co_return value; };
  Task<int> task = hold(Counted(&counts), 1);
  task = hold(Counted(&counts), 2);
  EXPECT_EQ(counts.live(), 1);
  EXPECT_EQ(harness.Run(std::move(task)), 2);
  EXPECT_EQ(counts.live(), 0);
  task = Task<int>();
  EXPECT_FALSE(task.valid());
}

TEST(TaskTest, KeepsArgumentsByValueUntilItEnds) {
  TaskHarness harness;
  auto measure = [](std::string text, std::vector<int> numbers) -> Task<size_t> {
    for (int i = 0; i < 5; ++i) co_await Yield();
    co_return text.size() + numbers.size();
  };
  auto call = [&]() -> Task<size_t> {
    co_return co_await measure(std::string(100, 'x'), std::vector<int>(50, 1));
  };
  EXPECT_EQ(harness.Run(call()), 150u);
}

TEST(TaskTest, KeepsTemporariesOfTheAwaitUntilItEnds) {
  TaskHarness harness;
  auto measure = [](const std::string& text) -> Task<size_t> {
    co_await Yield();
    co_return text.size();
  };
  auto call = [&]() -> Task<size_t> { co_return co_await measure(std::string(1000, 'x')); };
  EXPECT_EQ(harness.Run(call()), 1000u);
}

TEST(TaskTest, RethrowsWhatWasThrownBeforeASuspension) {
  TaskHarness harness;
  auto fail = []() -> Task<int> {
    throw std::runtime_error("early");
    co_return 1;
  };
  EXPECT_THROW(harness.Run(fail()), std::runtime_error);
}

TEST(TaskTest, RethrowsWhatWasThrownAfterASuspension) {
  TaskHarness harness;
  auto fail = []() -> Task<void> {
    co_await Yield();
    throw std::runtime_error("late");
  };
  EXPECT_THROW(harness.Run(fail()), std::runtime_error);
}

TEST(TaskTest, RethrowsFromATaskThatYieldsAReference) {
  TaskHarness harness;
  auto fail = []() -> Task<int&> {
    co_await Yield();
    throw std::out_of_range("no such object");
  };
  EXPECT_THROW(harness.Run(fail()), std::out_of_range);
}

TEST(TaskTest, CarriesExceptionsThatAreNoStandardOnes) {
  TaskHarness harness;
  auto fail = []() -> Task<void> {
    throw 42;
    co_return;
  };
  EXPECT_THROW(harness.Run(fail()), int);
}

Task<int> ThrowAtDepth(int depth, Counted::Counts* counts) {
  const Counted local(counts);
  if (depth == 0) throw std::runtime_error("bottom");
  co_return 1 + co_await ThrowAtDepth(depth - 1, counts);
}

TEST(TaskTest, AnExceptionUnwindsTheWholeChain) {
  TaskHarness harness;
  Counted::Counts counts;
  try {
    harness.Run(ThrowAtDepth(50, &counts));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "bottom");
  }
  EXPECT_EQ(counts.constructed, 51);
  EXPECT_EQ(counts.live(), 0);
}

TEST(TaskTest, AParentCanCatchAndGoOn) {
  TaskHarness harness;
  Counted::Counts counts;
  auto parent = [&]() -> Task<int> {
    int caught = 0;
    for (int i = 0; i < 3; ++i) {
      try {
        co_await ThrowAtDepth(i, &counts);
      } catch (const std::runtime_error&) {
        ++caught;
      }
      co_await Yield();
    }
    co_return caught;
  };
  EXPECT_EQ(harness.Run(parent()), 3);
}

TEST(TaskTest, AResultWhoseConstructionThrowsBecomesAnException) {
  struct Refusing {
    explicit Refusing(int) { throw std::runtime_error("refused"); }
  };
  TaskHarness harness;
  auto make = []() -> Task<Refusing> { co_return 1; };
  auto call = [&]() -> Task<bool> {
    try {
      co_await make();
    } catch (const std::runtime_error&) {
      co_return true;
    }
    co_return false;
  };
  EXPECT_TRUE(harness.Run(call()));
}

// Where the stack stands in a child; kept out of line so that each child has a frame of its own.
[[gnu::noinline]] Task<uintptr_t> StackPosition() {
  co_return reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
}

TEST(TaskTest, AMillionReadyAwaitsKeepTheStackFlat) {
  TaskHarness harness;
  auto loop = []() -> Task<uintptr_t> {
    uintptr_t lowest = UINTPTR_MAX;
    uintptr_t highest = 0;
    for (int i = 0; i < 1'000'000; ++i) {
      const uintptr_t position = co_await StackPosition();
      lowest = std::min(lowest, position);
      highest = std::max(highest, position);
    }
    co_return highest - lowest;
  };
  EXPECT_LT(harness.Run(loop()), 16u << 10);
}

Task<int> Nest(int depth) {
  if (depth == 0) {
    co_await Yield();
    co_return 0;
  }
  co_return 1 + co_await Nest(depth - 1);
}

TEST(TaskTest, AChainOfAHundredThousandTasksNeedsNoStack) {
  TaskHarness harness;
  EXPECT_EQ(harness.Run(Nest(100'000)), 100'000);
}

TEST(TaskTest, AnExceptionClimbsALongChainWithoutStack) {
  TaskHarness harness;
  Counted::Counts counts;
  EXPECT_THROW(harness.Run(ThrowAtDepth(20'000, &counts)), std::runtime_error);
  EXPECT_EQ(counts.live(), 0);
}

TEST(TaskTest, TakesItsFrameFromThePool) {
  TaskHarness harness;
  const uint64_t before = harness.frames().GetStatistics().live;
  {
    Task<int> task = Value(1);
    EXPECT_EQ(harness.frames().GetStatistics().live, before + 1);
  }
  EXPECT_EQ(harness.frames().GetStatistics().live, before);
}

TEST(TaskTest, AlignsLocalsThatLiveAcrossAnAwait) {
  TaskHarness harness;
  auto misalignment = []() -> Task<uintptr_t> {
    alignas(16) char sixteen[16] = {};
    co_await Yield();
    sixteen[0] = 1;
    co_return reinterpret_cast<uintptr_t>(sixteen) % 16;
  };
  EXPECT_EQ(harness.Run(misalignment()), 0u);
}

#ifndef NDEBUG
TEST(TaskDeathTest, DiesWhenATaskIsAwaitedTwice) {
  TaskHarness harness;
  auto twice = []() -> Task<void> {
    Task<int> task = Value(1);
    co_await std::move(task);
    co_await std::move(task);
  };
  EXPECT_DEATH(harness.Run(twice()), "awaited twice");
}
#endif

}  // namespace
}  // namespace pelton
