#include "sched/promise.h"

#include <gtest/gtest.h>

#include <coroutine>
#include <source_location>
#include <string>
#include <vector>

#include "sched/preemption.h"
#include "sched/task.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

// Looks at the promises of the awaiting task and of all that wait for it, and does not suspend.
class Backtrace {
 public:
  explicit Backtrace(std::vector<std::source_location>* locations) : locations_(locations) {}

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  bool await_suspend(std::coroutine_handle<Promise> task) const {
    for (const PromiseBase* at = &task.promise(); at != nullptr; at = at->parent()) {
      locations_->push_back(at->awaiting_at());
    }
    return false;
  }
  void await_resume() const noexcept {}

 private:
  std::vector<std::source_location>* locations_;
};

uint_least32_t inner_line;
uint_least32_t outer_line;

Task<void> Inner(std::vector<std::source_location>* locations) {
  inner_line = __LINE__ + 1;
  co_await Backtrace(locations);
}

Task<void> Outer(std::vector<std::source_location>* locations) {
  co_await Yield();
  // The location is that of the await that goes on, not of an earlier one.
  outer_line = __LINE__ + 1;
  co_await Inner(locations);
}

TEST(PromiseTest, KnowsTheLineOfEachAwaitUpToTheRoot) {
  TaskHarness harness;
  std::vector<std::source_location> locations;
  harness.Run(Outer(&locations));
  ASSERT_GE(locations.size(), 2u);
  EXPECT_EQ(locations[0].line(), inner_line);
  EXPECT_EQ(locations[1].line(), outer_line);
  EXPECT_NE(std::string(locations[0].file_name()).find("promise_test.cc"), std::string::npos);
  EXPECT_NE(std::string(locations[0].function_name()).find("Inner"), std::string::npos);
  EXPECT_NE(std::string(locations[1].function_name()).find("Outer"), std::string::npos);
}

TEST(PromiseTest, TheChainOfParentsEndsAtTheBranch) {
  TaskHarness harness;
  std::vector<std::source_location> locations;
  harness.Run(Outer(&locations));
  // Inner, Outer, and of the harness: the task that keeps the outcome, and the branch of its scope.
  EXPECT_EQ(locations.size(), 4u);
}

TEST(PromiseTest, APreemptedChildStillHasItsParent) {
  TaskHarness harness;
  auto loop = []() -> Task<void> {
    for (int i = 0; i < 1000; ++i) {
      std::vector<std::source_location> locations;
      co_await Inner(&locations);
      EXPECT_EQ(locations.size(), 4u);
    }
  };
  harness.Run(loop());
  EXPECT_GT(harness.scheduler().statistics().preemptions, 0u);
}

// Compares what handle() finds with the handle that the compiler gave.
class HandleProbe {
 public:
  explicit HandleProbe(bool* same) : same_(same) {}
  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  bool await_suspend(std::coroutine_handle<Promise> task) const {
    *same_ = task.promise().handle().address() == task.address();
    return false;
  }
  void await_resume() const noexcept {}

 private:
  bool* same_;
};

template <typename T>
bool HandleIsFound() {
  TaskHarness harness;
  bool same = false;
  auto probe = [&]() -> Task<T> {
    co_await HandleProbe(&same);
    co_return T();
  };
  harness.Run([&]() -> Task<void> { co_await probe(); }());
  return same;
}

TEST(PromiseTest, TheBaseFindsTheFrameWhateverTheResult) {
  struct alignas(16) Aligned {
    char bytes[48];
  };
  struct Big {
    char bytes[1000];
  };
  EXPECT_TRUE(HandleIsFound<char>());
  EXPECT_TRUE(HandleIsFound<std::string>());
  EXPECT_TRUE(HandleIsFound<Aligned>());
  EXPECT_TRUE(HandleIsFound<Big>());
}

}  // namespace
}  // namespace pelton
