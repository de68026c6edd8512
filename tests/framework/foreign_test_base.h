// A stepped service that does nothing but be there, and handles to its shards. The test's thread is
// the foreign one: between two steps it runs no shard.

#ifndef PELTON_TESTS_FRAMEWORK_FOREIGN_TEST_BASE_H_
#define PELTON_TESTS_FRAMEWORK_FOREIGN_TEST_BASE_H_

#include <gtest/gtest.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "framework/foreign.h"
#include "framework/stepped_runtime.h"
#include "tests/support/waits.h"

namespace pelton::testing {

class IdleService {
 public:
  explicit IdleService(const SteppedRuntime::Options& options = {})
      : handles_(options.shards), runtime_(options) {
    runtime_.Start([this](Shard& shard) -> Task<absl::Status> {
      handles_[shard.id().index()] = shard.handle();
      co_return co_await StopWait(StopPhase::kAccepting);
    });
    Settle();
  }
  ~IdleService() {
    if (!runtime_.ended()) End();
  }

  // Steps until nothing is left to do.
  void Settle() {
    while (runtime_.Step()) {
    }
  }
  // Lets the services return, and steps until all is at rest.
  void End() {
    runtime_.RequestStop(StopPhase::kAccepting);
    Settle();
    EXPECT_TRUE(runtime_.ended());
    EXPECT_TRUE(runtime_.status().ok()) << runtime_.status();
  }

  ShardHandle& handle(uint32_t shard = 0) { return *handles_[shard]; }
  SteppedRuntime& runtime() { return runtime_; }

 private:
  std::vector<std::optional<ShardHandle>> handles_;
  SteppedRuntime runtime_;
};

}  // namespace pelton::testing

#endif  // PELTON_TESTS_FRAMEWORK_FOREIGN_TEST_BASE_H_
