#include "sched/sync/event.h"

#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::TaskHarness;
using testing::Waiters;

auto WaitFor(Event& event) {
  return [&event](auto arrive) -> Task<absl::Status> {
    arrive();
    co_return co_await event.Wait();
  };
}

TEST(EventTest, StaysSetUntilItIsReset) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Event event;
    Waiters waiters(harness);
    waiters.StartAll(3, WaitFor(event));
    EXPECT_EQ(waiters.ended(), 0u);
    event.Set();
    event.Set();
    waiters.StartAll(2, WaitFor(event));
    EXPECT_EQ(waiters.ended(), 5u);
    event.Reset();
    EXPECT_FALSE(event.set());
    waiters.StartAll(1, WaitFor(event));
    EXPECT_EQ(waiters.ended(), 5u);
    event.Set();
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 6u);
  });
}

TEST(EventTest, WhoWaitedGoesOnThoughItIsResetBeforeTheyRun) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Event event;
    Waiters waiters(harness);
    waiters.StartAll(3, WaitFor(event));
    event.Set();
    event.Reset();
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 3u);
    for (const auto* waiter : waiters.order_of_ending()) EXPECT_TRUE(waiter->status.ok());
  });
}

TEST(EventTest, MayBeSetFromTheStart) {
  TaskHarness harness;
  Event event(/*set=*/true);
  auto wait = [&]() -> Task<absl::Status> { co_return co_await event.Wait(); };
  EXPECT_TRUE(harness.Run(wait()).ok());
}

TEST(EventTest, TakesADeadlineWithoutATask) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Event event;
    auto wait = [&]() -> Task<absl::Status> {
      co_return co_await WithTimeout(absl::Seconds(1), event.Wait());
    };
    EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(wait())));
    event.Set();
    EXPECT_TRUE(harness.Run(wait()).ok());
  });
}

// The usual life of an event: in the frame of the task that waits for it.
TEST(EventTest, MayDieAsSoonAsItsWaiterHasGoneOn) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Event* shared = nullptr;
    auto wait = [&]() -> Task<absl::Status> {
      Event event;
      shared = &event;
      co_return co_await event.Wait();
    };
    auto set = [&]() -> Task<void> {
      while (shared == nullptr) co_await Yield();
      shared->Set();
    };
    harness.scope().Spawn(set);
    EXPECT_TRUE(harness.Run(wait()).ok());
  });
}

}  // namespace
}  // namespace pelton
