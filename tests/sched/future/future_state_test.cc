// Errors that nobody looks at are reported, boundedly; phases have names.

#include "sched/future/future_state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "sched/future/future.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

// Counts what nobody looked at, and keeps the log.
class Watch {
 public:
  Watch() : before_(UnobservedRejections()) { ::testing::internal::CaptureStderr(); }
  ~Watch() {
    if (!read_) ::testing::internal::GetCapturedStderr();
  }
  uint64_t rejections() const { return UnobservedRejections() - before_; }
  std::string Log() {
    read_ = true;
    return ::testing::internal::GetCapturedStderr();
  }

 private:
  const uint64_t before_;
  bool read_ = false;
};

TEST(UnobservedRejectionTest, IsLoggedWithItsErrorAndItsLine) {
  TaskHarness harness;
  Watch watch;
  const int line = __LINE__ + 1;
  Future<int> dropped = RejectedFuture<int>(absl::DataLossError("row 7 is gone"));
  EXPECT_EQ(watch.rejections(), 0u);
  dropped = Future<int>();
  EXPECT_EQ(watch.rejections(), 1u);
  const std::string log = watch.Log();
  EXPECT_NE(log.find("nobody looked at its error: DATA_LOSS: row 7 is gone"), std::string::npos)
      << log;
  EXPECT_NE(log.find("future_state_test.cc:" + std::to_string(line)), std::string::npos) << log;
}

TEST(UnobservedRejectionTest, IsReportedOnceWhereTheChainEnds) {
  TaskHarness harness;
  Watch watch;
  {
    Future<int> dropped =
        RejectedFuture<int>(absl::DataLossError("x")).Then([](int n) { return n; }).Then([](int n) {
          return n;
        });
  }
  EXPECT_EQ(watch.rejections(), 0u);
  harness.RunUntilIdle();
  EXPECT_EQ(watch.rejections(), 1u);
}

TEST(UnobservedRejectionTest, IsReportedWhoeverLetsGoLast) {
  TaskHarness harness;
  Watch watch;
  {
    Promise<int> promise;
    {
      Future<int> dropped = promise.future();
    }
    EXPECT_EQ(watch.rejections(), 0u);
    promise.Reject(absl::DataLossError("x"));
    EXPECT_EQ(watch.rejections(), 1u);
  }
  {
    Promise<int> without_a_future;
  }
  EXPECT_EQ(watch.rejections(), 2u);
}

TEST(UnobservedRejectionTest, IsNoneWhenSomebodyLooksOrSaysNotTo) {
  TaskHarness harness;
  Watch watch;
  const auto rejected = [] { return RejectedFuture<int>(absl::DataLossError("x")); };
  (void)rejected().Take();
  rejected().OnSettled([](absl::StatusOr<int>) {});
  rejected().Ignore();
  {
    Future<int> recovered = rejected().Recover([](absl::Status) { return 1; });
  }
  Promise<int> later;
  later.future().Ignore();
  later.Reject(absl::DataLossError("x"));
  {
    Future<int> fine = FulfilledFuture(1);
  }
  auto wait = [&]() -> Task<void> { (void)co_await rejected(); };
  harness.Run(wait());
  EXPECT_EQ(watch.rejections(), 0u);
}

TEST(UnobservedRejectionTest, OfACancellationIsNoNews) {
  TaskHarness harness;
  Watch watch;
  {
    Future<int> dropped = RejectedFuture<int>(absl::CancelledError("shut down"));
  }
  EXPECT_EQ(watch.rejections(), 0u);
}

TEST(UnobservedRejectionTest, AFloodIsOneLineASecond) {
  TaskHarness harness;
  harness.clock().Advance(absl::Hours(1));  // past what other tests have logged
  Watch watch;
  for (int second = 0; second < 3; ++second) {
    harness.Turn();
    for (int i = 0; i < 100; ++i) {
      Future<int> dropped = RejectedFuture<int>(absl::DataLossError("x"));
    }
    harness.clock().Advance(absl::Seconds(1));
  }
  EXPECT_EQ(watch.rejections(), 300u);
  const std::string log = watch.Log();
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 3) << log;
  EXPECT_NE(log.find("99 more since the last such line"), std::string::npos) << log;
}

TEST(UnobservedRejectionTest, AnExceptionAtTheEndOfAChainIsOne) {
  TaskHarness harness;
  Watch watch;
  FulfilledFuture(1).OnSettled([](absl::StatusOr<int>) { throw std::runtime_error("end"); });
  harness.RunUntilIdle();
  EXPECT_EQ(watch.rejections(), 1u);
}

TEST(FuturePhaseTest, HasAName) {
  std::ostringstream out;
  out << FuturePhase::kPending << ' ' << FuturePhase::kFulfilled << ' ' << FuturePhase::kRejected;
  EXPECT_EQ(out.str(), "pending fulfilled rejected");
}

}  // namespace
}  // namespace pelton
