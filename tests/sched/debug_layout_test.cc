#include "sched/debug_layout.h"

#include <gtest/gtest.h>

#include <cstring>

#include "sched/sleep.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

template <typename T>
T ReadAt(const void* object, uint32_t offset) {
  T value;
  std::memcpy(&value, static_cast<const char*>(object) + offset, sizeof(value));
  return value;
}

bool IsListed(const Scheduler& scheduler) {
  for (const auto& slot : pelton_debug_schedulers) {
    if (slot.load() == &scheduler) return true;
  }
  return false;
}

TEST(DebugLayoutTest, SchedulersAreListedWhileTheyLive) {
  TaskHarness harness({.shard = 3});
  EXPECT_TRUE(IsListed(harness.scheduler()));
  EXPECT_EQ(ReadAt<uint32_t>(&harness.scheduler(), pelton_debug_layout.scheduler_shard), 3u);
  const Scheduler* dead;
  {
    const VirtualClock clock;
    const Scheduler scheduler(clock);
    EXPECT_TRUE(IsListed(scheduler));
    dead = &scheduler;
  }
  for (const auto& slot : pelton_debug_schedulers) EXPECT_NE(slot.load(), dead);
}

TEST(DebugLayoutTest, TheOffsetsLeadFromASchedulerToTheAwaitOfATask) {
  const DebugLayout& layout = pelton_debug_layout;
  TaskHarness harness;
  uint32_t line = 0;
  const TaskContext* flow = nullptr;
  harness.scope().Spawn([&]() -> Task<absl::Status> {
    flow = &Scheduler::Current()->current_context();
    line = __LINE__ + 1;
    co_return co_await SleepFor(absl::Seconds(5));
  });
  harness.RunReady();

  const char* const scheduler = reinterpret_cast<const char*>(&harness.scheduler());
  EXPECT_EQ(scheduler + layout.scheduler_root, reinterpret_cast<const char*>(&harness.root()));
  EXPECT_EQ(ReadAt<int64_t>(scheduler, layout.scheduler_now), harness.now().nanoseconds());
  EXPECT_EQ(ReadAt<const void*>(scheduler, layout.scheduler_leaf), nullptr);
  // Root, the harness's scope, the flow.
  const void* const scope =
      ReadAt<const char*>(&harness.root(), layout.context_children) - layout.context_hook;
  EXPECT_EQ(ReadAt<uint8_t>(scope, layout.context_state), 0) << "detached";
  EXPECT_EQ(ReadAt<uint8_t>(scope, layout.context_flags) >> 7, 0) << "no flow";
  const void* const child =
      ReadAt<const char*>(scope, layout.context_children) - layout.context_hook;
  ASSERT_EQ(child, flow);
  EXPECT_EQ(ReadAt<const void*>(flow, layout.context_parent), scope);
  EXPECT_EQ(ReadAt<TaskContext::State>(flow, layout.context_state), TaskContext::State::kSuspended);
  EXPECT_EQ(ReadAt<uint8_t>(flow, layout.context_flags) >> 7, 1);
  EXPECT_EQ(ReadAt<uint8_t>(flow, layout.context_group), 0);
  const void* const leaf = ReadAt<const void*>(flow, layout.context_leaf);
  const void* const location = ReadAt<const void*>(leaf, layout.promise_location);
  EXPECT_STREQ(ReadAt<const char*>(location, 0), "tests/sched/debug_layout_test.cc");
  EXPECT_EQ(ReadAt<uint32_t>(location, 16), line);
  const char* const suspension = ReadAt<const char*>(flow, layout.context_waiting_for);
  EXPECT_EQ(ReadAt<int64_t>(suspension - layout.sleep_suspension, layout.sleep_deadline),
            absl::ToInt64Nanoseconds(absl::Seconds(5)));
  // The branch at the root of the flow.
  const uintptr_t parent = ReadAt<uintptr_t>(leaf, layout.promise_parent);
  EXPECT_NE(parent, 0u);
  EXPECT_EQ(ReadAt<uintptr_t>(reinterpret_cast<const void*>(parent), layout.promise_parent), 0u);
  harness.RunUntilIdle();
}

}  // namespace
}  // namespace pelton
