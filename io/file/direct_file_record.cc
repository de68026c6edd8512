#include "io/file/direct_file_record.h"

#include <cerrno>

#include "framework/base/check.h"
#include "framework/base/status.h"
#include "io/reactor.h"
#include "sched/scheduler.h"

namespace pelton::io {

void DirectFileRecord::Abandon() {
  PELTON_CHECK(uses_ == 0) << "the DirectFile " << path_ << " was destroyed while it is used";
  Reactor::Current()->Start(*this);
}

int DirectFileRecord::Detach() {
  PELTON_CHECK(uses_ == 0) << "the DirectFile " << path_ << " was closed while it is used";
  const int descriptor = Operation::descriptor;
  delete this;
  return descriptor;
}

void DirectFileRecord::OnCompletion(const Completion& /*completion*/) {
  delete this;  // whatever close(2) said, the descriptor is gone
}

absl::Status DirectFileRecord::Error(int error_number, std::string_view operation) const {
  return DirectFileError(error_number, operation, path_);
}

absl::Status DirectFileError(int error_number, std::string_view operation, std::string_view path) {
  const TaskContext& flow = Scheduler::Current()->current_context();
  if (error_number == ECANCELED && flow.StoppedFrom(StopPhase::kAccepting)) {
    return flow.StopStatus();
  }
  return ErrnoToStatus(error_number, operation, path);
}

}  // namespace pelton::io
