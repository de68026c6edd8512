#include "sched/blocking/blocking_pool.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sched/blocking/run_blocking.h"
#include "tests/sched/blocking/blocker.h"
#include "tests/sched/blocking/shard_threads.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::Blocker;
using testing::MakePool;
using testing::StepUntilEnded;
using testing::TaskHarness;

// What `function` returns on a thread of `pool`.
template <typename Function>
auto Call(TaskHarness& harness, BlockingPool& pool, Function function) {
  auto task = [&]() -> Task<std::invoke_result_t<Function>> {
    co_return (co_await RunBlocking(pool, std::move(function))).value();
  };
  return harness.Run(task());
}

// Holds `threads` threads of `pool` at once, then lets them go.
void UseThreads(TaskHarness& harness, BlockingPool& pool, int threads) {
  Blocker blocker(threads);
  for (int i = 0; i < threads; ++i) {
    harness.scope().Spawn([&]() -> Task<void> {
      EXPECT_TRUE((co_await RunBlocking(pool, [&] { blocker.Hold(); })).ok());
    });
  }
  harness.Turn();
  blocker.AwaitHeld();
  EXPECT_EQ(pool.GetStatistics().running, static_cast<uint64_t>(threads));
  blocker.Release();
  StepUntilEnded(harness);
}

void AwaitThreads(const BlockingPool& pool, uint64_t threads) {
  while (pool.GetStatistics().threads != threads) std::this_thread::yield();
}

// How many threads of this process have a name that begins so.
int ThreadsNamed(const std::string& prefix) {
  int count = 0;
  DIR* const tasks = ::opendir("/proc/self/task");
  while (const dirent* entry = ::readdir(tasks)) {
    std::ifstream file("/proc/self/task/" + std::string(entry->d_name) + "/comm");
    std::string name;
    if (std::getline(file, name) && name.rfind(prefix, 0) == 0) ++count;
  }
  ::closedir(tasks);
  return count;
}

// A thread that was joined may stay visible for a moment.
void AwaitNoThreadsNamed(const std::string& prefix) {
  while (ThreadsNamed(prefix) != 0) std::this_thread::yield();
}

TEST(BlockingPoolTest, RefusesOptionsThatMakeNoSenseAndSaysWhich) {
  const auto error = [](const BlockingPool::Options& options) {
    return BlockingPool::Create(options).status();
  };
  EXPECT_EQ(
      error({.max_threads = 0}),
      absl::InvalidArgumentError("blocking pool \"blocking\": max_threads=0: expected 1 to 1024"));
  EXPECT_EQ(error({.max_threads = 1025}),
            absl::InvalidArgumentError(
                "blocking pool \"blocking\": max_threads=1025: expected 1 to 1024"));
  EXPECT_EQ(error({.min_threads = 3, .max_threads = 2}),
            absl::InvalidArgumentError(
                "blocking pool \"blocking\": min_threads=3 is more than max_threads=2"));
  EXPECT_EQ(
      error({.queue_limit = 0}),
      absl::InvalidArgumentError("blocking pool \"blocking\": queue_limit=0: expected at least 1"));
  EXPECT_EQ(error({.idle_time = absl::Seconds(-1)}),
            absl::InvalidArgumentError("blocking pool \"blocking\": idle_time=-1s: expected a "
                                       "duration that is not negative"));
  EXPECT_EQ(error({.name = ""}),
            absl::InvalidArgumentError("blocking pool \"\": a name of 0 characters: expected 1 to "
                                       "12, as threads are called NAME-15"));
  EXPECT_EQ(error({.name = "thirteenchars"}),
            absl::InvalidArgumentError("blocking pool \"thirteenchars\": a name of 13 characters: "
                                       "expected 1 to 12, as threads are called NAME-15"));
  EXPECT_TRUE(error({.name = "thirteenchars", .max_threads = 10}).ok());
  EXPECT_EQ(error({.stack_bytes = 100}),
            absl::InvalidArgumentError("blocking pool \"blocking\": stack_bytes=100: expected 0 or "
                                       "at least 16384"));
}

TEST(BlockingPoolTest, NamesItsThreads) {
  TaskHarness harness;
  const std::unique_ptr<BlockingPool> pool = MakePool({.name = "disk", .max_threads = 1});
  EXPECT_EQ(pool->name(), "disk");
  const std::string name = Call(harness, *pool, [] {
    char name[16];
    ::pthread_getname_np(::pthread_self(), name, sizeof(name));
    return std::string(name);
  });
  EXPECT_EQ(name, "disk-0");
}

TEST(BlockingPoolTest, BlocksSignalsInItsThreadsButForFaults) {
  TaskHarness harness;
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  const std::unique_ptr<BlockingPool> pool = MakePool();
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(::sigismember(&after, SIGTERM), ::sigismember(&before, SIGTERM)) << "the maker's own";
  const sigset_t mask = Call(harness, *pool, [] {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return mask;
  });
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPROF, SIGALRM, SIGPIPE}) {
    EXPECT_EQ(::sigismember(&mask, signal), 1) << signal;
  }
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    EXPECT_EQ(::sigismember(&mask, signal), 0) << signal;
  }
}

TEST(BlockingPoolTest, GivesItsThreadsTheStackThatWasAskedFor) {
  TaskHarness harness;
  // More than any thread has by default, since stacks are used again.
  constexpr size_t kStack = size_t{20} << 20;
  const std::unique_ptr<BlockingPool> pool = MakePool({.stack_bytes = kStack});
  const size_t stack = Call(harness, *pool, [] {
    pthread_attr_t attributes;
    ::pthread_getattr_np(::pthread_self(), &attributes);
    size_t bytes = 0;
    ::pthread_attr_getstacksize(&attributes, &bytes);
    ::pthread_attr_destroy(&attributes);
    return bytes;
  });
  EXPECT_GE(stack, kStack);
}

TEST(BlockingPoolTest, ItsThreadsAreNotPinnedLikeTheShardThatMadeIt) {
  const auto affinity = [] {
    cpu_set_t cpus;
    ::sched_getaffinity(0, sizeof(cpus), &cpus);
    return cpus;
  };
  const cpu_set_t all = affinity();
  std::thread shard([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &all)) ++cpu;
    CPU_SET(cpu, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
    TaskHarness harness;
    const std::unique_ptr<BlockingPool> pool = MakePool();
    const cpu_set_t of_pool = Call(harness, *pool, affinity);
    EXPECT_TRUE(CPU_EQUAL(&of_pool, &all));
    const cpu_set_t own = affinity();
    EXPECT_TRUE(CPU_EQUAL(&own, &one));
  });
  shard.join();
}

TEST(BlockingPoolTest, GrowsToItsLimitAndNoFurther) {
  TaskHarness harness;
  const std::unique_ptr<BlockingPool> pool = MakePool({.max_threads = 3});
  UseThreads(harness, *pool, 3);
  std::atomic<int> running = 0;
  std::atomic<int> most = 0;
  for (int i = 0; i < 200; ++i) {
    harness.scope().Spawn([&]() -> Task<void> {
      EXPECT_TRUE((co_await RunBlocking(*pool, [&] {
                    const int now = running.fetch_add(1) + 1;
                    int seen = most.load();
                    while (seen < now && !most.compare_exchange_weak(seen, now)) {
                    }
                    std::this_thread::yield();
                    running.fetch_sub(1);
                  })).ok());
    });
  }
  StepUntilEnded(harness);
  EXPECT_LE(most.load(), 3);
  EXPECT_EQ(pool->GetStatistics().completed, 203u);
  EXPECT_EQ(pool->GetStatistics().threads_started, 3u);
}

TEST(BlockingPoolTest, KeepsOneThreadIdleSoThatShardsStartNone) {
  TaskHarness harness;
  const std::unique_ptr<BlockingPool> pool = MakePool({.max_threads = 3});
  EXPECT_EQ(pool->GetStatistics().threads, 1u);
  Call(harness, *pool, [] { return 0; });
  EXPECT_EQ(pool->GetStatistics().threads, 2u);
}

TEST(BlockingPoolTest, EndsThreadsThatHadNothingToDo) {
  TaskHarness harness;
  const std::unique_ptr<BlockingPool> pool = MakePool(
      {.name = "idle", .min_threads = 2, .max_threads = 6, .idle_time = absl::Milliseconds(1)});
  EXPECT_EQ(pool->GetStatistics().threads, 2u);
  for (int round = 0; round < 3; ++round) {
    UseThreads(harness, *pool, 6);
    AwaitThreads(*pool, 2);
  }
  Call(harness, *pool, [] { return 0; });
}

TEST(BlockingPoolTest, WithoutAMinimumTheLastThreadEndsToo) {
  TaskHarness harness;
  const std::unique_ptr<BlockingPool> pool =
      MakePool({.min_threads = 0, .max_threads = 2, .idle_time = absl::ZeroDuration()});
  EXPECT_EQ(pool->GetStatistics().threads, 0u);
  for (int round = 0; round < 300; ++round) {
    EXPECT_EQ(Call(harness, *pool, [=] { return round; }), round);
    if (round % 10 == 0) AwaitThreads(*pool, 0);
  }
}

TEST(BlockingPoolTest, AJobThatComesAsTheLastThreadEndsIsNotForgotten) {
  constexpr int kShards = 2;
  constexpr int kCalls = 2000;
  std::atomic<int> calls = 0;
  std::unique_ptr<BlockingPool> made = MakePool(
      {.name = "last", .min_threads = 0, .max_threads = 1, .idle_time = absl::ZeroDuration()});
  BlockingPool& pool = *made;
  testing::RunOnShards(kShards, std::move(made), [&](TaskHarness& harness, int) {
    for (int i = 0; i < kCalls; ++i) Call(harness, pool, [&] { return calls.fetch_add(1); });
  });
  EXPECT_EQ(calls.load(), kShards * kCalls);
  AwaitNoThreadsNamed("last-");
}

TEST(BlockingPoolTest, ItsThreadsAreGoneWhenItIs) {
  TaskHarness harness;
  std::unique_ptr<BlockingPool> pool = MakePool({.name = "gone", .max_threads = 5});
  UseThreads(harness, *pool, 5);
  EXPECT_EQ(ThreadsNamed("gone-"), 5);
  pool.reset();
  AwaitNoThreadsNamed("gone-");
}

TEST(BlockingPoolTest, IsMadeAndDestroyedAtOnce) {
  for (uint32_t i = 0; i < 200; ++i) MakePool({.min_threads = i % 4, .max_threads = 4});
}

TEST(BlockingPoolDeathTest, MustNotBeDestroyedWithJobs) {
  const auto destroy_early = [] {
    TaskHarness harness;
    Blocker blocker;
    std::unique_ptr<BlockingPool> pool = MakePool({.name = "early", .max_threads = 1});
    for (int i = 0; i < 3; ++i) {
      harness.scope().Spawn(
          [&]() -> Task<void> { (void)co_await RunBlocking(*pool, [&] { blocker.Hold(); }); });
    }
    harness.Turn();
    blocker.AwaitHeld();
    pool.reset();
  };
  EXPECT_DEATH(destroy_early(),
               "the blocking pool \"early\" was destroyed with 2 jobs queued and 1 running");
}

// Threads that may be started before starting one fails with EAGAIN.
std::atomic<int> threads_allowed = 0;
int CreateIfAllowed(pthread_t* thread, const pthread_attr_t* attributes, void* (*main)(void*),
                    void* argument) {
  if (threads_allowed.fetch_sub(1) <= 0) return EAGAIN;
  return ::pthread_create(thread, attributes, main, argument);
}

TEST(BlockingPoolShortageTest, WithoutAnyThreadThereIsNoPool) {
  threads_allowed = 0;
  const absl::Status status =
      BlockingPool::Create({.name = "none", .create_thread = &CreateIfAllowed}).status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  for (const char* part : {"pthread_create", "\"none\"", "EAGAIN", "ulimit -u"}) {
    EXPECT_NE(status.message().find(part), absl::string_view::npos) << status;
  }
}

TEST(BlockingPoolShortageTest, GoesOnWithTheThreadsThatItGot) {
  threads_allowed = 2;
  TaskHarness harness;
  const std::unique_ptr<BlockingPool> pool =
      MakePool({.min_threads = 4, .max_threads = 8, .create_thread = &CreateIfAllowed});
  EXPECT_EQ(pool->GetStatistics().threads, 2u);
  EXPECT_TRUE(absl::IsResourceExhausted(pool->ThreadError()));
  UseThreads(harness, *pool, 2);
  int completed = 0;
  for (int i = 0; i < 50; ++i) {
    harness.scope().Spawn([&]() -> Task<void> {
      EXPECT_TRUE((co_await RunBlocking(*pool, [] {})).ok());
      ++completed;
    });
  }
  StepUntilEnded(harness);
  EXPECT_EQ(completed, 50);
  EXPECT_EQ(pool->GetStatistics().threads, 2u);
  EXPECT_GE(pool->GetStatistics().thread_failures, 1u);
}

TEST(BlockingPoolShortageTest, AJobThatNoThreadCanBeStartedForIsRefused) {
  threads_allowed = 0;
  TaskHarness harness;
  const std::unique_ptr<BlockingPool> pool =
      MakePool({.min_threads = 0, .max_threads = 2, .create_thread = &CreateIfAllowed});
  EXPECT_TRUE(pool->ThreadError().ok());
  bool called = false;
  auto run = [&]() -> Task<absl::Status> {
    co_return co_await RunBlocking(*pool, [&] { called = true; });
  };
  const absl::Status refused = harness.Run(run());
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_FALSE(called);
  EXPECT_EQ(pool->GetStatistics().refused, 1u);
  EXPECT_EQ(pool->GetStatistics().queued, 0u);
  threads_allowed = 1;
  EXPECT_TRUE(harness.Run(run()).ok()) << "a later job tries again";
  EXPECT_TRUE(called);
}

}  // namespace
}  // namespace pelton
