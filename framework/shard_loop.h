// The loop of a shard, on one screen. A template on the driver: one switch when a shard starts
// picks the instantiation.

#ifndef PELTON_FRAMEWORK_SHARD_LOOP_H_
#define PELTON_FRAMEWORK_SHARD_LOOP_H_

#include <algorithm>
#include <cstdint>

#include "framework/shard.h"
#include "io/driver.h"
#include "sched/cycle_counter.h"

namespace pelton {

// One iteration. Everything that is due gets its turn within it, and each part is bounded.
// `wake(uint32_t shard)` wakes another shard that sleeps.
template <io::Driver D, typename Wake>
void RunTurn(Shard& shard, D& driver, Wake&& wake) {
  shard.BeginTurn();
  shard.scheduler().RunReady();                 // until no task is ready or the time quota is spent
  shard.mail().Deliver();                       // messages from other shards make tasks ready
  shard.scheduler().foreign_inbox().Deliver();  // and so does what other threads have left
  shard.scheduler().FireTimers();               // timers that are due make tasks ready
  shard.mail().Flush(wake);                     // what this turn sent, in one batch per receiver
  driver.Submit(shard.reactor());               // what this turn started, in one batch
  driver.Reap(shard.reactor());  // completions make tasks ready; nothing is resumed here
}

// How long a shard with nothing to do may wait, in nanoseconds; negative: until something happens.
inline int64_t WaitLimit(Shard& shard) {
  const Timestamp next = shard.scheduler().NextTimer();
  if (next.infinite()) return -1;
  return std::max<int64_t>(0, next.nanoseconds() - shard.scheduler().PreciseNow().nanoseconds());
}

// Watches for something to do for up to `limit_cycles`, without a system call. Returns whether
// there is.
template <io::Driver D>
bool Spin(const Shard& shard, const D& driver, uint64_t limit_cycles) {
  const uint64_t end = CycleCounter::Now() + limit_cycles;
  do {
    if (driver.HasCompletions() || shard.HasArrivals()) return true;
    for (int i = 0; i < 8; ++i) SpinPause();
  } while (CycleCounter::Now() < end);
  return false;
}

// Blocks until there is something to do. Another shard wakes this one only if its sleep flag is
// set, and the flag is set before the last look at what has arrived: no wake-up is lost.
template <io::Driver D>
void Sleep(Shard& shard, D& driver, int64_t limit_ns) {
  SleepFlag& flag = shard.mail().sleep_flag();
  flag.PrepareToSleep();
  if (!shard.HasArrivals()) driver.Wait(limit_ns);
  flag.WakeUp();
}

// Runs a shard until its service has ended on all shards. `spin_ns` as in Runtime::Options.
template <io::Driver D, typename Wake, typename WakeAll>
void RunShard(Shard& shard, D& driver, int64_t spin_ns, Wake&& wake, WakeAll&& wake_all) {
  const Shard::Binding binding(shard);
  const uint64_t spin_cycles = CycleCounter::FromNanoseconds(spin_ns);
  while (true) {
    RunTurn(shard, driver, wake);
    bool changed;
    if (shard.Finished(changed)) break;
    if (changed) wake_all();
    if (shard.HasWork()) continue;
    const int64_t limit_ns = WaitLimit(shard);
    if (limit_ns == 0) continue;
    shard.BeginIdle();
    if (spin_cycles > 0 && Spin(shard, driver, spin_cycles)) continue;
    Sleep(shard, driver, WaitLimit(shard));
  }
  shard.BeginIdle();
  wake_all();
}

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_SHARD_LOOP_H_
