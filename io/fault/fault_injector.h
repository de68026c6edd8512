// The part of FaultDriver that does not depend on the driver below it.
//
// Operations that are handed in to the shard's reactor get a shadow each, which goes to the driver
// through a reactor of the injector's own. Between the two a decision may change, delay, refuse or
// cut short what passes.
//
// Shard affinity: its driver's.
// Ownership: the FaultDriver's. Borrows the operations until their final completion.
// Invariants: 1. an operation completes finally only when its shadow is not with the driver, so
// that the kernel never writes memory that its owner has back; 2. what belongs to one stream begins
// and completes in order, as a kernel has it; 3. everything that is held back is released within
// FaultOptions::most_turns turns, and HasWork() tells the loop not to sleep until then.
// Cost: that of tests. No allocation in the steady state.

#ifndef PELTON_IO_FAULT_FAULT_INJECTOR_H_
#define PELTON_IO_FAULT_FAULT_INJECTOR_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "io/fault/fault_options.h"
#include "io/fault/fault_plan.h"
#include "io/fault/shadow_operation.h"
#include "io/reactor.h"

namespace pelton::io {

class FaultInjector final : private ShadowOwner {
 public:
  // `reactor` is the shard's, and must outlive this.
  FaultInjector(Reactor& reactor, const FaultOptions& options);
  // REQUIRES: nothing is in flight.
  ~FaultInjector();
  FaultInjector(const FaultInjector&) = delete;
  FaultInjector& operator=(const FaultInjector&) = delete;

  // The reactor of the driver below.
  Reactor& inner() { return inner_; }

  // Hands in to the inner reactor what is to begin, and to be cancelled, in this turn.
  void BeforeSubmit();
  // Delivers what the driver has completed and is not held back any longer. Ends the turn.
  void AfterReap();

  // Whether the next turn has something to do, whatever the driver says.
  bool HasWork() const {
    return !late_.empty() || !held_.empty() || late_cancellations_ > 0 || inner_.HasWork();
  }
  bool NextWaitIsSpurious();

  const FaultStatistics& statistics() const { return statistics_; }

 private:
  // A completion that the owner has not seen yet.
  struct Delivery {
    ShadowOperation* shadow;
    Completion completion;
    uint64_t due_turn;
  };

  void Begin(Operation& operation);
  void BeginLate();
  void Submit(ShadowOperation& shadow);
  void Refuse(ShadowOperation& shadow, int error);
  void Cancel(Operation& operation);
  void CancelLate();
  void OnShadowCompletion(ShadowOperation& shadow, const Completion& completion) override;
  void EndEarly(ShadowOperation& shadow, const Completion& completion);
  void Hold(ShadowOperation& shadow, const Completion& completion);
  void Deliver(const Delivery& delivery);
  void CopyStatistics();

  ShadowOperation& TakeShadow();
  ShadowOperation* Find(const Operation& operation);

  Reactor& reactor_;
  Reactor inner_;
  FaultPlan plan_;
  FaultStatistics statistics_;
  uint64_t turn_ = 1;
  std::vector<std::unique_ptr<ShadowOperation>> shadows_;
  std::vector<ShadowOperation*> idle_;
  std::vector<ShadowOperation*> live_;  // of operations in flight
  std::vector<ShadowOperation*> late_;  // not handed to the driver yet, in order
  std::vector<Delivery> held_;          // in the order of arrival
  std::vector<Delivery> delivering_;    // those that an AfterReap() goes through; for its memory
  std::vector<int64_t> blocked_;        // streams with something that has to come first
  size_t late_cancellations_ = 0;
};

}  // namespace pelton::io

#endif  // PELTON_IO_FAULT_FAULT_INJECTOR_H_
