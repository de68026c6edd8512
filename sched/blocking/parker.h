// Parker: puts one thread to sleep until another wakes it. For threads that are no shards; waking
// is for any thread, shards too, since it never blocks.
//
//   parker.Park();      // the sleeper
//   parker.Unpark();    // any other thread
//
// Shard affinity: Park() and ParkFor() one thread, and no shard's; Unpark() any thread.
// Invariants: 1. an Unpark() that comes before the Park() lets that one through at once; 2. any
// number of them before it count as one; 3. what a thread did before Unpark() is seen after Park().
// Cost: Unpark() is an atomic exchange, and a futex(2) call only when the thread sleeps, or is
// about to.

#ifndef PELTON_SCHED_BLOCKING_PARKER_H_
#define PELTON_SCHED_BLOCKING_PARKER_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace pelton {

class Parker {
 public:
  Parker() = default;
  Parker(const Parker&) = delete;
  Parker& operator=(const Parker&) = delete;

  // Sleeps until Unpark().
  void Park() { (void)ParkFor(absl::InfiniteDuration()); }
  // Sleeps until Unpark(), but no longer than `timeout`. Returns whether it was woken.
  [[nodiscard]] bool ParkFor(absl::Duration timeout);

  // Wakes the sleeper, or lets its next Park() through. The parker may be destroyed by the thread
  // that it woke: nothing of it is read once the wake-up is visible.
  void Unpark();

 private:
  enum : uint32_t { kEmpty, kAsleep, kToken };

  bool TakeToken();

  std::atomic<uint32_t> state_ = kEmpty;
};

}  // namespace pelton

#endif  // PELTON_SCHED_BLOCKING_PARKER_H_
