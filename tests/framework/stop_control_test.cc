#include "framework/internal/stop_control.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "sched/clock.h"

namespace pelton {
namespace {

bool IsBlocked(int signal) {
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return ::sigismember(&mask, signal) == 1;
}

bool IsPending(int signal) {
  sigset_t pending;
  ::sigpending(&pending);
  return ::sigismember(&pending, signal) == 1;
}

void Send(int signal) { ::kill(::getpid(), signal); }

std::unique_ptr<StopControl> Create(absl::Duration grace_period) {
  absl::StatusOr<std::unique_ptr<StopControl>> control =
      StopControl::Create(grace_period, /*give_up_after=*/absl::Minutes(1));
  EXPECT_TRUE(control.ok()) << control.status();
  return *std::move(control);
}

// The phases that were requested, until the last of `phases`, at which the shards end.
std::vector<StopPhase> WaitUntil(StopControl& control, StopPhase last,
                                 const std::function<void(StopPhase)>& also = nullptr) {
  std::vector<StopPhase> requested;
  control.WaitUntilEnded(
      [&](StopPhase phase) {
        requested.push_back(phase);
        if (also) also(phase);
        if (phase == last) control.ShardsEnded();
      },
      [] {});
  return requested;
}

using Phases = std::vector<StopPhase>;

TEST(StopControlTest, BlocksTheSignalsWhileItLives) {
  EXPECT_FALSE(IsBlocked(SIGTERM));
  EXPECT_FALSE(IsBlocked(SIGINT));
  {
    const auto control = Create(absl::Seconds(1));
    EXPECT_TRUE(IsBlocked(SIGTERM));
    EXPECT_TRUE(IsBlocked(SIGINT));
    EXPECT_FALSE(IsBlocked(SIGUSR1));
  }
  EXPECT_FALSE(IsBlocked(SIGTERM));
  EXPECT_FALSE(IsBlocked(SIGINT));
}

TEST(StopControlTest, ReturnsWithoutAPhaseWhenTheShardsEndByThemselves) {
  const auto control = Create(absl::Seconds(1));
  control->ShardsEnded();
  int phases = 0;
  control->WaitUntilEnded([&](StopPhase) { ++phases; }, [] {});
  EXPECT_EQ(phases, 0);
}

TEST(StopControlTest, IsWokenFromAnotherThread) {
  const auto control = Create(absl::Seconds(1));
  std::thread shard([&] { control->ShardsEnded(); });
  control->WaitUntilEnded([](StopPhase) { ADD_FAILURE() << "nobody asked for a stop"; }, [] {});
  shard.join();
}

TEST(StopControlTest, GoesThroughThePhasesAsTheGracePeriodPasses) {
  const MonotonicClock clock;
  constexpr absl::Duration kGrace = absl::Milliseconds(40);
  for (const int signal : {SIGTERM, SIGINT}) {
    const auto control = Create(kGrace);
    Send(signal);
    const Timestamp start = clock.Now();
    std::vector<absl::Duration> times;
    const Phases phases = WaitUntil(*control, StopPhase::kEverything,
                                    [&](StopPhase) { times.push_back(clock.Now() - start); });
    EXPECT_EQ(phases, (Phases{StopPhase::kAccepting, StopPhase::kIdle, StopPhase::kEverything}));
    ASSERT_EQ(times.size(), 3u);
    EXPECT_GE(times[1], kGrace / 4) << "idle peers are left alone for a moment";
    EXPECT_GE(times[2], kGrace) << "nothing is cancelled before the grace period has passed";
  }
}

TEST(StopControlTest, WithoutAGracePeriodEverythingIsCancelledAtOnce) {
  const auto control = Create(absl::ZeroDuration());
  Send(SIGTERM);
  EXPECT_EQ(WaitUntil(*control, StopPhase::kEverything),
            (Phases{StopPhase::kAccepting, StopPhase::kIdle, StopPhase::kEverything}));
}

TEST(StopControlTest, ASecondSignalCancelsAtOnce) {
  for (const absl::Duration grace : {absl::Hours(1), absl::Duration(absl::InfiniteDuration())}) {
    const auto control = Create(grace);
    Send(SIGTERM);
    // Would take an hour, or forever, if the second signal did not cut it short.
    EXPECT_EQ(WaitUntil(*control, StopPhase::kEverything,
                        [](StopPhase phase) {
                          if (phase == StopPhase::kAccepting) Send(SIGINT);
                        }),
              (Phases{StopPhase::kAccepting, StopPhase::kEverything}));
  }
}

TEST(StopControlTest, FurtherSignalsChangeNothing) {
  const auto control = Create(absl::Hours(1));
  Phases phases;
  std::thread shards;
  Send(SIGTERM);
  control->WaitUntilEnded(
      [&](StopPhase phase) {
        phases.push_back(phase);
        Send(SIGTERM);
        if (phase != StopPhase::kEverything) return;
        shards = std::thread([&] {
          // Ends when the third one has been taken.
          while (IsPending(SIGTERM)) std::this_thread::yield();
          control->ShardsEnded();
        });
      },
      [] {});
  shards.join();
  EXPECT_EQ(phases, (Phases{StopPhase::kAccepting, StopPhase::kEverything}));
}

TEST(StopControlTest, AnErrorThatCancelledEverythingSkipsThePhasesBefore) {
  const auto control = Create(absl::Hours(1));
  control->EverythingCancelled();
  control->EverythingCancelled();
  EXPECT_EQ(WaitUntil(*control, StopPhase::kEverything), Phases{StopPhase::kEverything});
}

TEST(StopControlTest, SigquitAsksForADumpAndStopsNothing) {
  const auto control = Create(absl::Hours(1));
  Send(SIGQUIT);
  int dumps = 0;
  control->WaitUntilEnded([](StopPhase) { ADD_FAILURE() << "nothing was to stop"; },
                          [&] {
                            ++dumps;
                            control->ShardsEnded();
                          });
  EXPECT_EQ(dumps, 1);
}

TEST(StopControlDeathTest, AsksForADumpBeforeItGivesUp) {
  EXPECT_EXIT(
      {
        absl::StatusOr<std::unique_ptr<StopControl>> control =
            StopControl::Create(absl::ZeroDuration(), /*give_up_after=*/absl::Milliseconds(5));
        Send(SIGTERM);
        (*control)->WaitUntilEnded([](StopPhase) {}, [] { std::fputs("the dump\n", stderr); });
      },
      ::testing::ExitedWithCode(1), "giving up\nthe dump\n");
}

TEST(StopControlTest, ASignalOfTheLastMomentDoesNotKillTheProcess) {
  auto control = Create(absl::Seconds(1));
  control->ShardsEnded();
  control->WaitUntilEnded([](StopPhase) {}, [] {});
  Send(SIGTERM);
  Send(SIGINT);
  control.reset();
  EXPECT_FALSE(IsPending(SIGTERM));
  EXPECT_FALSE(IsPending(SIGINT));
}

TEST(StopControlDeathTest, GivesUpWhenCancelledTasksDoNotEnd) {
  const auto give_up = [](const std::function<void(StopControl&)>& ask) {
    absl::StatusOr<std::unique_ptr<StopControl>> control =
        StopControl::Create(absl::ZeroDuration(), /*give_up_after=*/absl::Milliseconds(5));
    ask(**control);
    (*control)->WaitUntilEnded([](StopPhase) {}, [] {});
  };
  EXPECT_EXIT(give_up([](StopControl&) { Send(SIGTERM); }), ::testing::ExitedWithCode(1),
              "tasks did not end within 5ms of their cancellation; giving up");
  EXPECT_EXIT(give_up([](StopControl& control) { control.EverythingCancelled(); }),
              ::testing::ExitedWithCode(1), "giving up");
}

}  // namespace
}  // namespace pelton
