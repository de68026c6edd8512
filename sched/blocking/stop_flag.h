// StopFlag: how a function that blocks a thread learns that nobody wants its result any more.
//
//   co_await RunBlocking(pool, [&](const StopFlag& stop) {
//     for (const Block& block : blocks) { if (stop.requested()) return Partial(); Hash(block); }
//     return Whole();
//   });
//
// Shard affinity: any thread. COST: asking is a load.

#ifndef PELTON_SCHED_BLOCKING_STOP_FLAG_H_
#define PELTON_SCHED_BLOCKING_STOP_FLAG_H_

#include <atomic>

namespace pelton {

class StopFlag {
 public:
  StopFlag() = default;
  StopFlag(const StopFlag&) = delete;
  StopFlag& operator=(const StopFlag&) = delete;

  // Whether the task that awaits the function was told to stop. Stays true. Carries no data: what
  // the shard did before is not made visible by it.
  bool requested() const { return requested_.load(std::memory_order_relaxed); }

  // Asks the function to come to an end.
  void Request() { requested_.store(true, std::memory_order_relaxed); }

 private:
  std::atomic<bool> requested_ = false;
};

}  // namespace pelton

#endif  // PELTON_SCHED_BLOCKING_STOP_FLAG_H_
