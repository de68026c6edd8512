// The memory of what waits, in each of the five models of program flow and in the peers.
//
// Each benchmark starts so many waiters (its argument) and looks at what all of them together take:
// `frames` from the shard's pool, `stack` of fibers, `resident` of the whole process, which includes
// all the rest, and `kernel` for the kernel's stacks of threads: bytes for each waiter. What a benchmark has freed the
// next one may use: `resident` means something only if a benchmark has a process for itself.

#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <unistd.h>

// Asio 1.22 does not recognise this compiler's coroutines by itself.
#define ASIO_STANDALONE
#define ASIO_HAS_CO_AWAIT
#define ASIO_HAS_STD_COROUTINE
#include <asio.hpp>
#include <boost/context/detail/fcontext.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "alloc/frame_pool.h"
#include "bench/sched/benchmark_shard.h"
#include "framework/base/check.h"
#include "sched/blocking/blocking_pool.h"
#include "sched/blocking/run_blocking.h"
#include "sched/callback/start_with_callback.h"
#include "sched/fiber/fiber.h"
#include "sched/fiber/fiber_statistics.h"
#include "sched/future/future.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {
namespace {

constexpr absl::Duration kLong = absl::Hours(1);

double ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t mapped = 0, resident = 0;
  PELTON_CHECK(static_cast<bool>(file >> mapped >> resident));
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// Of all processes: there is no count of one's own.
double KernelStackBytes() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word && word != "KernelStack:") {
  }
  double kilobytes = 0;
  PELTON_CHECK(static_cast<bool>(file >> kilobytes));
  return kilobytes * 1024;
}

// Reports what was taken since it was made.
class Meter {
 public:
  void Report(benchmark::State& state) const {
    const double waiters = static_cast<double>(state.range(0));
    state.counters["resident"] = (ResidentBytes() - resident_) / waiters;
    state.counters["kernel"] = (KernelStackBytes() - kernel_) / waiters;
    if (FramePool::Current() != nullptr) {
      state.counters["frames"] =
          (static_cast<double>(FramePool::Current()->LiveBytes()) - frames_) / waiters;
      state.counters["stack"] =
          (static_cast<double>(GetFiberStatistics().resident_bytes) - stack_) / waiters;
    }
  }

 private:
  const double frames_ =
      FramePool::Current() == nullptr ? 0 : static_cast<double>(FramePool::Current()->LiveBytes());
  const double stack_ = static_cast<double>(GetFiberStatistics().resident_bytes);
  const double resident_ = ResidentBytes();
  const double kernel_ = KernelStackBytes();
};

Task<void> UntilOthersWait() {
  Scheduler& scheduler = *Scheduler::Current();
  while (scheduler.group_statistics(SchedulingGroup()).ready > 0) co_await Yield();
}

template <typename Start>
Task<void> HoldWaiters(benchmark::State& state, Start start) {
  for (auto _ : state) {
    const Meter meter;
    TaskScope scope;
    // NOLINTNEXTLINE(pelton-await-free-loop): starts the waiters that are measured.
    for (int64_t i = 0; i < state.range(0); ++i) start(scope);
    co_await UntilOthersWait();
    meter.Report(state);
    scope.Cancel();
    PELTON_CHECK((co_await scope.Join()).ok());
  }
}

template <typename Start>
void MeasureWaiters(benchmark::State& state, Start start) {
  BenchmarkShard shard;
  shard.Run(HoldWaiters(state, start));
}

Task<absl::Status> Sleeper() { co_return co_await SleepFor(kLong); }

void BM_Coroutine_Memory(benchmark::State& state) {
  MeasureWaiters(state, [](TaskScope& scope) { scope.Spawn(Sleeper()); });
}
void BM_Fiber_Memory(benchmark::State& state) {
  MeasureWaiters(state, [](TaskScope& scope) {
    scope.Spawn(RunFiber([] { return Await(SleepFor(kLong)); }));
  });
}
void BM_Callback_Memory(benchmark::State& state) {
  MeasureWaiters(state, [](TaskScope& scope) {
    StartWithCallback(
        scope, [] { return SleepFor(kLong); },
        [](const absl::Status& status) { PELTON_CHECK(absl::IsCancelled(status)); });
  });
}
void BM_Future_Memory(benchmark::State& state) {
  MeasureWaiters(state,
                 [](TaskScope& scope) { SpawnFuture(scope, Sleeper()).Then([] {}).Ignore(); });
}

// Blocks threads until it is opened.
class Gate {
 public:
  void Pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void AwaitWaiters(int64_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this, count] { return waiting_ == count; });
  }
  void Open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t waiting_ = 0;
  bool open_ = false;
};

Task<void> BlockThreads(benchmark::State& state, BlockingPool& pool) {
  for (auto _ : state) {
    Gate gate;
    const Meter meter;
    TaskScope scope;
    // NOLINTNEXTLINE(pelton-await-free-loop): starts the waiters that are measured.
    for (int64_t i = 0; i < state.range(0); ++i) {
      scope.Spawn([&]() -> Task<absl::Status> {
        co_return co_await RunBlocking(pool, [&gate] { gate.Pass(); });
      });
    }
    co_await UntilOthersWait();
    // NOLINTNEXTLINE(pelton-blocking-call): waits for the threads that are measured.
    gate.AwaitWaiters(state.range(0));
    meter.Report(state);
    // NOLINTNEXTLINE(pelton-blocking-call): lets the threads go that are measured.
    gate.Open();
    PELTON_CHECK((co_await scope.Join()).ok());
  }
}

void BM_Blocking_Memory(benchmark::State& state) {
  BenchmarkShard shard;
  absl::StatusOr<std::unique_ptr<BlockingPool>> pool =
      BlockingPool::Create({.max_threads = static_cast<uint32_t>(state.range(0))});
  PELTON_CHECK(pool.ok()) << pool.status();
  shard.Run(BlockThreads(state, **pool));
}

void BM_StdThread_Memory(benchmark::State& state) {
  for (auto _ : state) {
    Gate gate;
    const Meter meter;
    std::vector<std::thread> threads;
    for (int64_t i = 0; i < state.range(0); ++i) threads.emplace_back([&gate] { gate.Pass(); });
    gate.AwaitWaiters(state.range(0));
    meter.Report(state);
    gate.Open();
    for (std::thread& thread : threads) thread.join();
  }
}

// Contexts on stacks that lie side by side, without guards, and know nothing of timers.
void BM_BoostContext_Memory(benchmark::State& state) {
  namespace context = boost::context::detail;
  constexpr size_t kStackBytes = 64 * 1024;
  const size_t bytes = static_cast<size_t>(state.range(0)) * kStackBytes;
  for (auto _ : state) {
    const Meter meter;
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    PELTON_CHECK(memory != MAP_FAILED);
    PELTON_CHECK(madvise(memory, bytes, MADV_NOHUGEPAGE) == 0);
    char* top = static_cast<char*>(memory);
    for (int64_t i = 0; i < state.range(0); ++i) {
      top += kStackBytes;
      const context::fcontext_t made =
          context::make_fcontext(top, kStackBytes, [](context::transfer_t from) {
            for (;;) from = context::jump_fcontext(from.fctx, nullptr);
          });
      benchmark::DoNotOptimize(context::jump_fcontext(made, nullptr));
    }
    meter.Report(state);
    PELTON_CHECK(munmap(memory, bytes) == 0);
  }
}

asio::awaitable<void> AsioSleeper(asio::io_context& loop) {
  asio::steady_timer timer(loop, std::chrono::hours(1));
  co_await timer.async_wait(asio::use_awaitable);
}

void BM_AsioCoroutine_Memory(benchmark::State& state) {
  for (auto _ : state) {
    asio::io_context loop(1);
    const Meter meter;
    for (int64_t i = 0; i < state.range(0); ++i) {
      asio::co_spawn(loop, AsioSleeper(loop), asio::detached);
    }
    loop.poll();
    meter.Report(state);
  }
}

void BM_AsioTimer_Memory(benchmark::State& state) {
  for (auto _ : state) {
    asio::io_context loop(1);
    const Meter meter;
    std::vector<std::unique_ptr<asio::steady_timer>> timers;
    for (int64_t i = 0; i < state.range(0); ++i) {
      timers.push_back(std::make_unique<asio::steady_timer>(loop, std::chrono::hours(1)));
      timers.back()->async_wait([](const asio::error_code&) {});
    }
    loop.poll();
    meter.Report(state);
  }
}

void Waiters(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(1000)->Arg(100'000)->Iterations(1)->Unit(benchmark::kMillisecond);
}
void Threads(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(1000)->Iterations(1)->Unit(benchmark::kMillisecond);
}

BENCHMARK(BM_Coroutine_Memory)->Apply(Waiters);
BENCHMARK(BM_Fiber_Memory)->Apply(Waiters);
BENCHMARK(BM_Callback_Memory)->Apply(Waiters);
BENCHMARK(BM_Future_Memory)->Apply(Waiters);
BENCHMARK(BM_Blocking_Memory)->Apply(Threads);
BENCHMARK(BM_BoostContext_Memory)->Apply(Waiters);
BENCHMARK(BM_AsioCoroutine_Memory)->Apply(Waiters);
BENCHMARK(BM_AsioTimer_Memory)->Apply(Waiters);
BENCHMARK(BM_StdThread_Memory)->Apply(Threads);

}  // namespace
}  // namespace pelton
