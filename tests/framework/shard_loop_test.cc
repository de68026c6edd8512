#include "framework/shard_loop.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "framework/on.h"
#include "sched/sleep.h"

namespace pelton {
namespace {

// A driver without I/O that notes how it is used.
class FakeDriver {
 public:
  static constexpr const char* kName = "fake";

  explicit FakeDriver(VirtualClock* clock) : clock_(clock) {}

  void Submit(io::Reactor&) { events.push_back("submit"); }
  void Reap(io::Reactor&) { events.push_back("reap"); }
  bool HasCompletions() const { return has_completions; }
  void Wait(int64_t timeout_ns) {
    waits.push_back(timeout_ns);
    // What a kernel does: it comes back when the time has passed.
    if (timeout_ns >= 0) clock_->Advance(absl::Nanoseconds(timeout_ns));
  }
  void Wake() {}

  std::vector<std::string> events;
  std::vector<int64_t> waits;
  bool has_completions = false;

 private:
  VirtualClock* clock_;
};
static_assert(io::Driver<FakeDriver>);

class ShardLoopTest : public ::testing::Test {
 protected:
  // Runs the service on the one shard until it has ended.
  void Run(const ServeFunction& serve) {
    {
      const Shard::Binding binding(shard_);
      shard_.Start(serve);
    }
    RunShard(shard_, driver_, /*spin_ns=*/0, [](uint32_t) {}, [this] { ++wake_alls_; });
  }
  bool SleepFlagIsSet() { return shard_.mail().sleep_flag().ClaimWake(); }

  VirtualClock clock_;
  ShardGroup group_{1, [](void*, std::string_view, uint32_t) {}, nullptr};
  Shard shard_{group_, ShardId(0), clock_, {}};
  FakeDriver driver_{&clock_};
  int wake_alls_ = 0;
};

TEST_F(ShardLoopTest, ATurnRunsTasksThenTimersThenIo) {
  Run([this](Shard&) -> Task<absl::Status> {
    driver_.events.push_back("task");
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::ZeroDuration()));
    driver_.events.push_back("task");
    co_return absl::OkStatus();
  });
  // The timer was due in the first turn, so its task runs in the second; the shard is done when it
  // has told so in a third.
  ASSERT_GE(driver_.events.size(), 6u);
  driver_.events.resize(6);
  EXPECT_EQ(driver_.events,
            (std::vector<std::string>{"task", "submit", "reap", "task", "submit", "reap"}));
  EXPECT_TRUE(driver_.waits.empty()) << "there was always something to do";
}

TEST_F(ShardLoopTest, TellsTheStallDetectorOfItsTurnsAndOfIdleness) {
  StallBell bell;
  StallDetector detector(absl::Milliseconds(25), bell);
  detector.Attach(shard_.scheduler());
  shard_.set_stall_detector(&detector);
  bool idleness_is_no_stall = false;
  Run([&](Shard&) -> Task<absl::Status> {
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Seconds(1)));
    idleness_is_no_stall = detector.stall() == nullptr;
    clock_.Advance(absl::Milliseconds(100));  // what a long computation does
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(idleness_is_no_stall);
  ASSERT_NE(detector.stall(), nullptr);
  EXPECT_GE(detector.ended_at() - detector.stall()->turn, 100'000'000);
  EXPECT_LT(detector.ended_at() - detector.stall()->turn, 200'000'000);
  detector.Detach();
}

TEST_F(ShardLoopTest, SleepsUntilTheNextTimer) {
  Run([](Shard&) -> Task<absl::Status> { co_return co_await SleepFor(absl::Seconds(1)); });
  EXPECT_GE(clock_.Now() - Timestamp(), absl::Seconds(1));
  ASSERT_FALSE(driver_.waits.empty());
  int64_t total = 0;
  for (const int64_t wait : driver_.waits) {
    EXPECT_GT(wait, 0);
    total += wait;
  }
  EXPECT_NEAR(static_cast<double>(total), 1e9, 1e5);
  EXPECT_LT(driver_.waits.size(), 10u);
}

TEST_F(ShardLoopTest, TellsTheOthersWhenItIsDone) {
  Run([](Shard&) -> Task<absl::Status> { co_return absl::OkStatus(); });
  EXPECT_GE(wake_alls_, 1);
  EXPECT_TRUE(group_.ServicesEnded());
  EXPECT_TRUE(group_.AllAtRest());
}

TEST_F(ShardLoopTest, DeliversMailToItselfWithoutSleeping) {
  Run([](Shard&) -> Task<absl::Status> {
    for (int i = 0; i < 10; ++i) {
      co_await On(ShardId(0), []() -> Task<void> { co_return; });
    }
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(driver_.waits.empty());
}

TEST_F(ShardLoopTest, WaitLimitIsTheTimeToTheNextTimer) {
  EXPECT_EQ(WaitLimit(shard_), -1) << "none: until something happens";
  struct Noop final : Timer {
    void Fire() override {}
  } timer;
  const int64_t deadline = 1 << 20;  // a whole number of ticks
  shard_.scheduler().timers().Arm(timer, deadline);
  EXPECT_EQ(WaitLimit(shard_), deadline);
  clock_.Advance(absl::Nanoseconds(1000));
  EXPECT_EQ(WaitLimit(shard_), deadline - 1000) << "by the time of now, not of the turn";
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(WaitLimit(shard_), 0);
  shard_.scheduler().timers().Cancel(timer);
}

TEST_F(ShardLoopTest, DoesNotSleepWhenSomethingHasArrived) {
  Sleep(shard_, driver_, 5);
  EXPECT_EQ(driver_.waits, std::vector<int64_t>{5});
  group_.RequestStop(StopPhase::kAccepting);
  Sleep(shard_, driver_, 5);
  EXPECT_EQ(driver_.waits.size(), 1u);
}

TEST_F(ShardLoopTest, AfterASleepNobodyHasToWakeIt) {
  Sleep(shard_, driver_, 5);
  EXPECT_FALSE(SleepFlagIsSet());
  group_.RequestStop(StopPhase::kAccepting);
  Sleep(shard_, driver_, 5);
  EXPECT_FALSE(SleepFlagIsSet());
}

TEST_F(ShardLoopTest, SpinningEndsAtOnceWhenThereIsSomethingAndInTimeWhenNot) {
  EXPECT_FALSE(Spin(shard_, driver_, CycleCounter::FromNanoseconds(1'000)));
  driver_.has_completions = true;
  const uint64_t endless = CycleCounter::FromNanoseconds(int64_t{1} << 60);
  EXPECT_TRUE(Spin(shard_, driver_, endless));
  driver_.has_completions = false;
  group_.RequestStop(StopPhase::kAccepting);
  EXPECT_TRUE(Spin(shard_, driver_, endless));
}

TEST(ShardLoopEndTest, AShardThatIsAtRestSeesThatTheOthersHaveComeToRest) {
  // The other shard comes to rest between this one's question and its sleep: nobody wakes a shard
  // that is awake, so it must look.
  VirtualClock clock;
  ShardGroup group(2, [](void*, std::string_view, uint32_t) {}, nullptr);
  Shard shard(group, ShardId(0), clock, {});
  FakeDriver driver(&clock);
  group.ShardBusy();       // the other one
  group.ServiceStarted();  // its service
  const Shard::Binding binding(shard);
  shard.Start([](Shard&) -> Task<absl::Status> { co_return absl::OkStatus(); });
  bool changed;
  RunTurn(shard, driver, [](uint32_t) {});
  EXPECT_FALSE(shard.Finished(changed));
  EXPECT_FALSE(shard.HasArrivals());
  group.ServiceEnded();
  EXPECT_TRUE(shard.HasArrivals()) << "the last service has ended";
  EXPECT_FALSE(shard.Finished(changed));
  EXPECT_TRUE(changed) << "it has come to rest";
  EXPECT_FALSE(shard.HasArrivals());
  group.ShardAtRest();
  EXPECT_TRUE(shard.HasArrivals()) << "all are at rest";
  EXPECT_TRUE(shard.Finished(changed));
}

}  // namespace
}  // namespace pelton
