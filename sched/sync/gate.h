// Gate: counts who is inside, and closes when all have left. For shutting down a part of a service
// while others use it.
//
//   PELTON_CO_ASSIGN_OR_RETURN(Gate::Pass pass, gate.Enter());      // UNAVAILABLE once it is closed
//   ...
//   PELTON_CO_RETURN_IF_ERROR(co_await gate.Close());               // nobody enters; all have left
//
// Shard affinity: the owning shard alone.
// Ownership: outlives its passes and the tasks that wait for it (checked).
// Invariants: 1. once it is closed nobody enters; 2. Close() returns OK only when nobody is inside;
// 3. when the last leaves and a stop meet, the first wins. A stop ends the wait, not the closing.
// Cost: a few ns to enter and leave, no allocation.

#ifndef PELTON_SCHED_SYNC_GATE_H_
#define PELTON_SCHED_SYNC_GATE_H_

#include <cstdint>
#include <ostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "sched/sync/internal/wait_queue.h"

namespace pelton {

class Gate {
 public:
  // Being inside: leaves when it dies. Move-only.
  class [[nodiscard]] Pass {
   public:
    // Outside; to be assigned to.
    Pass() = default;
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&& other) noexcept {
      if (this != &other) {
        Leave();
        gate_ = std::exchange(other.gate_, nullptr);
      }
      return *this;
    }
    ~Pass() { Leave(); }

    // Leaves now. Does nothing outside.
    void Leave() {
      if (gate_ != nullptr) std::exchange(gate_, nullptr)->OnLeave();
    }

   private:
    friend class Gate;
    explicit Pass(Gate& gate) : gate_(&gate) {}

    Gate* gate_ = nullptr;
  };

  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  ~Gate() {
    line_.CheckEmpty("a Gate");
    PELTON_CHECK(inside_ == 0) << "a Gate was destroyed with " << inside_
                               << " inside; co_await Close() first";
  }

  // Enters; never waits. UNAVAILABLE when the gate is closed.
  absl::StatusOr<Pass> Enter() {
    if (closed_) [[unlikely]]
      return absl::UnavailableError("the gate is closed");
    ++inside_;
    return Pass(*this);
  }

  // Closes the gate, at this call. `co_await` yields an absl::Status: OK when all have left, or the
  // stop status of a task that is told to stop; Close() again waits for the rest.
  [[nodiscard]] auto Close() {
    closed_ = true;
    return CloseAwaiter(*this);
  }

  bool closed() const { return closed_; }
  uint64_t inside() const { return inside_; }

 private:
  class [[nodiscard("co_await it")]] CloseAwaiter final
      : public sched_internal::QueuedAwaiter<CloseAwaiter> {
   public:
    explicit CloseAwaiter(Gate& gate) : gate_(gate) {}
    absl::Status await_resume() const { return Outcome(); }
    void Describe(std::ostream& out) const override {
      out << gate_.inside_ << " to leave gate " << static_cast<const void*>(&gate_);
    }

   private:
    friend class sched_internal::QueuedAwaiter<CloseAwaiter>;
    bool TryFinish() const { return gate_.inside_ == 0; }
    sched_internal::WaitQueue& line() { return gate_.line_; }

    Gate& gate_;
  };

  void OnLeave() {
    if (--inside_ == 0) line_.WakeAll();
  }

  bool closed_ = false;
  uint64_t inside_ = 0;
  sched_internal::WaitQueue line_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_SYNC_GATE_H_
