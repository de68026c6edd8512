#include "framework/testing/virtual_time.h"

#include "framework/base/check.h"
#include "framework/testing/internal/live_work.h"
#include "framework/testing/internal/test_run.h"

namespace pelton::testing {
namespace {

testing_internal::TestRun& CurrentRun() {
  testing_internal::TestRun* const run = testing_internal::TestRun::Current();
  PELTON_CHECK(run != nullptr) << "virtual time is that of a PELTON_TEST, and none runs";
  return *run;
}

}  // namespace

Task<void> AdvanceTime(absl::Duration duration) {
  CurrentRun().clock();  // checks that it is virtual
  co_await testing_internal::Pause(duration);
  co_await Settle();
}

Task<void> Settle() { return CurrentRun().Settle(); }

void Stall(absl::Duration duration) { CurrentRun().clock().Advance(duration); }

}  // namespace pelton::testing
