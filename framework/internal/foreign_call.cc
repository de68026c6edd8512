#include "framework/internal/foreign_call.h"

#include "framework/base/check.h"
#include "framework/shard.h"
#include "sched/clock.h"

namespace pelton::framework_internal {

void ForeignCall::Submit(const std::shared_ptr<ForeignCall>& call) {
  PELTON_CHECK(Shard::Current() == nullptr)
      << "Submit() on the thread of shard " << Shard::Current()->id()
      << ": a shard must not take the lock of foreign threads; co_await On(shard, function)";
  call->self_ = call;
  call->deliver = [](ForeignNode* node) {
    ForeignCall* const arrived = static_cast<ForeignCall*>(node);
    arrived->Start(std::move(arrived->self_));
  };
  call->refusal_ = call->gate_->Enter(*call);
  if (call->refusal_.ok()) return;
  call->self_.reset();
  call->phase_.store(Phase::kClosed);
  call->ended_.store(true);
}

void ForeignCall::Cancel() {
  if (ended()) return;
  cancel_.call = this;
  cancel_.deliver = [](ForeignNode* node) {
    static_cast<CancelNode*>(node)->call->CancellationArrives();
  };
  gate_->Send(cancel_, [this] {
    Phase expected = Phase::kOpen;
    return phase_.compare_exchange_strong(expected, Phase::kCancelSent);
  });
}

bool ForeignCall::Await(absl::Duration timeout) {
  if (ended()) return true;
  PELTON_CHECK(Shard::Current() == nullptr)
      << "Wait() for a result of shard " << gate_->id() << " on the thread of shard "
      << Shard::Current()->id()
      << ": it would block the shard, perhaps for ever; co_await On(shard, function)";
  const MonotonicClock clock;
  const bool limited = timeout != absl::InfiniteDuration();
  const Timestamp end = limited ? clock.Now() + timeout : Timestamp::InfiniteFuture();
  while (!ended()) {
    const absl::Duration left = limited ? end - clock.Now() : absl::InfiniteDuration();
    if (left <= absl::ZeroDuration()) return false;
    (void)ended_signal_.ParkFor(left);
  }
  return true;
}

void ForeignCall::TaskRuns() {
  context_ = &Scheduler::Current()->current_context();
  if (cancellation_arrived_) context_->Stop(StopPhase::kEverything, StopReason::kCancelled);
}

bool ForeignCall::HandOver() {
  context_ = nullptr;
  Phase expected = Phase::kOpen;
  const bool cancelled = !phase_.compare_exchange_strong(expected, Phase::kClosed);
  ended_.store(true, std::memory_order_release);
  ended_signal_.Unpark();
  return cancelled && !cancellation_arrived_;
}

void ForeignCall::CancellationArrives() {
  cancellation_arrived_ = true;
  if (context_ != nullptr) context_->Stop(StopPhase::kEverything, StopReason::kCancelled);
  if (end_waiter_ != nullptr) end_waiter_->CancellationArrived();
}

}  // namespace pelton::framework_internal
