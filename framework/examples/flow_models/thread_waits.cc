#include "framework/examples/flow_models/thread_waits.h"

#include "absl/time/clock.h"

namespace pelton::models {

absl::Status ThreadWaits::Sleep(absl::Duration duration) const {
  absl::SleepFor(duration);
  return absl::OkStatus();
}

}  // namespace pelton::models
