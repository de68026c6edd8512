#include "sched/sleep.h"

namespace pelton {

void SleepUntil::Describe(std::ostream& out) const {
  out << "timer due in " << deadline_ - Scheduler::Current()->PreciseNow();
}

}  // namespace pelton
