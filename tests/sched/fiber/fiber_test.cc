#include "sched/fiber/fiber.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <coroutine>
#include <cstdint>
#include <fstream>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

[[gnu::noinline]] Task<int> Plus(int left, int right) {
  co_await Yield();
  co_return left + right;
}

TEST(FiberTest, YieldsWhatTheFunctionReturns) {
  TaskHarness harness;
  const absl::StatusOr<int> value = harness.Run(RunFiber([] { return 7; }));
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(*value, 7);
  EXPECT_TRUE(harness.Run(RunFiber([] {})).ok());
  EXPECT_EQ(harness.Run(RunFiber([] { return absl::AbortedError("as it says"); })),
            absl::AbortedError("as it says"));
  const absl::StatusOr<std::string> text =
      harness.Run(RunFiber([]() -> absl::StatusOr<std::string> { return "text"; }));
  EXPECT_EQ(*text, "text");
  absl::StatusOr<std::unique_ptr<int>> moved =
      harness.Run(RunFiber([] { return std::make_unique<int>(5); }));
  EXPECT_EQ(**moved, 5);
}

TEST(FiberTest, TakesFunctionsThatCanOnlyBeMoved) {
  TaskHarness harness;
  auto owned = std::make_unique<int>(3);
  EXPECT_EQ(*harness.Run(RunFiber([owned = std::move(owned)] { return *owned; })), 3);
}

TEST(FiberTest, DoesNotRunBeforeItIsAwaited) {
  TaskHarness harness;
  bool ran = false;
  {
    const Task<absl::Status> dropped = RunFiber([&ran] { ran = true; });
    EXPECT_TRUE(dropped.valid());
  }
  EXPECT_FALSE(ran);
}

TEST(FiberTest, AwaitsATaskAtAnyDepth) {
  TaskHarness harness;
  struct Recursion {
    static int Sum(int depth) { return depth == 0 ? 0 : Await(Plus(depth, Sum(depth - 1))); }
  };
  EXPECT_EQ(*harness.Run(RunFiber([] { return Recursion::Sum(20); })), 210);
}

TEST(FiberTest, BlocksNobodyElseWhileItAwaits) {
  TaskHarness harness;
  std::vector<std::string> events;
  auto program = [&]() -> Task<void> {
    auto fiber = [&] {
      events.push_back("fiber sleeps");
      EXPECT_TRUE(Await(SleepFor(absl::Milliseconds(10))).ok());
      events.push_back("fiber wakes");
    };
    auto task = [&]() -> Task<void> {
      events.push_back("task");
      co_return;
    };
    auto [status, done] = co_await WhenAll(RunFiber(fiber), task());
    EXPECT_TRUE(status.ok());
  };
  harness.Run(program());
  EXPECT_EQ(events, (std::vector<std::string>{"fiber sleeps", "task", "fiber wakes"}));
  EXPECT_GE(harness.now(), Timestamp::FromNanoseconds(10'000'000));
}

TEST(FiberTest, AwaitOfAReadyAwaitableDoesNotSwitch) {
  TaskHarness harness;
  const uint64_t before = harness.scheduler().statistics().resumptions;
  EXPECT_TRUE(harness.Run(RunFiber([] { Await(PreemptionPoint()); })).ok());
  EXPECT_EQ(harness.scheduler().statistics().resumptions, before + 1);
}

TEST(FiberTest, GivesWayInALoopOfReadyTasks) {
  TaskHarness harness({.operation_budget = 32});
  int64_t others = 0;
  bool done = false;
  auto program = [&]() -> Task<void> {
    TaskScope scope;
    scope.Spawn([&]() -> Task<void> {
      while (!done) {
        ++others;
        co_await Yield();
      }
    });
    auto fiber = [] {
      int sum = 0;
      for (int i = 0; i < 1000; ++i) {
        sum += Await([]() -> Task<int> { co_return 1; }());
      }
      return sum;
    };
    const absl::StatusOr<int> sum = co_await RunFiber(fiber);
    EXPECT_EQ(*sum, 1000);
    done = true;
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(program());
  EXPECT_GE(others, 1000 / 32);
}

TEST(FiberTest, FiberYieldLetsEveryReadyTaskRunFirst) {
  TaskHarness harness;
  std::string order;
  auto program = [&]() -> Task<void> {
    auto count = [&order](char name) {
      return [&order, name] {
        for (int i = 0; i < 3; ++i) {
          order.push_back(name);
          FiberYield();
        }
      };
    };
    auto [a, b] = co_await WhenAll(RunFiber(count('a')), RunFiber(count('b')));
    EXPECT_TRUE(a.ok() && b.ok());
  };
  harness.Run(program());
  EXPECT_EQ(order, "ababab");
}

TEST(FiberTest, FibersAwaitTasksThatAwaitFibers) {
  TaskHarness harness;
  struct Nest {
    static Task<int> AsTask(int depth) {
      EXPECT_FALSE(InFiber()) << "a task runs on the scheduler's stack";
      if (depth == 0) {
        EXPECT_TRUE((co_await SleepFor(absl::Milliseconds(1))).ok());
        co_return 0;
      }
      const absl::StatusOr<int> below =
          co_await RunFiber([depth] { return AsFunction(depth - 1); });
      co_return *below + 1;
    }
    static int AsFunction(int depth) {
      EXPECT_TRUE(InFiber());
      const int below = Await(AsTask(depth));
      EXPECT_TRUE(InFiber());
      return below + 1;
    }
  };
  EXPECT_EQ(*harness.Run(RunFiber([] { return Nest::AsFunction(10); })), 21);
}

TEST(FiberTest, AFiberAwaitsAFiber) {
  TaskHarness harness;
  auto outer = [] {
    const absl::StatusOr<int> inner = Await(RunFiber([] { return Await(Plus(1, 2)); }));
    return Await(Plus(*inner, 4));
  };
  EXPECT_EQ(*harness.Run(RunFiber(outer)), 7);
}

TEST(FiberTest, AFiberOwnsAScope) {
  TaskHarness harness;
  int done = 0;
  auto fiber = [&done] {
    TaskScope scope;
    for (int i = 0; i < 3; ++i) {
      scope.Spawn([&done]() -> Task<absl::Status> {
        ++done;
        co_return co_await SleepFor(absl::Milliseconds(1));
      });
    }
    return Await(scope.Join());
  };
  EXPECT_TRUE(harness.Run(RunFiber(fiber)).ok());
  EXPECT_EQ(done, 3);
}

// Yields the files and lines at which the flow awaits, from the inside out.
class AwaitChain {
 public:
  using Places = std::vector<std::pair<std::string, unsigned>>;

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  bool await_suspend(std::coroutine_handle<Promise> task) noexcept {
    leaf_ = &task.promise();
    return false;
  }
  Places await_resume() const {
    Places places;
    for (PromiseBase* at = leaf_; at != nullptr; at = at->parent()) {
      const std::string file = at->awaiting_at().file_name();
      places.emplace_back(file.substr(file.rfind('/') + 1), at->awaiting_at().line());
    }
    return places;
  }

 private:
  PromiseBase* leaf_ = nullptr;
};

TEST(FiberTest, TheParentsOfAnAwaitedTaskLeadToTheCallerOfTheFiber) {
  TaskHarness harness;
  AwaitChain::Places chain;
  unsigned task_line = 0;
  unsigned fiber_line = 0;
  unsigned caller_line = 0;
  auto inner = [&]() -> Task<void> {
    task_line = __LINE__ + 1;
    chain = co_await AwaitChain();
  };
  auto caller = [&]() -> Task<absl::Status> {
    auto function = [&] {
      Await(Plus(1, 2));
      fiber_line = __LINE__ + 1;
      Await(inner());
    };
    caller_line = __LINE__ + 1;
    co_return co_await RunFiber(function);
  };
  EXPECT_TRUE(harness.Run(caller()).ok());
  ASSERT_GE(chain.size(), 3u);
  EXPECT_EQ(chain[0], std::make_pair(std::string("fiber_test.cc"), task_line));
  EXPECT_EQ(chain[1], std::make_pair(std::string("fiber_test.cc"), fiber_line));
  EXPECT_EQ(chain[2], std::make_pair(std::string("fiber_test.cc"), caller_line));
}

TEST(FiberTest, BeforeItsFirstAwaitAFiberStandsWhereItWasStarted) {
  TaskHarness harness;
  std::source_location seen;
  auto function = [&seen] {
    seen = sched_internal::FiberControl::Running()->carrier().awaiting_at();
  };
  const unsigned line = __LINE__ + 1;
  EXPECT_TRUE(harness.Run(RunFiber(function)).ok());
  EXPECT_EQ(seen.line(), line);
  EXPECT_TRUE(std::string_view(seen.file_name()).ends_with("fiber_test.cc"));
}

TEST(FiberTest, ReturnsReferencesFromAwaits) {
  TaskHarness harness;
  int value = 1;
  auto refer = [&value]() -> Task<int&> { co_return value; };
  EXPECT_TRUE(harness.Run(RunFiber([&] { Await(refer()) = 2; })).ok());
  EXPECT_EQ(value, 2);
}

TEST(FiberTest, AStackOutOfRangeIsAnInvalidArgument) {
  TaskHarness harness;
  bool ran = false;
  const absl::Status small =
      harness.Run(RunFiber([&ran] { ran = true; }, {.stack_bytes = 100, .name = "tiny"}));
  EXPECT_TRUE(absl::IsInvalidArgument(small)) << small;
  EXPECT_NE(small.message().find("fiber tiny asks for a stack of 100 bytes"), std::string::npos);
  EXPECT_FALSE(ran);
}

TEST(FiberTest, AStackThatTheKernelRefusesIsResourceExhausted) {
  TaskHarness harness;
  std::ifstream statm("/proc/self/statm");
  rlim_t pages = 0;
  statm >> pages;
  ASSERT_GT(pages, 0u);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = pages * 4096 + (rlim_t{64} << 20);
  bool ran = false;
  ASSERT_EQ(setrlimit(RLIMIT_AS, &tight), 0);
  const absl::StatusOr<int> refused =
      harness.Run(RunFiber([&ran] { return ran = true, 1; }, {.stack_bytes = size_t{512} << 20}));
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  EXPECT_NE(refused.status().message().find("ENOMEM"), std::string::npos);
  EXPECT_FALSE(ran);
}

TEST(FiberTest, ReportsHowMuchStackItUsedWhenAsked) {
  TaskHarness harness;
  auto deep = [] {
    volatile char buffer[40 * 1024];
    for (char volatile& byte : buffer) byte = 1;
    FiberYield();
  };
  size_t used = 0;
  ASSERT_TRUE(
      harness.Run(RunFiber(deep, {.stack_bytes = 256 * 1024, .stack_used_bytes = &used})).ok());
  EXPECT_GE(used, 40u * 1024);
  EXPECT_LE(used, 64u * 1024);
  ASSERT_TRUE(
      harness.Run(RunFiber([] {}, {.stack_bytes = 256 * 1024, .stack_used_bytes = &used})).ok());
  EXPECT_LE(used, 16u * 1024) << "the stack is the same, and emptied in between";
}

TEST(FiberDeathTest, AwaitOutsideOfAFiberSaysWhatToDo) {
  TaskHarness harness;
  EXPECT_FALSE(InFiber());
  auto task = []() -> Task<void> {
    FiberYield();
    co_return;
  };
  EXPECT_DEATH(harness.Run(task()), "Await\\(\\) at .*fiber_test.cc:.* is not on a fiber");
}

}  // namespace
}  // namespace pelton
