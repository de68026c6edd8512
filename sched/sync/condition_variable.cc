#include "sched/sync/condition_variable.h"

namespace pelton {

ConditionVariable::~ConditionVariable() {
  PELTON_CHECK(waits_ == 0) << "a ConditionVariable was destroyed while " << waits_
                            << " tasks wait for it; end them before: join their scope";
}

void ConditionVariable::NotifyOne() {
  if (line_.empty()) return;
  static_cast<WaitAwaiter*>(line_.PopFront())->Notify(/*alone=*/true);
}

void ConditionVariable::NotifyAll() {
  while (!line_.empty()) {
    static_cast<WaitAwaiter*>(line_.PopFront())->Notify(/*alone=*/false);
  }
}

void ConditionVariable::WaitAwaiter::Describe(std::ostream& out) const {
  if (notification_ == Notification::kNone) {
    out << "condition variable " << static_cast<const void*>(&condition_);
  } else {
    mutex_->Describe(out);
  }
}

}  // namespace pelton
