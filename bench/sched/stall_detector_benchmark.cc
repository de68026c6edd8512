// What the stall detector costs a shard: a turn with it and without it.

#include <benchmark/benchmark.h>

#include <cstdint>

#include "alloc/frame_pool.h"
#include "sched/clock.h"
#include "sched/scheduler.h"
#include "sched/stall_detector.h"

namespace pelton {
namespace {

// The least that a turn does: reads the clock and finds nothing to run.
void BM_Turn(benchmark::State& state) {
  FramePool frames;
  const MonotonicClock clock;
  Scheduler scheduler(clock);
  const SchedulerBinding binding(&scheduler, &frames);
  StallBell bell;
  StallDetector detector(absl::Milliseconds(25), bell);
  const bool detects = state.range(0) != 0;
  detector.Attach(scheduler);
  StallDetector* told = detects ? &detector : nullptr;
  benchmark::DoNotOptimize(told);
  for (auto _ : state) {
    scheduler.BeginTurn();
    if (told != nullptr) told->BeginTurn(scheduler.now());
    benchmark::DoNotOptimize(scheduler.RunReady());
  }
  detector.Detach();
}
BENCHMARK(BM_Turn)->ArgName("detects")->Arg(0)->Arg(1);

// Falling idle and waking, while the watching thread is awake.
void BM_IdleAndBack(benchmark::State& state) {
  const MonotonicClock clock;
  Scheduler scheduler(clock);
  StallBell bell;
  StallDetector detector(absl::Milliseconds(25), bell);
  detector.Attach(scheduler);
  for (auto _ : state) {
    detector.BeginTurn(scheduler.now());
    detector.BeginIdle(scheduler.now());
  }
  detector.Detach();
}
BENCHMARK(BM_IdleAndBack);

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
