#include "sched/cycle_counter.h"

#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace pelton {

const bool CycleCounter::invariant_ = CycleCounter::HasInvariantCounter();
const double CycleCounter::cycles_per_ns_ = CycleCounter::Calibrate();

uint64_t CycleCounter::MonotonicNanoseconds() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

bool CycleCounter::HasInvariantCounter() {
#if defined(__x86_64__)
  // Intel SDM volume 3, 18.17.1 and AMD APM volume 3, E.4.8: CPUID 8000_0007h EDX bit 8.
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) != 0 && (edx & (1u << 8)) != 0;
#else
  return false;
#endif
}

double CycleCounter::Calibrate() {
  if (!invariant_) return 1.0;
  // Half a millisecond is exact to about 0.01 %, which is plenty for a quota; the start of a
  // process should not take longer.
  constexpr uint64_t kSpanNs = 500'000;
  const uint64_t start_ns = MonotonicNanoseconds();
  const uint64_t start_cycles = Now();
  uint64_t end_ns;
  do {
    end_ns = MonotonicNanoseconds();
  } while (end_ns - start_ns < kSpanNs);
  const uint64_t end_cycles = Now();
  return static_cast<double>(end_cycles - start_cycles) / static_cast<double>(end_ns - start_ns);
}

}  // namespace pelton
