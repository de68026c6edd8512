#include "sched/sleep.h"

namespace pelton {

void SleepUntil::Describe(std::ostream& out) const {
  out << "timer due in "
      << Timestamp::FromNanoseconds(deadline_ns()) - Scheduler::Current()->PreciseNow();
}

}  // namespace pelton
