// What becomes of a submission that nobody wants any more.

#include "framework/internal/foreign_call.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "framework/foreign.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "tests/framework/foreign_test_base.h"

namespace pelton {
namespace {

using testing::IdleService;

// What a nap of an hour came to; the hour never passes, since the clock stands still.
class ForeignCallTest : public ::testing::Test {
 protected:
  ForeignResult<absl::Status> SubmitNap() {
    return service_.handle().Submit([this]() -> Task<absl::Status> {
      started_ = true;
      slept_ = co_await SleepFor(absl::Hours(1));
      co_return *slept_;
    });
  }
  // Turns without moving the clock as far as the nap's end.
  void StepAFew() {
    for (int i = 0; i < 3; ++i) service_.runtime().Step();
  }

  bool started_ = false;
  std::optional<absl::Status> slept_;
  IdleService service_;
};

TEST_F(ForeignCallTest, CancelStopsATaskThatWaits) {
  ForeignResult<absl::Status> result = SubmitNap();
  service_.runtime().Step();
  service_.runtime().Step();
  EXPECT_TRUE(started_);
  EXPECT_FALSE(slept_.has_value());
  result.Cancel();
  result.Cancel();  // once more changes nothing
  StepAFew();
  EXPECT_TRUE(result.ready());
  EXPECT_TRUE(absl::IsCancelled(result.Wait()));
}

TEST_F(ForeignCallTest, CancelledBeforeItStartsTheTaskRunsStopped) {
  ForeignResult<absl::Status> result = SubmitNap();
  result.Cancel();
  EXPECT_FALSE(started_);
  StepAFew();
  EXPECT_TRUE(started_);
  EXPECT_TRUE(absl::IsCancelled(result.Wait()));
}

TEST_F(ForeignCallTest, DroppingTheResultCancels) {
  {
    ForeignResult<absl::Status> result = SubmitNap();
    service_.runtime().Step();
    service_.runtime().Step();
  }
  StepAFew();
  ASSERT_TRUE(slept_.has_value());
  EXPECT_TRUE(absl::IsCancelled(*slept_));
}

TEST_F(ForeignCallTest, DetachLetsTheTaskGoOn) {
  SubmitNap().Detach();
  service_.Settle();
  ASSERT_TRUE(slept_.has_value());
  EXPECT_TRUE(slept_->ok());
}

TEST_F(ForeignCallTest, ACancelThatComesTooLateChangesNothing) {
  ForeignResult<int> result = service_.handle().Submit([] { return 6; });
  service_.Settle();
  result.Cancel();
  service_.Settle();
  EXPECT_EQ(result.Wait().value(), 6);
}

TEST_F(ForeignCallTest, AssigningCancelsWhatWasThere) {
  ForeignResult<absl::Status> result = SubmitNap();
  service_.runtime().Step();
  service_.runtime().Step();
  result = service_.handle().Submit([] { return absl::OkStatus(); });
  StepAFew();
  ASSERT_TRUE(slept_.has_value());
  EXPECT_TRUE(absl::IsCancelled(*slept_));
  EXPECT_TRUE(result.Wait().ok());
}

TEST_F(ForeignCallTest, ACancellationThatIsOnItsWayWhenTheServiceEndsArrives) {
  ForeignResult<absl::Status> result = SubmitNap();
  service_.runtime().Step();
  service_.runtime().Step();
  result.Cancel();
  service_.End();
  EXPECT_TRUE(absl::IsCancelled(result.Wait()));
}

// A cancellation at every moment of a task's life, also the one in which it ends.
TEST(ForeignCallOrderTest, ACancellationNeverMissesTheEndOfItsTask) {
  int cancelled = 0;
  int completed = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    SteppedRuntime::Options options = {.shards = 2, .seed = seed};
    options.shard.scheduler.shuffle_seed = seed;
    IdleService service(options);
    std::vector<ForeignResult<bool>> results;
    for (uint32_t i = 0; i < 8; ++i) {
      results.push_back(service.handle(i % 2).Submit([i]() -> Task<bool> {
        for (uint32_t turn = 0; turn < i; ++turn) {
          if (StopRequested()) co_return false;
          // A tick of the wheel at least, so that it takes a turn.
          if (!(co_await SleepFor(absl::Microseconds(20))).ok()) co_return false;
        }
        co_return true;
      }));
    }
    for (uint64_t step = 0; step < seed % 12; ++step) service.runtime().Step();
    for (ForeignResult<bool>& result : results) result.Cancel();
    if (seed % 2 == 0) service.Settle();
    service.End();
    for (ForeignResult<bool>& result : results) {
      ASSERT_TRUE(result.ready());
      ++(result.Wait().value() ? completed : cancelled);
    }
  }
  EXPECT_GT(cancelled, 100);
  EXPECT_GT(completed, 100);
}

}  // namespace
}  // namespace pelton
