// Latch: waits until a number of things have happened. Opens once, for good.
//
//   Latch started(3);
//   started.CountDown();                                    // three times, anywhere on the shard
//   PELTON_CO_RETURN_IF_ERROR(co_await started.Wait());
//
// Shard affinity: the owning shard alone.
// Ownership: outlives the tasks that wait for it (checked).
// Invariants: 1. an open latch has nobody in line; 2. whoever waited when it opened goes on, also
// when told to stop afterwards; 3. a wait that ends by a stop takes back no count.
// Cost: a few ns when open, no allocation.

#ifndef PELTON_SCHED_SYNC_LATCH_H_
#define PELTON_SCHED_SYNC_LATCH_H_

#include <cstdint>
#include <ostream>

#include "absl/status/status.h"
#include "framework/base/check.h"
#include "sched/sync/internal/wait_queue.h"

namespace pelton {

class Latch {
 public:
  // Opens after `count` have been counted down; is open from the start when that is none.
  explicit Latch(uint64_t count) : count_(count) {}
  Latch(const Latch&) = delete;
  Latch& operator=(const Latch&) = delete;
  ~Latch() { line_.CheckEmpty("a Latch"); }

  // REQUIRES: at least `by` are left.
  void CountDown(uint64_t by = 1) {
    PELTON_CHECK(by <= count_) << "a Latch that waits for " << count_ << " was counted down by "
                               << by;
    count_ -= by;
    if (count_ == 0) line_.WakeAll();
  }
  // How many are left.
  uint64_t count() const { return count_; }
  bool open() const { return count_ == 0; }

  // `co_await` yields an absl::Status: OK once the latch is open, or the stop status of a task that is
  // told to stop.
  [[nodiscard]] auto Wait() { return WaitAwaiter(*this); }
  // Counts one down, at this call, and waits for the rest.
  [[nodiscard]] auto ArriveAndWait() {
    CountDown();
    return WaitAwaiter(*this);
  }

 private:
  class [[nodiscard("co_await it")]] WaitAwaiter final
      : public sched_internal::QueuedAwaiter<WaitAwaiter> {
   public:
    explicit WaitAwaiter(Latch& latch) : latch_(latch) {}
    absl::Status await_resume() const { return Outcome(); }
    void Describe(std::ostream& out) const override {
      out << "latch " << static_cast<const void*>(&latch_) << " with " << latch_.count_ << " left";
    }

   private:
    friend class sched_internal::QueuedAwaiter<WaitAwaiter>;
    bool TryFinish() const { return latch_.open(); }
    sched_internal::WaitQueue& line() { return latch_.line_; }

    Latch& latch_;
  };

  uint64_t count_;
  sched_internal::WaitQueue line_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_SYNC_LATCH_H_
