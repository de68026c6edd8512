#include "sched/timer_wheel.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "gtest/gtest.h"

namespace pelton {
namespace {

constexpr int64_t kTick = int64_t{1} << TimerWheel::kTickBits;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kYear = 365 * 24 * 3600 * kSecond;
constexpr int64_t kStart = 1000 * kSecond + 12345;  // not at a tick
constexpr size_t kPlenty = 1'000'000'000;

struct Timer : TimerNode {
  std::function<void()> on_fire;
  int fired = 0;
};

class TimerWheelTest : public testing::Test {
 protected:
  ~TimerWheelTest() override {
    for (auto& timer : timers_) {
      if (timer->armed()) wheel_.Cancel(*timer);
    }
    EXPECT_EQ(wheel_.NextDeadline(), TimerWheel::kNever);
    EXPECT_TRUE(wheel_.CheckInvariants());
  }

  Timer& Make() { return *timers_.emplace_back(std::make_unique<Timer>()); }

  Timer& Arm(int64_t deadline_ns) {
    Timer& timer = Make();
    wheel_.Arm(timer, deadline_ns);
    return timer;
  }

  size_t Advance(int64_t now_ns, size_t budget = kPlenty) {
    const size_t fired = wheel_.Advance(now_ns, budget, [&](TimerNode& node) {
      Timer& timer = static_cast<Timer&>(node);
      EXPECT_FALSE(timer.armed());
      EXPECT_LE(timer.deadline_ns(), now_ns) << "early";
      ++timer.fired;
      if (timer.on_fire) timer.on_fire();
    });
    EXPECT_TRUE(wheel_.CheckInvariants());
    return fired;
  }

  TimerWheel wheel_{kStart};
  std::vector<std::unique_ptr<Timer>> timers_;
};

// Deadlines around each place where the level or the slot changes, from now on and counted from the
// beginning of time.
std::vector<int64_t> DeadlinesAtBoundaries() {
  std::vector<int64_t> deadlines;
  const int64_t now_tick = kStart / kTick;
  for (int bits = 0; bits < 48; ++bits) {
    const int64_t width = int64_t{1} << bits;
    for (int64_t tick : {now_tick + width, (now_tick / width + 1) * width,
                         (now_tick / width + 63) * width, (now_tick / width + 64) * width}) {
      for (int64_t near : {tick - 1, tick, tick + 1}) {
        if (near > (std::numeric_limits<int64_t>::max() >> TimerWheel::kTickBits) - 2) continue;
        for (int64_t offset : {-1, 0, 1}) deadlines.push_back(near * kTick + offset);
      }
    }
  }
  return deadlines;
}

TEST_F(TimerWheelTest, NeverFiresBeforeItsDeadlineAndAtMostATickLate) {
  for (const int64_t deadline : DeadlinesAtBoundaries()) {
    TimerWheel wheel(kStart);
    TimerNode node;
    wheel.Arm(node, deadline);
    ASSERT_TRUE(wheel.CheckInvariants());
    int64_t fired_at = -1;
    for (const int64_t now :
         {kStart, deadline - kTick, deadline - 1, deadline, deadline + kTick - 1}) {
      if (now < kStart) continue;
      wheel.Advance(now, kPlenty, [&](TimerNode&) { fired_at = now; });
      ASSERT_TRUE(wheel.CheckInvariants());
    }
    ASSERT_GE(fired_at, deadline) << deadline;
    ASSERT_FALSE(node.armed());
  }
}

TEST_F(TimerWheelTest, NextDeadlineOfOneTimerIsItsDeadlineRoundedUpToATick) {
  for (const int64_t deadline : DeadlinesAtBoundaries()) {
    if (deadline <= kStart) continue;
    TimerWheel wheel(kStart);
    TimerNode node;
    wheel.Arm(node, deadline);
    const int64_t next = wheel.NextDeadline();
    ASSERT_EQ(next, (deadline + kTick - 1) / kTick * kTick);
    ASSERT_EQ(wheel.Advance(next - 1, kPlenty, [](TimerNode&) {}), 0u);
    ASSERT_EQ(wheel.NextDeadline(), next);
    ASSERT_EQ(wheel.Advance(next, kPlenty, [](TimerNode&) {}), 1u);
    ASSERT_EQ(wheel.NextDeadline(), TimerWheel::kNever);
  }
}

TEST_F(TimerWheelTest, FiresAllBoundariesInOrderOfTicksInOneJumpOfTime) {
  const std::vector<int64_t> deadlines = DeadlinesAtBoundaries();
  std::vector<int64_t> fired;
  size_t armed = 0;
  for (const int64_t deadline : deadlines) {
    if (deadline <= kStart) continue;
    Timer& timer = Arm(deadline);
    timer.on_fire = [&fired, deadline] { fired.push_back((deadline + kTick - 1) / kTick); };
    ++armed;
  }
  EXPECT_EQ(Advance(std::numeric_limits<int64_t>::max()), armed);
  EXPECT_EQ(fired.size(), armed);
  EXPECT_TRUE(std::is_sorted(fired.begin(), fired.end()));
}

TEST_F(TimerWheelTest, TimersOfCenturiesAndOfForever) {
  Timer& century = Arm(kStart + 100 * kYear);
  Timer& forever = Arm(TimerWheel::kNever);
  Timer& almost_forever = Arm(TimerWheel::kNever - kTick);
  EXPECT_EQ(Advance(kStart + 100 * kYear - 1), 0u);
  EXPECT_EQ(Advance(kStart + 100 * kYear + kTick), 1u);
  EXPECT_EQ(century.fired, 1);
  EXPECT_EQ(Advance(TimerWheel::kNever), 1u);
  EXPECT_EQ(almost_forever.fired, 1);
  EXPECT_EQ(Advance(TimerWheel::kNever), 0u);
  EXPECT_TRUE(forever.armed());
  EXPECT_EQ(wheel_.NextDeadline(), TimerWheel::kNever);
}

TEST_F(TimerWheelTest, AClockMayBeginBelowZero) {
  TimerWheel wheel(-kSecond);
  TimerNode node;
  wheel.Arm(node, -kTick / 2);
  EXPECT_EQ(wheel.NextDeadline(), 0);
  EXPECT_EQ(wheel.Advance(-1, kPlenty, [](TimerNode&) {}), 0u);
  EXPECT_EQ(wheel.Advance(0, kPlenty, [](TimerNode&) {}), 1u);
}

TEST_F(TimerWheelTest, PastDeadlinesFireAtTheNextAdvanceEvenIfTimeStandsStill) {
  for (const int64_t deadline : {std::numeric_limits<int64_t>::min(), int64_t{0}, kStart - kTick}) {
    Timer& timer = Arm(deadline);
    EXPECT_LE(wheel_.NextDeadline(), kStart);
    EXPECT_EQ(Advance(kStart), 1u);
    EXPECT_EQ(timer.fired, 1);
  }
}

TEST_F(TimerWheelTest, TimeThatGoesBackwardsStandsStill) {
  Timer& timer = Arm(kStart + 10 * kTick);
  EXPECT_EQ(Advance(kStart + 5 * kTick), 0u);
  EXPECT_EQ(Advance(kStart), 0u);
  Timer& past = Arm(kStart + 4 * kTick);
  EXPECT_EQ(
      wheel_.Advance(kStart, kPlenty, [](TimerNode& node) { ++static_cast<Timer&>(node).fired; }),
      1u);
  EXPECT_EQ(past.fired, 1);
  EXPECT_EQ(timer.fired, 0);
  EXPECT_EQ(Advance(kStart + 11 * kTick), 1u);
}

TEST_F(TimerWheelTest, ACancelledTimerDoesNotFireAndCanBeArmedAgain) {
  for (const int64_t delay : {-kTick, kTick, 100 * kTick, 10'000 * kTick, kYear}) {
    Timer& timer = Arm(kStart + delay);
    EXPECT_TRUE(timer.armed());
    EXPECT_EQ(timer.deadline_ns(), kStart + delay);
    EXPECT_EQ(wheel_.size(), 1u);
    wheel_.Cancel(timer);
    EXPECT_FALSE(timer.armed());
    EXPECT_EQ(wheel_.size(), 0u);
    EXPECT_EQ(wheel_.NextDeadline(), TimerWheel::kNever);
    wheel_.Arm(timer, kStart + delay);
    wheel_.Cancel(timer);
  }
  EXPECT_EQ(Advance(kStart + 2 * kYear), 0u);
}

TEST_F(TimerWheelTest, ATimerPutOffAgainAndAgainFiresOnceAtItsLastDeadline) {
  Timer& timer = Arm(kStart + kSecond);
  int64_t now = kStart;
  for (int request = 0; request < 1000; ++request) {
    now += kSecond / 100;
    wheel_.Rearm(timer, now + kSecond);
    ASSERT_EQ(Advance(now), 0u);
    ASSERT_LE(wheel_.NextDeadline(), now + kSecond + kTick);
  }
  EXPECT_EQ(Advance(now + kSecond - 1), 0u);
  EXPECT_EQ(Advance(now + kSecond + kTick), 1u);
  EXPECT_EQ(timer.fired, 1);
}

TEST_F(TimerWheelTest, RearmBringsATimerForwardAndArmsOneThatIsNotArmed) {
  Timer& timer = Make();
  wheel_.Rearm(timer, kStart + kYear);
  wheel_.Rearm(timer, kStart + kSecond);
  EXPECT_EQ(wheel_.size(), 1u);
  EXPECT_EQ(Advance(kStart + kSecond + kTick), 1u);
}

TEST_F(TimerWheelTest, AnOverdueTimerThatIsPutOffDoesNotFireEarly) {
  Timer& timer = Arm(kStart - kSecond);
  wheel_.Rearm(timer, kStart + kSecond);
  EXPECT_EQ(Advance(kStart), 0u);
  EXPECT_EQ(wheel_.NextDeadline(), (kStart + kSecond) / kTick * kTick + kTick);
  EXPECT_EQ(Advance(kStart + kSecond + kTick), 1u);
}

TEST_F(TimerWheelTest, NextDeadlineLooksBehindATimerThatWasPutOff) {
  Timer& put_off = Arm(kStart + 100 * kTick);
  Timer& next = Arm(kStart + 140 * kTick);  // in the next slot of the same level
  wheel_.Rearm(put_off, kStart + kYear);
  EXPECT_LE(wheel_.NextDeadline(), next.deadline_ns() + kTick);
  EXPECT_EQ(Advance(kStart + 141 * kTick), 1u);
  EXPECT_EQ(next.fired, 1);
}

TEST_F(TimerWheelTest, FireMayArmAndCancelItselfAndItsNeighbours) {
  std::vector<Timer*> same_tick;
  for (int i = 0; i < 5; ++i) same_tick.push_back(&Arm(kStart + 100 * kTick));
  Timer& other = Make();
  for (Timer* timer : same_tick) {
    timer->on_fire = [&, timer] {
      for (Timer* neighbour : same_tick) {
        if (neighbour->armed()) wheel_.Cancel(*neighbour);
      }
      wheel_.Arm(*timer, kStart + 200 * kTick);
      wheel_.Arm(other, kStart + 101 * kTick);
    };
  }
  EXPECT_EQ(Advance(kStart + 102 * kTick), 1u) << "one fired and cancelled the others";
  EXPECT_EQ(other.fired, 0) << "overdue when it was armed: fires at the next call";
  EXPECT_EQ(wheel_.size(), 2u);
  EXPECT_LE(wheel_.NextDeadline(), kStart + 102 * kTick);
  EXPECT_EQ(Advance(kStart + 102 * kTick), 1u);
  EXPECT_EQ(other.fired, 1);
}

TEST_F(TimerWheelTest, FireMayDestroyItsTimer) {
  auto* const timer = new TimerNode;
  wheel_.Arm(*timer, kStart + kTick);
  EXPECT_EQ(wheel_.Advance(kStart + kSecond, kPlenty, [](TimerNode& node) { delete &node; }), 1u);
}

TEST_F(TimerWheelTest, ATimerThatArmsItselfInThePastFiresOnceACall) {
  Timer& timer = Arm(kStart - kTick);
  timer.on_fire = [&] { wheel_.Arm(timer, kStart - kTick); };
  for (int call = 1; call <= 10; ++call) {
    EXPECT_EQ(Advance(kStart + call * kTick), 1u);
    EXPECT_EQ(timer.fired, call);
  }
}

TEST_F(TimerWheelTest, TimersThatArmThemselvesInThePastDoNotStarveTheOthers) {
  for (int i = 0; i < 1000; ++i) {
    Timer& timer = Arm(kStart - kTick);
    timer.on_fire = [&] { wheel_.Arm(timer, kStart - kTick); };
  }
  Timer& other = Arm(kStart + kSecond);
  Advance(kStart + kSecond + kTick, 16);
  for (int call = 0; call < 4 && other.fired == 0; ++call) Advance(kStart + kSecond + kTick, 16);
  EXPECT_EQ(other.fired, 1);
}

TEST_F(TimerWheelTest, AStormOfEqualDeadlinesIsBoundedInEachCallAndLosesNone) {
  constexpr size_t kTimers = 100'000;
  constexpr size_t kBudget = 256;
  const int64_t deadline = kStart + 30 * kSecond;
  for (size_t i = 0; i < kTimers; ++i) Arm(deadline);
  int64_t now = deadline + kTick;
  size_t fired = 0;
  size_t calls = 0;
  while (fired < kTimers) {
    EXPECT_LE(wheel_.NextDeadline(), now) << "due timers remain";
    const size_t now_fired = wheel_.Advance(now, kBudget, [&](TimerNode&) { ++fired; });
    EXPECT_LE(now_fired, kBudget);
    now += 1000;
    ASSERT_LE(++calls, kTimers * 10 / kBudget);
  }
  EXPECT_EQ(fired, kTimers);
}

TEST_F(TimerWheelTest, BudgetLeftOverMovesNodesInTimeSoThatAStormFiresWithoutDelay) {
  constexpr size_t kTimers = 20'000;
  constexpr size_t kBudget = 256;
  const int64_t deadline = kStart + 30 * kSecond;
  for (size_t i = 0; i < kTimers; ++i) Arm(deadline + static_cast<int64_t>(i * 2'000));
  size_t fired = 0;
  int64_t latest = 0;
  for (int64_t now = kStart; fired < kTimers; now += 100'000) {  // turns of 100 us
    wheel_.Advance(now, kBudget, [&](TimerNode& node) {
      ++fired;
      latest = std::max(latest, now - node.deadline_ns());
    });
  }
  EXPECT_LE(latest, 100'000 + 2 * kTick) << "a turn, and a tick";
}

TEST_F(TimerWheelTest, ALoopThatSleepsUntilNextDeadlineFiresAllInTimeWithFewSpuriousWakeUps) {
  constexpr int kTimers = 10;
  for (int i = 0; i < kTimers; ++i) Arm(kStart + (i + 1) * int64_t{777'777'777});
  int wake_ups = 0;
  int64_t now = kStart;
  while (wheel_.size() > 0) {
    ASSERT_GT(wheel_.NextDeadline(), now);
    now = wheel_.NextDeadline();
    wheel_.Advance(now, 256, [&](TimerNode& node) { EXPECT_LE(now - node.deadline_ns(), kTick); });
    ++wake_ups;
  }
  EXPECT_LE(wake_ups, 2 * kTimers);
}

TEST_F(TimerWheelTest, ALoopThatSleepsMovesACrowdInTime) {
  // At the beginning of a slot of level 3, where there would be no time left to move them.
  constexpr int64_t kSlot = kTick << 15;
  constexpr int kTimers = 3000;
  const int64_t first = (kStart / kSlot + 40) * kSlot;
  for (int i = 0; i < kTimers; ++i) Arm(first + i * int64_t{500});
  int64_t now = kStart;
  int64_t latest = 0;
  while (wheel_.size() > 0) {
    now = std::max(now + 10'000, wheel_.NextDeadline());  // a turn takes 10 us
    wheel_.Advance(now, 64,
                   [&](TimerNode& node) { latest = std::max(latest, now - node.deadline_ns()); });
  }
  EXPECT_LE(latest, 2 * kTick);
}

#ifndef NDEBUG
TEST(TimerWheelDeathTest, DebugBuildsSeeATimerThatDiesArmed) {
  EXPECT_DEATH(
      {
        TimerWheel wheel(kStart);
        TimerNode node;
        wheel.Arm(node, kStart + kSecond);
        node.~TimerNode();
      },
      "destroyed while it was armed");
}

TEST(TimerWheelDeathTest, DebugBuildsSeeATimerArmedTwice) {
  TimerWheel wheel(kStart);
  TimerNode node;
  wheel.Arm(node, kStart + kSecond);
  EXPECT_DEATH(wheel.Arm(node, kStart + kSecond), "armed");
  wheel.Cancel(node);
  EXPECT_DEATH(wheel.Cancel(node), "armed");
}
#endif  // NDEBUG

}  // namespace
}  // namespace pelton
