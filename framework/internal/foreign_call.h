// ForeignCall: one submission of a foreign thread, without its types. The way there, the way back,
// and a cancellation that may follow it.
//
// Shard affinity: Submit(), Cancel(), Await() the foreign side, one thread at a time; the rest the
// shard.
// Ownership: shared by the foreign thread's result and the shard's task.
// Invariants: 1. the task does not end before a cancellation that was sent has arrived, so that the
// shard does not end before it either; 2. the result is the task's until ended(), the foreign
// thread's from then on.

#ifndef PELTON_FRAMEWORK_INTERNAL_FOREIGN_CALL_H_
#define PELTON_FRAMEWORK_INTERNAL_FOREIGN_CALL_H_

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <ostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "framework/internal/foreign_gate.h"
#include "sched/blocking/parker.h"
#include "sched/foreign_inbox.h"
#include "sched/promise.h"
#include "sched/scheduler.h"
#include "sched/task_context.h"

namespace pelton::framework_internal {

class ForeignCall : private ForeignNode {
 public:
  explicit ForeignCall(std::shared_ptr<ForeignGate> gate) : gate_(std::move(gate)) {}
  ForeignCall(const ForeignCall&) = delete;
  ForeignCall& operator=(const ForeignCall&) = delete;
  virtual ~ForeignCall() = default;

  // Sends `call` to its shard, or notes why it cannot be sent.
  static void Submit(const std::shared_ptr<ForeignCall>& call);
  // Has the task told to stop, unless it has ended or was told already.
  void Cancel();
  // Blocks until the call has ended, or `timeout` has passed. Returns whether it has ended.
  bool Await(absl::Duration timeout);

  // Whether the result is there.
  bool ended() const { return ended_.load(std::memory_order_acquire); }
  // Why the call was not sent; OK when it was.
  const absl::Status& refusal() const { return refusal_; }

 protected:
  // Starts the task, which owns the call as well, and in which TaskRuns() comes first and End()
  // last.
  virtual void Start(std::shared_ptr<ForeignCall> self) = 0;

  void TaskRuns();
  // `co_await End();` hands the result over, and waits for a cancellation that is on its way.
  [[nodiscard]] auto End() { return EndAwaiter(*this); }

 private:
  enum class Phase : uint8_t { kOpen, kCancelSent, kClosed };

  class EndAwaiter final : public Suspension {
   public:
    explicit EndAwaiter(ForeignCall& call) : call_(call) {}
    bool await_ready() { return !call_.HandOver(); }
    template <PeltonPromise Promise>
    void await_suspend(std::coroutine_handle<Promise> task) {
      call_.end_waiter_ = this;
      Suspend(task.promise());
    }
    void await_resume() { call_.gate_->Leave(); }
    void CancellationArrived() { Resume(); }

   private:
    // Only the cancellation ends it, and that is on its way.
    void Interrupt() override {}
    void Describe(std::ostream& out) const override { out << "a cancellation from another thread"; }

    ForeignCall& call_;
  };

  struct CancelNode : ForeignNode {
    ForeignCall* call = nullptr;
  };

  // Makes the result the foreign thread's. Returns whether a cancellation is still to arrive.
  bool HandOver();
  void CancellationArrives();

  const std::shared_ptr<ForeignGate> gate_;
  std::shared_ptr<ForeignCall> self_;  // while it is in the inbox
  absl::Status refusal_;
  CancelNode cancel_;
  std::atomic<Phase> phase_ = Phase::kOpen;
  std::atomic<bool> ended_ = false;
  Parker ended_signal_;
  // The shard's.
  bool cancellation_arrived_ = false;
  TaskContext* context_ = nullptr;
  EndAwaiter* end_waiter_ = nullptr;
};

}  // namespace pelton::framework_internal

#endif  // PELTON_FRAMEWORK_INTERNAL_FOREIGN_CALL_H_
