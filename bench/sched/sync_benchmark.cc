// What synchronisation costs: without waiting, and handing over from task to task; Channel beside
// Asio's.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <optional>
#include <utility>

// Asio 1.22 does not recognise this compiler's coroutines by itself.
#define ASIO_STANDALONE
#define ASIO_HAS_CO_AWAIT
#define ASIO_HAS_STD_COROUTINE
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/sched/benchmark_shard.h"
#include "framework/base/check.h"
#include "sched/clock.h"
#include "sched/preemption.h"
#include "sched/scheduler.h"
#include "sched/sync/broadcast.h"
#include "sched/sync/channel.h"
#include "sched/sync/condition_variable.h"
#include "sched/sync/event.h"
#include "sched/sync/gate.h"
#include "sched/sync/mutex.h"
#include "sched/sync/once.h"
#include "sched/sync/rate_limiter.h"
#include "sched/sync/semaphore.h"
#include "sched/sync/shared_mutex.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {
namespace {

// Runs a coroutine of the benchmark on a shard.
template <Task<void> (*kBody)(benchmark::State&)>
void OnShard(benchmark::State& state) {
  BenchmarkShard shard;
  shard.Run(kBody(state));
}

// What does not wait.

Task<void> LockMutex(benchmark::State& state) {
  Mutex mutex;
  for (auto _ : state) {
    const absl::StatusOr<Mutex::Guard> guard = co_await mutex.Lock();
    PELTON_CHECK(guard.ok());
  }
}
BENCHMARK(OnShard<LockMutex>)->Name("BM_Mutex_LockThenUnlock");

Task<void> TryLockMutex(benchmark::State& state) {
  Mutex mutex;
  // pelton: bounded: what is measured, and the shard has nothing else to run
  for (auto _ : state) {
    const std::optional<Mutex::Guard> guard = mutex.TryLock();
    PELTON_CHECK(guard.has_value());
  }
  co_return;
}
BENCHMARK(OnShard<TryLockMutex>)->Name("BM_Mutex_TryLockThenUnlock");

Task<void> LockShared(benchmark::State& state) {
  SharedMutex mutex;
  for (auto _ : state) {
    const auto guard = co_await mutex.LockShared();
    PELTON_CHECK(guard.ok());
  }
}
BENCHMARK(OnShard<LockShared>)->Name("BM_SharedMutex_LockSharedThenUnlock");

Task<void> AcquirePermits(benchmark::State& state) {
  Semaphore semaphore(10);
  for (auto _ : state) {
    const auto permits = co_await semaphore.Acquire(3);
    PELTON_CHECK(permits.ok());
  }
}
BENCHMARK(OnShard<AcquirePermits>)->Name("BM_Semaphore_AcquireThenRelease");

Task<void> WaitForSetEvent(benchmark::State& state) {
  Event event(/*set=*/true);
  for (auto _ : state) PELTON_CHECK((co_await event.Wait()).ok());
}
BENCHMARK(OnShard<WaitForSetEvent>)->Name("BM_Event_WaitWhenSet");

Task<void> EnterGate(benchmark::State& state) {
  Gate gate;
  // pelton: bounded: what is measured, and the shard has nothing else to run
  for (auto _ : state) PELTON_CHECK(gate.Enter().ok());
  co_return;
}
BENCHMARK(OnShard<EnterGate>)->Name("BM_Gate_EnterThenLeave");

Task<void> RunOnceAgain(benchmark::State& state) {
  Once once;
  for (auto _ : state) {
    PELTON_CHECK((co_await once.Run([]() -> Task<void> { co_return; })).ok());
  }
}
BENCHMARK(OnShard<RunOnceAgain>)->Name("BM_Once_RunWhenDone");

Task<void> AcquireTokens(benchmark::State& state) {
  RateLimiter limiter({.tokens = 1'000'000, .per = absl::Nanoseconds(1), .burst = 1'000'000'000});
  for (auto _ : state) PELTON_CHECK((co_await limiter.Acquire()).ok());
}
BENCHMARK(OnShard<AcquireTokens>)->Name("BM_RateLimiter_AcquireWhenThere");

Task<void> SendThenReceive(benchmark::State& state) {
  Channel<int64_t> channel(16);
  int64_t sum = 0;
  for (auto _ : state) {
    PELTON_CHECK((co_await channel.Send(1)).ok());
    const absl::StatusOr<std::optional<int64_t>> value = co_await channel.Receive();
    sum += **value;
  }
  PELTON_CHECK(sum == static_cast<int64_t>(state.iterations()));
}
BENCHMARK(OnShard<SendThenReceive>)->Name("BM_Channel_SendThenReceive");

Task<void> PublishThenReceive(benchmark::State& state) {
  Broadcast<int64_t> broadcast;
  Broadcast<int64_t>::Subscription subscription = broadcast.Subscribe();
  int64_t sum = 0;
  for (auto _ : state) {
    PELTON_CHECK((co_await broadcast.Publish(1)).ok());
    const absl::StatusOr<std::optional<int64_t>> value = co_await subscription.Receive();
    sum += **value;
  }
  PELTON_CHECK(sum == static_cast<int64_t>(state.iterations()));
}
BENCHMARK(OnShard<PublishThenReceive>)->Name("BM_Broadcast_PublishThenReceive");

// What goes from task to task. Each iteration suspends one task and resumes another.

Task<void> LockUntil(Mutex& mutex, const bool& done) {
  while (!done) PELTON_CHECK((co_await mutex.Lock()).ok());
}

Task<void> HandMutexRound(benchmark::State& state) {
  Mutex mutex;
  bool done = false;
  TaskScope scope;
  std::optional<Mutex::Guard> guard = mutex.TryLock();
  // pelton: bounded: the benchmark's argument, and nothing else is to run before all are there
  for (int64_t i = 1; i < state.range(0); ++i) {
    scope.Spawn([&] { return LockUntil(mutex, done); });
  }
  co_await Yield();  // now they are in line, and the line never empties
  guard.reset();
  for (auto _ : state) PELTON_CHECK((co_await mutex.Lock()).ok());
  state.SetItemsProcessed(state.iterations() * state.range(0));
  done = true;
  PELTON_CHECK((co_await scope.Join()).ok());
}
BENCHMARK(OnShard<HandMutexRound>)->Name("BM_Mutex_HandOverRound")->Arg(2)->Arg(16);

Task<void> ReceiveAll(Channel<int64_t>& channel, int64_t& sum) {
  while (true) {
    const absl::StatusOr<std::optional<int64_t>> value = co_await channel.Receive();
    if (!value->has_value()) co_return;
    sum += **value;
  }
}

// The argument is the capacity; 0 hands each value from task to task.
Task<void> StreamThroughChannel(benchmark::State& state) {
  Channel<int64_t> channel(static_cast<size_t>(state.range(0)));
  int64_t sum = 0;
  TaskScope scope;
  scope.Spawn([&] { return ReceiveAll(channel, sum); });
  for (auto _ : state) PELTON_CHECK((co_await channel.Send(1)).ok());
  channel.Close();
  PELTON_CHECK((co_await scope.Join()).ok());
  PELTON_CHECK(sum == static_cast<int64_t>(state.iterations()));
}
BENCHMARK(OnShard<StreamThroughChannel>)->Name("BM_Channel_Stream")->Arg(0)->Arg(1)->Arg(64);

Task<void> NotifyBack(Mutex& mutex, ConditionVariable& condition, int& turn, const bool& done) {
  Mutex::Guard guard = *(co_await mutex.Lock());
  while (!done) {
    while (turn != 1 && !done) PELTON_CHECK((co_await condition.Wait(guard)).ok());
    turn = 0;
    condition.NotifyOne();
  }
}

Task<void> PingPongThroughCondition(benchmark::State& state) {
  Mutex mutex;
  ConditionVariable condition;
  int turn = 0;
  bool done = false;
  TaskScope scope;
  scope.Spawn([&] { return NotifyBack(mutex, condition, turn, done); });
  Mutex::Guard guard = *(co_await mutex.Lock());
  for (auto _ : state) {
    turn = 1;
    condition.NotifyOne();
    while (turn != 0) PELTON_CHECK((co_await condition.Wait(guard)).ok());
  }
  done = true;
  condition.NotifyAll();
  guard.Unlock();
  PELTON_CHECK((co_await scope.Join()).ok());
}
BENCHMARK(OnShard<PingPongThroughCondition>)->Name("BM_ConditionVariable_PingPong");

// Asio's channel, on one thread.

using AsioChannel = asio::experimental::channel<void(asio::error_code, int64_t)>;

asio::awaitable<void> AsioReceiveAll(AsioChannel& channel, int64_t& sum) {
  asio::error_code error;
  while (true) {
    const int64_t value =
        co_await channel.async_receive(asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    sum += value;
  }
}

asio::awaitable<void> AsioStream(benchmark::State& state, AsioChannel& channel) {
  for (auto _ : state) {
    co_await channel.async_send(asio::error_code(), 1, asio::use_awaitable);
  }
  channel.close();
}

void BM_AsioChannel_Stream(benchmark::State& state) {
  asio::io_context context(1);
  AsioChannel channel(context, static_cast<size_t>(state.range(0)));
  int64_t sum = 0;
  asio::co_spawn(context, AsioReceiveAll(channel, sum), asio::detached);
  asio::co_spawn(context, AsioStream(state, channel), asio::detached);
  context.run();
  PELTON_CHECK(sum == static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_AsioChannel_Stream)->Arg(0)->Arg(1)->Arg(64);

asio::awaitable<void> AsioSendThenReceive(benchmark::State& state, AsioChannel& channel) {
  int64_t sum = 0;
  for (auto _ : state) {
    co_await channel.async_send(asio::error_code(), 1, asio::use_awaitable);
    sum += co_await channel.async_receive(asio::use_awaitable);
  }
  PELTON_CHECK(sum == static_cast<int64_t>(state.iterations()));
}

void BM_AsioChannel_SendThenReceive(benchmark::State& state) {
  asio::io_context context(1);
  AsioChannel channel(context, 16);
  asio::co_spawn(context, AsioSendThenReceive(state, channel), asio::detached);
  context.run();
}
BENCHMARK(BM_AsioChannel_SendThenReceive);

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
