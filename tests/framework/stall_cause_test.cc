#include "framework/internal/stall_cause.h"

#include <gtest/gtest.h>

#include <optional>

namespace pelton {
namespace {

constexpr absl::Duration Ms(int64_t ms) { return absl::Milliseconds(ms); }

StallTimes Times(int64_t on_cpu, int64_t waiting, int64_t throttled = 0) {
  return {
      .elapsed = Ms(100), .on_cpu = Ms(on_cpu), .waiting = Ms(waiting), .throttled = Ms(throttled)};
}

TEST(StallCauseTest, IsWhatTookTheMostOfTheTime) {
  EXPECT_EQ(CauseOf(Times(/*on_cpu=*/98, /*waiting=*/1)), StallCause::kRunning);
  EXPECT_EQ(CauseOf(Times(/*on_cpu=*/10, /*waiting=*/80)), StallCause::kDescheduled);
  EXPECT_EQ(CauseOf(Times(/*on_cpu=*/10, /*waiting=*/5)), StallCause::kBlocked);
}

TEST(StallCauseTest, AThrottledGroupExplainsTimeOffTheCpu) {
  EXPECT_EQ(CauseOf(Times(/*on_cpu=*/20, /*waiting=*/80, /*throttled=*/70)),
            StallCause::kThrottled);
  EXPECT_EQ(CauseOf(Times(/*on_cpu=*/20, /*waiting=*/0, /*throttled=*/70)), StallCause::kThrottled);
  EXPECT_EQ(CauseOf(Times(/*on_cpu=*/95, /*waiting=*/5, /*throttled=*/70)), StallCause::kRunning)
      << "another thread was throttled";
  EXPECT_EQ(CauseOf(Times(/*on_cpu=*/10, /*waiting=*/80, /*throttled=*/10)),
            StallCause::kDescheduled);
}

TEST(StallCauseTest, WithoutTheKernelsCountsItSaysNoMoreThanItKnows) {
  StallTimes times = Times(/*on_cpu=*/10, /*waiting=*/0);
  times.waiting = std::nullopt;
  EXPECT_EQ(CauseOf(times), StallCause::kOffCpu);
  EXPECT_EQ(Describe(times), "10ms on a CPU");
}

TEST(StallCauseTest, BlockedIsTheRestAndNeverNegative) {
  EXPECT_EQ(Times(/*on_cpu=*/10, /*waiting=*/30).blocked(), Ms(60));
  EXPECT_EQ(Times(/*on_cpu=*/99, /*waiting=*/30).blocked(), Ms(0));
}

TEST(StallCauseTest, IsNamedForPeople) {
  EXPECT_EQ(NameOf(StallCause::kBlocked, /*in_system_call=*/true),
            "blocked in the kernel (a blocking call)");
  EXPECT_EQ(NameOf(StallCause::kBlocked, /*in_system_call=*/false),
            "blocked in the kernel (a page fault)");
  EXPECT_EQ(NameOf(StallCause::kBlocked, std::nullopt), "blocked in the kernel");
  EXPECT_EQ(NameOf(StallCause::kRunning, /*in_system_call=*/true), "running");
}

TEST(StallCauseTest, DescribesWhereTheTimeWent) {
  EXPECT_EQ(Describe(Times(/*on_cpu=*/20, /*waiting=*/30)),
            "20ms on a CPU, 30ms waiting for one, 50ms blocked");
  EXPECT_EQ(Describe(Times(/*on_cpu=*/20, /*waiting=*/30, /*throttled=*/7)),
            "20ms on a CPU, 30ms waiting for one, 50ms blocked; its control groups were throttled "
            "for 7ms");
}

TEST(StallCauseTest, DurationsHaveThreeDigitsOrSo) {
  EXPECT_EQ(FormatBriefly(absl::Nanoseconds(100'345'678)), "100.3ms");
  EXPECT_EQ(FormatBriefly(absl::Nanoseconds(12'345'678'901)), "12.34s");
  EXPECT_EQ(FormatBriefly(absl::Nanoseconds(1'345'678)), "1.3ms");
  EXPECT_EQ(FormatBriefly(absl::Nanoseconds(1'345'678'901)), "1.34s");
  EXPECT_EQ(FormatBriefly(absl::ZeroDuration()), "0");
}

}  // namespace
}  // namespace pelton
