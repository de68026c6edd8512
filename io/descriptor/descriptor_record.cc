#include "io/descriptor/descriptor_record.h"

#include <cerrno>

#include "framework/base/status.h"
#include "io/reactor.h"
#include "sched/scheduler.h"

namespace pelton::io {

absl::Status OperationFailure(int error_number, std::string_view operation,
                              std::string_view subject) {
  const TaskContext& flow = Scheduler::Current()->current_context();
  if (error_number == ECANCELED && flow.StoppedFrom(StopPhase::kAccepting)) {
    return flow.StopStatus();
  }
  return ErrnoToStatus(error_number, operation, subject);
}

void DescriptorRecord::Abandon() {
  PELTON_CHECK(!in_use_) << name_ << " was destroyed while a task used it";
  Reactor::Current()->Start(*this);
}

void DescriptorRecord::OnCompletion(const Completion&) {
  delete this;  // whatever close(2) said, the descriptor is gone
}

}  // namespace pelton::io
