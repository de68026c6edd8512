// Exceptions in fibers: out of them, into them, and in flight while they wait.

#include <gtest/gtest.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sched/fiber/fiber.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/when.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

Task<void> Fail(const char* text) {
  co_await Yield();
  throw std::runtime_error(text);
}

Task<void> Nap(absl::Duration duration) { EXPECT_TRUE((co_await SleepFor(duration)).ok()); }

TEST(FiberExceptionTest, OneThatLeavesTheFunctionIsRethrownAtTheAwait) {
  TaskHarness harness;
  std::string seen;
  auto program = [&]() -> Task<void> {
    try {
      (void)co_await RunFiber([]() -> int {
        FiberYield();
        throw std::runtime_error("out of the fiber");
      });
    } catch (const std::runtime_error& error) {
      seen = error.what();
    }
  };
  harness.Run(program());
  EXPECT_EQ(seen, "out of the fiber");
}

TEST(FiberExceptionTest, OneOfATaskIsRethrownByAwait) {
  TaskHarness harness;
  std::string seen;
  auto function = [&] {
    try {
      Await(Fail("out of the task"));
    } catch (const std::runtime_error& error) {
      seen = error.what();
    }
  };
  EXPECT_TRUE(harness.Run(RunFiber(function)).ok());
  EXPECT_EQ(seen, "out of the task");
}

TEST(FiberExceptionTest, OnePassesThroughFibersAndTasksInTurn) {
  TaskHarness harness;
  struct Nest {
    static Task<void> Down(int depth) {
      if (depth == 0) co_await Fail("from the bottom");
      (void)co_await RunFiber([depth] { Await(Down(depth - 1)); });
    }
  };
  EXPECT_THROW(harness.Run(Nest::Down(5)), std::runtime_error);
}

TEST(FiberExceptionTest, AHandlerThatAwaitsKeepsItsException) {
  TaskHarness harness;
  // Handlers of several fibers begin and end crosswise: the runtime keeps one stack of caught
  // exceptions per thread, which knows only nesting.
  auto handle = [](std::string text, absl::Duration pause) {
    return [text, pause] {
      std::string rethrown;
      try {
        try {
          throw std::runtime_error(text);
        } catch (const std::runtime_error&) {
          Await(Nap(pause));
          EXPECT_EQ(std::uncaught_exceptions(), 0);
          throw;
        }
      } catch (const std::runtime_error& error) {
        rethrown = error.what();
      }
      EXPECT_EQ(std::current_exception(), nullptr);
      return rethrown;
    };
  };
  auto program = [&]() -> Task<void> {
    auto [a, b, c] = co_await WhenAll(RunFiber(handle("a", absl::Milliseconds(3))),
                                      RunFiber(handle("b", absl::Milliseconds(1))),
                                      RunFiber(handle("c", absl::Milliseconds(2))));
    EXPECT_EQ(*a, "a");
    EXPECT_EQ(*b, "b");
    EXPECT_EQ(*c, "c");
  };
  harness.Run(program());
}

TEST(FiberExceptionTest, AHandlersExceptionIsOutOfSightForOthers) {
  TaskHarness harness;
  auto looks = []() -> Task<void> {
    EXPECT_EQ(std::current_exception(), nullptr);
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    co_return;
  };
  auto function = [&] {
    try {
      throw std::runtime_error("mine");
    } catch (const std::runtime_error&) {
      Await(looks());
      EXPECT_NE(std::current_exception(), nullptr);
    }
  };
  EXPECT_TRUE(harness.Run(RunFiber(function)).ok());
}

// Awaits when it is destroyed, and notes what it sees of exceptions in flight.
class AwaitsAtTheEnd {
 public:
  AwaitsAtTheEnd(absl::Duration pause, std::vector<int>* seen) : pause_(pause), seen_(seen) {}
  ~AwaitsAtTheEnd() {
    seen_->push_back(std::uncaught_exceptions());
    Await(Nap(pause_));
    seen_->push_back(std::uncaught_exceptions());
  }

 private:
  absl::Duration pause_;
  std::vector<int>* seen_;
};

TEST(FiberExceptionTest, ADestructorAwaitsWhileTheStackUnwinds) {
  TaskHarness harness;
  std::vector<int> seen;
  std::vector<int> seen_elsewhere;
  auto throws = [&] {
    const AwaitsAtTheEnd awaits(absl::Milliseconds(2), &seen);
    throw std::runtime_error("unwinds");
  };
  auto returns = [&] { const AwaitsAtTheEnd awaits(absl::Milliseconds(1), &seen_elsewhere); };
  auto program = [&]() -> Task<void> {
    auto [first, second] = co_await WhenAll(
        [](auto function) -> Task<std::string> {
          try {
            (void)co_await RunFiber(function);
          } catch (const std::runtime_error& error) {
            co_return error.what();
          }
          co_return "";
        }(throws),
        RunFiber(returns));
    EXPECT_EQ(first, "unwinds");
    EXPECT_TRUE(second.ok());
  };
  harness.Run(program());
  EXPECT_EQ(seen, (std::vector<int>{1, 1}));
  EXPECT_EQ(seen_elsewhere, (std::vector<int>{0, 0}));
}

}  // namespace
}  // namespace pelton
