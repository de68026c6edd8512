#include "framework/testing/assertions.h"

#include "framework/base/check.h"
#include "framework/testing/internal/live_work.h"
#include "framework/testing/internal/test_run.h"

namespace pelton::testing_internal {

Task<Outcome> EndTasks(Outcome outcome) {
  PELTON_CHECK(TestRun::Current() != nullptr)
      << "PELTON_CO_ASSERT_* outside of a PELTON_TEST; use PELTON_TEST or EXPECT_*";
  if (!co_await EndTasksBelow(TestRun::Current()->EndEarly())) {
    ADD_FAILURE() << "tasks below a failed assertion were cancelled and do not end:\n"
                  << DumpShard(*Shard::Current());
  }
  co_return outcome;
}

}  // namespace pelton::testing_internal
