// Fibers in numbers: what ten thousand take, how they reuse stacks, and random programs of them
// under two hundred orders of the ready queue.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "framework/base/compiler.h"
#include "sched/deadline.h"
#include "sched/fiber/fiber.h"
#include "sched/fiber/internal/fiber_stack_pool.h"
#include "sched/preemption.h"
#include "sched/random.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

#ifdef PELTON_TSAN
// ThreadSanitizer knows 8,128 threads and fibers at most.
constexpr int kMany = 4'000;
#else
constexpr int kMany = 10'000;
#endif

TEST(FiberManyTest, AWaitingFiberTakesOnePageOfStack) {
  TaskHarness harness;
  int woken = 0;
  auto program = [&]() -> Task<void> {
    const FiberStatistics before = GetFiberStatistics();
    TaskScope scope;
    // pelton: bounded: they are to be there all at once, and nothing else waits to run
    for (int i = 0; i < kMany; ++i) {
      scope.Spawn([&woken] {
        return RunFiber([&woken] {
          EXPECT_TRUE(Await(SleepFor(absl::Seconds(1))).ok());
          ++woken;
        });
      });
    }
    // Time does not pass before all of them wait.
    EXPECT_TRUE((co_await SleepFor(absl::Milliseconds(1))).ok());
    const FiberStatistics waiting = GetFiberStatistics();
    EXPECT_EQ(waiting.live, static_cast<uint64_t>(kMany));
    EXPECT_EQ(waiting.stacks - waiting.free_stacks, static_cast<uint64_t>(kMany));
    const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    const uint64_t pages = (waiting.resident_bytes - before.resident_bytes) / page;
    // One page, in which all its frames lie. Sanitizers make frames larger.
#ifdef PELTON_ASAN
    EXPECT_LE(pages, 4u * kMany);
#else
    EXPECT_EQ(pages, static_cast<uint64_t>(kMany));
#endif
    EXPECT_TRUE((co_await scope.Join()).ok());
  };
  harness.Run(program());
  EXPECT_EQ(woken, kMany);
  const FiberStatistics after = GetFiberStatistics();
  EXPECT_EQ(after.live, 0u);
  EXPECT_EQ(after.stacks, after.free_stacks);
  EXPECT_LE(after.mapped_bytes, sched_internal::FiberStackPool::kFreeBytes);
  EXPECT_LE(after.resident_bytes, sched_internal::FiberStackPool::kWarmBytes);
}

TEST(FiberManyTest, FibersInTurnReuseOneStack) {
  TaskHarness harness;
  constexpr size_t kSize = 72 * 1024;  // of this test alone
  std::vector<uintptr_t> places;
  uint64_t stacks = 0;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(harness
                    .Run(RunFiber(
                        [&places] {
                          const auto* stack = sched_internal::FiberControl::Running()->stack();
                          places.push_back(reinterpret_cast<uintptr_t>(stack->top()));
                          FiberYield();
                        },
                        {.stack_bytes = kSize}))
                    .ok());
    if (i == 0) stacks = GetFiberStatistics().stacks;
  }
  EXPECT_EQ(GetFiberStatistics().stacks, stacks);
  EXPECT_EQ(places, std::vector<uintptr_t>(1000, places.front()));
}

TEST(FiberManyTest, AStackIsReusedAfterAnException) {
  TaskHarness harness;
  for (int i = 0; i < 100; ++i) {
    EXPECT_THROW((void)harness.Run(RunFiber([i]() -> std::string {
      const std::string local(100, 'x');
      FiberYield();
      if (i >= 0) throw std::runtime_error(local);
      return local;
    })),
                 std::runtime_error);
  }
  EXPECT_EQ(GetFiberStatistics().live, 0u);
}

// A tree of fibers and tasks that await each other, sleep, yield, throw and are cancelled as a seed
// decides; counts what began and what ended.
class Program {
 public:
  explicit Program(uint64_t seed) : random_(seed), harness_({.shuffle_seed = seed}) {}

  void Run() {
    harness_.Run(Root());
    EXPECT_GT(started_, 0);
    EXPECT_EQ(started_, ended_);
    EXPECT_EQ(GetFiberStatistics().live, 0u);
    EXPECT_TRUE(harness_.scheduler().NextTimer().infinite()) << "a timer outlived its fiber";
  }

 private:
  static constexpr int kDepth = 5;

  struct Life {
    explicit Life(Program& program) : program(program) { ++program.started_; }
    ~Life() { ++program.ended_; }
    Program& program;
  };

  Task<void> Root() {
    TaskScope scope;
    for (int i = 0; i < 4; ++i) {
      scope.SpawnContained([this] { return AsFiber(kDepth); });
    }
    if (Below(2) == 0) {
      (void)co_await SleepFor(absl::Microseconds(Below(3'000)));
      scope.Cancel();
    }
    EXPECT_TRUE((co_await scope.Join()).ok());
  }

  Task<absl::Status> AsFiber(int depth) {
    return RunFiber([this, depth] { return InsideFiber(depth); },
                    {.stack_bytes = size_t{64} * 1024 << Below(2)});
  }

  absl::Status InsideFiber(int depth) {
    const Life life(*this);
    for (int step = Below(4); step >= 0; --step) {
      switch (Below(depth > 0 ? 7 : 3)) {
        case 0:
          FiberYield();
          break;
        case 1:
          PELTON_RETURN_IF_ERROR(Await(SleepFor(absl::Microseconds(Below(1'000)))));
          break;
        case 2:
          if (Below(4) == 0) throw std::runtime_error("as the dice fell");
          break;
        case 3:
          PELTON_RETURN_IF_ERROR(Await(AsTask(depth - 1)));
          break;
        case 4:
          PELTON_RETURN_IF_ERROR(Await(AsFiber(depth - 1)));
          break;
        case 5:
          (void)Await(WithTimeout(absl::Microseconds(Below(500)), AsFiber(depth - 1)));
          break;
        case 6:
          CatchOneOf(depth);
          break;
      }
    }
    return absl::OkStatus();
  }

  void CatchOneOf(int depth) {
    try {
      (void)Await(WhenAny(AsFiber(depth - 1), AsTask(depth - 1)));
    } catch (const std::runtime_error& error) {
      FiberYield();
      EXPECT_STREQ(error.what(), "as the dice fell");
    }
  }

  Task<absl::Status> AsTask(int depth) {
    const Life life(*this);
    EXPECT_FALSE(InFiber());
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Microseconds(Below(1'000))));
    if (depth == 0) co_return absl::OkStatus();
    auto [first, second] = co_await WhenAll(AsFiber(depth - 1), AsFiber(depth - 1));
    co_return first.ok() ? second : first;
  }

  // 0 to limit - 1.
  int Below(int limit) { return static_cast<int>(random_.Below(static_cast<uint64_t>(limit))); }

  Random random_;
  TaskHarness harness_;
  int started_ = 0;
  int ended_ = 0;
};

class FiberShuffledTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(FiberShuffledTest, EveryFiberEnds) { Program(GetParam()).Run(); }

INSTANTIATE_TEST_SUITE_P(Seeds, FiberShuffledTest, ::testing::Range<uint64_t>(0, 200));

}  // namespace
}  // namespace pelton
