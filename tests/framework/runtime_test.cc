#include "framework/runtime.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "framework/base/check.h"
#include "framework/base/strings.h"
#include "framework/foreign_ptr.h"
#include "framework/on.h"
#include "framework/sharded.h"
#include "io/tcp_listener.h"
#include "io/tcp_stream.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "tests/framework/runtime_test_base.h"
#include "tests/support/waits.h"

namespace pelton {
namespace {

using testing::EndlessWait;
using testing::StopWait;

// Every test runs on each driver.
class RuntimeTest : public testing::RuntimeTestBase {};

ShardId Other(const Shard& shard) { return ShardId(1 - shard.id().index()); }

void SignalThisProcess(int signal) { ::kill(::getpid(), signal); }

TEST_P(RuntimeTest, RunsEachShardOnAThreadOfItsOwnPinnedToItsCpu) {
  Runtime::Options options = TwoShards();
  options.placement.pins_threads = true;
  pid_t threads[2] = {};
  std::vector<int> cpus[2];
  const absl::Status status = Run(options, [&](Shard& shard) -> Task<absl::Status> {
    const uint32_t index = shard.id().index();
    threads[index] = ::gettid();
    cpu_set_t set;
    PELTON_CHECK(::sched_getaffinity(0, sizeof(set), &set) == 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus[index].push_back(cpu);
    }
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_NE(threads[0], threads[1]);
  for (uint32_t i = 0; i < 2; ++i) {
    EXPECT_NE(threads[i], ::gettid());
    EXPECT_EQ(cpus[i], std::vector<int>{options.placement.cpu_of_shard[i]});
  }
}

TEST_P(RuntimeTest, EndsWheneverItsServicesEnd) {
  // Short lives: shards come to rest at the same moment, in every order.
  for (int life = 0; life < 20; ++life) {
    std::atomic<int> ended = 0;
    const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
      for (uint32_t i = shard.id().index(); i < static_cast<uint32_t>(life) % 3; ++i) {
        co_await On(Other(shard), []() -> Task<void> { co_return; });
      }
      ++ended;
      co_return absl::OkStatus();
    });
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(ended, 2);
  }
}

TEST_P(RuntimeTest, CallsCrossShardsUnderLoad) {
  constexpr uint64_t kCallers = 100;
  constexpr uint64_t kCalls = 100;
  uint64_t sums[2] = {};
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    uint64_t& sum = sums[shard.id().index()];
    TaskScope scope;
    for (uint64_t caller = 0; caller < kCallers; ++caller) {
      scope.Spawn([&sum, &shard, caller]() -> Task<void> {
        for (uint64_t call = 0; call < kCalls; ++call) {
          sum += co_await On(Other(shard), [caller, call]() -> Task<uint64_t> {
            if (call % 8 == 0) co_await Yield();
            co_return caller + call;
          });
        }
      });
    }
    co_return co_await scope.Join();
  });
  EXPECT_TRUE(status.ok()) << status;
  constexpr uint64_t kExpected =
      kCalls * kCallers * (kCallers - 1) / 2 + kCallers * kCalls * (kCalls - 1) / 2;
  EXPECT_EQ(sums[0], kExpected);
  EXPECT_EQ(sums[1], kExpected);
}

TEST_P(RuntimeTest, CancellationsRaceRepliesAcrossThreads) {
  std::atomic<uint64_t> outcomes = 0;
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    for (int round = 0; round < 300; ++round) {
      TaskScope scope;
      for (int i = 0; i < 4; ++i) {
        scope.Spawn([&, i]() -> Task<void> {
          const absl::Status slept = co_await On(Other(shard), [i]() -> Task<absl::Status> {
            co_return co_await SleepFor(absl::Microseconds(i * 10));
          });
          EXPECT_TRUE(slept.ok() || absl::IsCancelled(slept)) << slept;
          ++outcomes;
        });
      }
      for (int i = 0; i < round % 50; ++i) co_await Yield();
      if (round % 2 == 0) PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Microseconds(20)));
      scope.Cancel();
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    }
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(outcomes, 2u * 300 * 4);
}

TEST_P(RuntimeTest, ResultsAndExceptionsCrossThreads) {
  const absl::Status status = Run([](Shard& shard) -> Task<absl::Status> {
    for (int i = 0; i < 100; ++i) {
      const std::string text = co_await On(Other(shard), [i]() -> Task<std::string> {
        co_return std::string(static_cast<size_t>(i) * 10, 'x');
      });
      EXPECT_EQ(text.size(), static_cast<size_t>(i) * 10);
      bool caught = false;
      try {
        co_await On(Other(shard), []() -> Task<void> {
          throw std::runtime_error("from the other thread");
          co_return;
        });
      } catch (const std::runtime_error& error) {
        caught = error.what() == std::string("from the other thread");
      }
      EXPECT_TRUE(caught);
    }
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

// Dies on the shard that made it.
class Homebody {
 public:
  explicit Homebody(std::atomic<int>* deaths) : deaths_(deaths) {}
  ~Homebody() {
    EXPECT_EQ(Shard::Current()->id(), home_);
    ++*deaths_;
  }

 private:
  std::atomic<int>* deaths_;
  ShardId home_ = Shard::Current()->id();
};

TEST_P(RuntimeTest, ForeignObjectsGoHomeBeforeTheEnd) {
  std::atomic<int> deaths = 0;
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    std::vector<ForeignPtr<Homebody>> pointers;
    for (int i = 0; i < 500; ++i) {
      pointers.push_back(co_await On(Other(shard), [&]() -> Task<ForeignPtr<Homebody>> {
        co_return MakeForeign<Homebody>(&deaths);
      }));
    }
    co_return absl::OkStatus();  // all are sent home now
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(deaths, 1'000);
}

TEST_P(RuntimeTest, AShardedServesBothThreads) {
  struct Counter {
    int Add(int amount) { return value += amount; }
    int value = 0;
  };
  Sharded<Counter> counters;
  std::atomic<bool> started = false;
  std::atomic<int> done = 0;
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    if (shard.id() == ShardId(0)) {
      PELTON_CO_RETURN_IF_ERROR(co_await counters.Start());
      started = true;
    }
    while (!started) PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Microseconds(100)));
    for (uint32_t i = 0; i < 200; ++i) {
      co_await counters.Invoke(ShardId(i % 2), &Counter::Add, 1);
    }
    ++done;
    if (shard.id() != ShardId(0)) co_return absl::OkStatus();
    while (done < 2) PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Microseconds(100)));
    EXPECT_EQ(co_await counters.Invoke(ShardId(1), &Counter::Add, 0), 200);
    co_await counters.Stop();
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST_P(RuntimeTest, ShardsTalkOverSockets) {
  std::atomic<uint16_t> port = 0;
  std::string received;
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    if (shard.id() == ShardId(0)) {
      PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener,
                                 TcpListener::Bind("127.0.0.1:0", {.every_shard = false}));
      port = listener.address().port();
      PELTON_CO_ASSIGN_OR_RETURN(TcpStream peer, co_await listener.Accept());
      PELTON_CO_ASSIGN_OR_RETURN(const Chunk bytes, co_await peer.Read());
      co_return co_await peer.Write(bytes);
    }
    while (port == 0) PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Microseconds(100)));
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream peer,
                               co_await TcpStream::Connect(SocketAddress::Loopback(port)));
    PELTON_CO_RETURN_IF_ERROR(co_await peer.Write("hello"));
    PELTON_CO_ASSIGN_OR_RETURN(const Chunk bytes, co_await peer.Read());
    received = std::string(bytes.text());
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(received, "hello");
}

TEST_P(RuntimeTest, ASignalDrainsTheService) {
  std::atomic<int> drained = 0;
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    if (shard.id() == ShardId(1)) SignalThisProcess(SIGTERM);
    const absl::Status accepting = co_await StopWait(StopPhase::kAccepting);
    EXPECT_TRUE(absl::IsUnavailable(accepting)) << accepting;
    EXPECT_TRUE(shard.draining());
    EXPECT_FALSE(StopRequested()) << "what has begun goes on";
    ++drained;
    co_return accepting;
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(drained, 2);
}

TEST_P(RuntimeTest, TheGracePeriodEndsWithACancellation) {
  Runtime::Options options = TwoShards();
  options.grace_period = absl::Milliseconds(20);
  const MonotonicClock clock;
  Timestamp start;
  std::atomic<int> cancelled = 0;
  const absl::Status status = Run(options, [&](Shard& shard) -> Task<absl::Status> {
    if (shard.id() == ShardId(0)) {
      start = clock.Now();
      SignalThisProcess(SIGINT);
    }
    (void)co_await StopWait(StopPhase::kIdle);
    EXPECT_FALSE(StopRequested());
    const absl::Status slept = co_await SleepFor(absl::InfiniteDuration());
    if (absl::IsCancelled(slept)) ++cancelled;
    co_return slept;
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(cancelled, 2);
  EXPECT_GE(clock.Now() - start, options.grace_period);
}

TEST_P(RuntimeTest, ASecondSignalCancelsAtOnce) {
  Runtime::Options options = TwoShards();
  options.grace_period = absl::Hours(1);
  std::atomic<int> cancelled = 0;
  const absl::Status status = Run(options, [&](Shard& shard) -> Task<absl::Status> {
    const bool signals = shard.id() == ShardId(0);
    if (signals) SignalThisProcess(SIGTERM);
    (void)co_await StopWait(StopPhase::kAccepting);
    if (signals) SignalThisProcess(SIGTERM);
    const absl::Status slept = co_await SleepFor(absl::InfiniteDuration());
    if (absl::IsCancelled(slept)) ++cancelled;
    co_return slept;
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(cancelled, 2);
}

TEST_P(RuntimeTest, AnErrorOfOneShardStopsTheOther) {
  std::atomic<int> cancelled = 0;
  const absl::Status status = Run([&](Shard& shard) -> Task<absl::Status> {
    if (shard.id() == ShardId(1)) co_return absl::NotFoundError("no such file");
    const absl::Status slept = co_await SleepFor(absl::InfiniteDuration());
    if (absl::IsCancelled(slept)) ++cancelled;
    co_return slept;
  });
  EXPECT_EQ(status, absl::NotFoundError("shard 1: no such file"));
  EXPECT_EQ(cancelled, 1);
}

TEST_P(RuntimeTest, AnExceptionOfAServiceIsAnError) {
  const absl::Status status = Run([](Shard& shard) -> Task<absl::Status> {
    if (shard.id() == ShardId(0)) throw std::runtime_error("boom");
    co_return co_await SleepFor(absl::InfiniteDuration());
  });
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_TRUE(
      ToStd(status.message()).starts_with("shard 0: the service ended by an exception: boom\n"))
      << status;
}

TEST_P(RuntimeTest, LeavesTheSignalMaskAsItWas) {
  sigset_t mask;
  EXPECT_TRUE(Run([](Shard&) -> Task<absl::Status> { co_return absl::OkStatus(); }).ok());
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  EXPECT_EQ(::sigismember(&mask, SIGTERM), 0);
  EXPECT_EQ(::sigismember(&mask, SIGINT), 0);
}

TEST_P(RuntimeTest, GivesUpWhenATaskDoesNotEndAfterAnError) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Runtime::Options options = TwoShards();
        options.give_up_after = absl::Milliseconds(10);
        (void)Run(options, [](Shard& shard) -> Task<absl::Status> {
          if (shard.id() == ShardId(1)) co_return absl::NotFoundError("no such file");
          co_await EndlessWait();
          co_return absl::OkStatus();
        });
      },
      ::testing::ExitedWithCode(1), "tasks did not end within 10ms of their cancellation");
}

INSTANTIATE_TEST_SUITE_P(Drivers, RuntimeTest, testing::EachDriver(), testing::NameOfDriver);

}  // namespace
}  // namespace pelton
