// What the benchmarks of the models of program flow report.

#ifndef PELTON_BENCH_SCHED_MODELS_COUNTERS_H_
#define PELTON_BENCH_SCHED_MODELS_COUNTERS_H_

#include <benchmark/benchmark.h>

#include <cstdint>

namespace pelton {

// How many flows are started, or take turns, at a time.
inline constexpr int kBatch = 64;

// Reports what one of `count` costs.
inline void CountEach(benchmark::State& state, int64_t count) {
  state.counters["each"] = benchmark::Counter(
      static_cast<double>(count), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

}  // namespace pelton

#endif  // PELTON_BENCH_SCHED_MODELS_COUNTERS_H_
