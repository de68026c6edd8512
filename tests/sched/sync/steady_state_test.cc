// In the steady state, waiting and waking allocates nothing: waiters live in the frames of the tasks
// that wait, and frames come from the pool.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "sched/preemption.h"
#include "sched/sync/barrier.h"
#include "sched/sync/broadcast.h"
#include "sched/sync/channel.h"
#include "sched/sync/condition_variable.h"
#include "sched/sync/event.h"
#include "sched/sync/gate.h"
#include "sched/sync/latch.h"
#include "sched/sync/mutex.h"
#include "sched/sync/once.h"
#include "sched/sync/rate_limiter.h"
#include "sched/sync/semaphore.h"
#include "sched/sync/shared_mutex.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace {

uint64_t allocations = 0;

void* Allocate(std::size_t bytes) {
  ++allocations;
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return Allocate(bytes); }
void* operator new[](std::size_t bytes) { return Allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace pelton {
namespace {

using testing::TaskHarness;

constexpr int kTasks = 4;

struct Primitives {
  Mutex mutex;
  SharedMutex shared_mutex;
  Semaphore semaphore{2};
  ConditionVariable condition;
  Barrier barrier{kTasks};
  Channel<int> channel{2};
  Broadcast<int> broadcast{{.capacity = 2}};
  RateLimiter limiter{{.tokens = 1'000'000, .per = absl::Seconds(1), .burst = 2}};
};

// One of everything, so that of some tasks all have to wait.
Task<absl::Status> Round(Primitives& all, Event& event, Latch& latch, Gate& gate, Once& once) {
  Broadcast<int>::Subscription subscription = all.broadcast.Subscribe();
  {
    PELTON_CO_ASSIGN_OR_RETURN(const Gate::Pass pass, gate.Enter());
    PELTON_CO_RETURN_IF_ERROR(co_await latch.ArriveAndWait());
    PELTON_CO_ASSIGN_OR_RETURN(Mutex::Guard guard, co_await all.mutex.Lock());
    co_await Yield();
    all.condition.NotifyOne();
    if (!event.set()) {
      event.Set();
      PELTON_CO_RETURN_IF_ERROR(co_await all.condition.Wait(guard));
    }
  }
  PELTON_CO_RETURN_IF_ERROR(co_await gate.Close());
  {
    PELTON_CO_ASSIGN_OR_RETURN(const auto shared, co_await all.shared_mutex.LockShared());
    co_await Yield();
  }
  {
    PELTON_CO_ASSIGN_OR_RETURN(const auto alone, co_await all.shared_mutex.Lock());
    co_await Yield();
  }
  PELTON_CO_ASSIGN_OR_RETURN(const auto permits, co_await all.semaphore.Acquire(2));
  PELTON_CO_RETURN_IF_ERROR(co_await event.Wait());
  PELTON_CO_RETURN_IF_ERROR(co_await all.limiter.Acquire());
  PELTON_CO_RETURN_IF_ERROR(co_await once.Run([]() -> Task<void> { co_await Yield(); }));
  PELTON_CO_RETURN_IF_ERROR(co_await all.channel.Send(1));
  PELTON_CO_ASSIGN_OR_RETURN(const auto value, co_await all.channel.Receive());
  EXPECT_EQ(value, 1);
  co_return absl::OkStatus();
}

Task<absl::Status> Rounds(Primitives& all, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    Event event;
    Latch latch(kTasks);
    Gate gate;
    Once once;
    TaskScope scope;
    auto round = [&]() -> Task<absl::Status> {
      PELTON_CO_RETURN_IF_ERROR(co_await Round(all, event, latch, gate, once));
      co_return co_await all.barrier.ArriveAndWait();
    };
    for (int task = 0; task < kTasks; ++task) scope.Spawn(round);
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    Broadcast<int>::Subscription subscription = all.broadcast.Subscribe();
    PELTON_CO_RETURN_IF_ERROR(co_await all.broadcast.Publish(1));
    PELTON_CO_ASSIGN_OR_RETURN(const auto value, co_await subscription.Receive());
    EXPECT_EQ(value, 1);
  }
  co_return absl::OkStatus();
}

TEST(SyncSteadyStateTest, AllocatesNothing) {
  TaskHarness harness;
  Primitives all;
  ASSERT_TRUE(harness.Run(Rounds(all, 100)).ok());  // warms the pool up
  const FramePool::Statistics before = harness.frames().GetStatistics();
  const uint64_t allocations_before = allocations;
  const bool ok = harness.Run(Rounds(all, 2'000)).ok();
  EXPECT_EQ(allocations, allocations_before);
  EXPECT_TRUE(ok);
  EXPECT_EQ(harness.frames().GetStatistics().slabs, before.slabs);
}

TEST(SyncSteadyStateTest, TheCounterCounts) {
  const uint64_t before = allocations;
  void* const memory = ::operator new(64);
  EXPECT_GT(allocations, before);
  ::operator delete(memory);
}

}  // namespace
}  // namespace pelton
