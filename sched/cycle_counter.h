// The cheapest clock of the machine, for the preemption quota and for spinning: the time-stamp
// counter where it is invariant, CLOCK_MONOTONIC otherwise.
//
// Shard affinity: any thread. COST: about 10 ns a reading, less when it overlaps with other work
// (24 ns without an invariant counter).

#ifndef PELTON_SCHED_CYCLE_COUNTER_H_
#define PELTON_SCHED_CYCLE_COUNTER_H_

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace pelton {

// Cycles are of unknown length and comparable within one machine only; ToCycles() scales a
// duration.
class CycleCounter {
 public:
  static uint64_t Now() {
#if defined(__x86_64__)
    if (invariant_) [[likely]]
      return __rdtsc();
#endif
    return MonotonicNanoseconds();
  }

  // How many cycles `ns` nanoseconds are: none when `ns` is negative, and at most 2^62, which is
  // decades.
  static uint64_t FromNanoseconds(int64_t ns) {
    constexpr double kMost = 0x1p62;
    const double cycles = static_cast<double>(ns) * cycles_per_ns_;
    return static_cast<uint64_t>(cycles < 0 ? 0 : cycles > kMost ? kMost : cycles);
  }

  // How many nanoseconds `cycles` are.
  static int64_t ToNanoseconds(uint64_t cycles) {
    return static_cast<int64_t>(static_cast<double>(cycles) / cycles_per_ns_);
  }

 private:
  static uint64_t MonotonicNanoseconds();
  static bool HasInvariantCounter();
  static double Calibrate();

  static const bool invariant_;
  static const double cycles_per_ns_;
};

// Tells the processor that this is a busy-wait loop: saves power, and leaves the core to its
// sibling.
inline void SpinPause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

}  // namespace pelton

#endif  // PELTON_SCHED_CYCLE_COUNTER_H_
