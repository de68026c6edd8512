// Barrier: a number of tasks wait for each other, phase after phase.
//
//   for (Step& step : steps) {
//     Compute(step);
//     PELTON_CO_RETURN_IF_ERROR(co_await barrier.ArriveAndWait());
//   }
//   barrier.ArriveAndDrop();
//
// Shard affinity: the owning shard alone.
// Ownership: outlives the tasks that wait for it (checked).
// Invariants: 1. a phase ends when as many tasks have arrived as participate, and the next begins
// with nobody arrived; 2. a task that is told to stop while it waits takes its arrival back: the phase
// goes on waiting for it, or for another in its place. If it will not come back, it calls
// ArriveAndDrop(), so that nobody waits for it any more; 3. when the end of a phase and a stop meet,
// the first wins.
// Cost: no allocation; the end of a phase is linear in the participants.

#ifndef PELTON_SCHED_SYNC_BARRIER_H_
#define PELTON_SCHED_SYNC_BARRIER_H_

#include <cstdint>
#include <ostream>

#include "absl/status/status.h"
#include "framework/base/check.h"
#include "sched/sync/internal/wait_queue.h"

namespace pelton {

class Barrier {
 public:
  // REQUIRES: participants > 0.
  explicit Barrier(uint64_t participants) : participants_(participants) {
    PELTON_CHECK(participants > 0) << "a Barrier of no participants";
  }
  Barrier(const Barrier&) = delete;
  Barrier& operator=(const Barrier&) = delete;
  ~Barrier() { line_.CheckEmpty("a Barrier"); }

  // `co_await` arrives, and yields an absl::Status: OK at the end of the phase, or the stop status of a
  // task that is told to stop; see invariant 2. REQUIRES: participants() > 0.
  [[nodiscard]] auto ArriveAndWait() {
    PELTON_CHECK(participants_ > 0) << "a Barrier that all participants have dropped";
    return ArriveAwaiter(*this);
  }

  // Leaves for good: this phase and those that follow wait for one participant less.
  // REQUIRES: participants() > 0.
  void ArriveAndDrop() {
    PELTON_CHECK(participants_ > 0) << "more participants dropped a Barrier than it had";
    --participants_;
    if (arrived_ > 0 && arrived_ == participants_) EndPhase();
  }

  uint64_t participants() const { return participants_; }
  // How many wait for the end of this phase.
  uint64_t arrived() const { return arrived_; }
  // How many phases have ended.
  uint64_t phase() const { return phase_; }

 private:
  class [[nodiscard("co_await it")]] ArriveAwaiter final
      : public sched_internal::QueuedAwaiter<ArriveAwaiter> {
   public:
    explicit ArriveAwaiter(Barrier& barrier) : barrier_(barrier) {}
    absl::Status await_resume() const { return Outcome(); }
    void Describe(std::ostream& out) const override {
      out << "barrier " << static_cast<const void*>(&barrier_) << ", where " << barrier_.arrived_
          << " of " << barrier_.participants_ << " have arrived";
    }

   private:
    friend class sched_internal::QueuedAwaiter<ArriveAwaiter>;
    bool TryFinish() {
      if (barrier_.arrived_ + 1 < barrier_.participants_) return false;
      barrier_.EndPhase();
      return true;
    }
    void Enqueue() {
      ++barrier_.arrived_;
      barrier_.line_.PushBack(*this);
    }
    void GaveUp() { --barrier_.arrived_; }

    Barrier& barrier_;
  };

  void EndPhase() {
    arrived_ = 0;
    ++phase_;
    line_.WakeAll();
  }

  uint64_t participants_;
  uint64_t arrived_ = 0;  // the length of the line
  uint64_t phase_ = 0;
  sched_internal::WaitQueue line_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_SYNC_BARRIER_H_
