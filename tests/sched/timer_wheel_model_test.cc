// A random walk of the wheel beside a std::multimap that is plainly right.

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "sched/timer_wheel.h"

namespace pelton {
namespace {

constexpr int64_t kTick = int64_t{1} << TimerWheel::kTickBits;

int64_t TickOf(int64_t deadline_ns) {
  return deadline_ns / kTick + (deadline_ns % kTick > 0 ? 1 : 0);
}

class Model {
 public:
  Model(uint64_t seed, size_t nodes, int step_bits)
      : random_(seed), nodes_(nodes), step_bits_(step_bits), wheel_(now_) {
    for (Node& node : nodes_) node.position = by_tick_.end();
  }

  ~Model() {
    for (Node& node : nodes_) {
      if (node.armed()) Cancel(node);
    }
  }

  // A random operation, outside of Advance or inside a callback.
  void Operate() {
    Node& node = nodes_[random_() % nodes_.size()];
    if (!node.armed()) {
      Arm(node, RandomDeadline());
    } else if (random_() % 3 == 0) {
      Cancel(node);
    } else {
      Rearm(node,
            random_() % 2 == 0 ? RandomDeadline() : node.deadline_ns() + Below(int64_t{1} << 34));
    }
  }

  // Lets time pass, or stand still, and compares what fired.
  void Advance(size_t budget) {
    if (random_() % 8 != 0) now_ += Below(int64_t{1} << (random_() % step_bits_));
    if (random_() % 16 == 0 && wheel_.NextDeadline() != TimerWheel::kNever) {
      now_ = std::max(now_, wheel_.NextDeadline() - static_cast<int64_t>(random_() % 2));
    }
    last_tick_ = 0;
    size_t called = 0;
    const size_t fired = wheel_.Advance(now_, budget, [&](TimerNode& node) {
      ++called;
      Fired(static_cast<Node&>(node));
      for (uint64_t i = random_() % 3; i > 0; --i) Operate();
    });
    ASSERT_EQ(fired, called);
    ASSERT_LE(fired, budget);
    fired_ += fired;
    CompareNextDeadline();
  }

  // Without callbacks that arm, a few calls with time standing still fire all that is due.
  void Settle(size_t budget) {
    const size_t calls = 2 + wheel_.size() * 11 / budget;
    for (size_t i = 0; i < calls && CountDue() > 0; ++i) {
      last_tick_ = 0;
      wheel_.Advance(now_, budget, [&](TimerNode& node) { Fired(static_cast<Node&>(node)); });
    }
    ASSERT_EQ(CountDue(), 0u);
    CompareNextDeadline();
  }

  void CheckInvariants() {
    ASSERT_TRUE(wheel_.CheckInvariants());
    ASSERT_EQ(wheel_.size(), by_tick_.size());
  }

  uint64_t fired() const { return fired_; }

 private:
  struct Node : TimerNode {
    std::multimap<int64_t, Node*>::iterator position;
    bool overdue = false;  // when it was armed, or put off: no order is promised then
  };

  int64_t Below(int64_t bound) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(bound));
  }

  int64_t RandomDeadline() {
    switch (random_() % 8) {
      case 0:
        return now_ - Below(int64_t{1} << 30);
      case 1:
        return now_ + Below(3 * kTick);
      case 2:
        return now_ / (1 << 30) * (1 << 30) + (int64_t{1} << 31);  // many are equal
      default:
        return now_ + Below(int64_t{1} << (random_() % 50));
    }
  }

  void Arm(Node& node, int64_t deadline_ns) {
    wheel_.Arm(node, deadline_ns);
    node.overdue = false;
    Note(node, deadline_ns);
  }

  void Rearm(Node& node, int64_t deadline_ns) {
    by_tick_.erase(node.position);
    wheel_.Rearm(node, deadline_ns);
    Note(node, deadline_ns);
  }

  void Note(Node& node, int64_t deadline_ns) {
    node.position = by_tick_.emplace(TickOf(deadline_ns), &node);
    node.overdue |= TickOf(deadline_ns) <= now_ / kTick;
    ASSERT_EQ(node.deadline_ns(), deadline_ns);
  }

  void Cancel(Node& node) {
    by_tick_.erase(node.position);
    wheel_.Cancel(node);
  }

  void Fired(Node& node) {
    ASSERT_FALSE(node.armed());
    ASSERT_LE(node.deadline_ns(), now_) << "early";
    if (!node.overdue) {
      ASSERT_GE(node.position->first, last_tick_) << "out of order";
      last_tick_ = node.position->first;
    }
    by_tick_.erase(node.position);
  }

  size_t CountDue() const {
    const auto end = by_tick_.upper_bound(now_ / kTick);
    return static_cast<size_t>(std::distance(by_tick_.begin(), end));
  }

  void CompareNextDeadline() {
    const int64_t next = wheel_.NextDeadline();
    if (by_tick_.empty()) {
      ASSERT_EQ(next, TimerWheel::kNever);
      return;
    }
    const int64_t first = by_tick_.begin()->first;
    ASSERT_LE(next, std::max(now_, first * kTick));
    ASSERT_NE(next, TimerWheel::kNever);
  }

  std::mt19937_64 random_;
  std::vector<Node> nodes_;
  const int step_bits_;
  std::multimap<int64_t, Node*> by_tick_;
  int64_t now_ = int64_t{1} << 40;
  int64_t last_tick_ = 0;
  uint64_t fired_ = 0;
  TimerWheel wheel_;
};

struct Parameters {
  size_t nodes;
  size_t budget;  // at most
  int step_bits;  // time goes on by up to so many bits of nanoseconds
};

class TimerWheelModelTest : public testing::TestWithParam<Parameters> {};

TEST_P(TimerWheelModelTest, AgreesWithAMultimapOverRandomOperations) {
  constexpr int kOperations = 500'000;
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE(seed);
    Model model(seed, GetParam().nodes, GetParam().step_bits);
    std::mt19937_64 random(seed);
    for (int i = 0; i < kOperations; ++i) {
      model.Operate();
      if (random() % 8 == 0) model.Advance(1 + random() % GetParam().budget);
      if (random() % 1024 == 0) model.Settle(1 + random() % GetParam().budget);
      if (i % 4096 == 0) model.CheckInvariants();
      if (HasFatalFailure()) return;
    }
    model.CheckInvariants();
    EXPECT_GT(model.fired(), kOperations / 100u);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, TimerWheelModelTest,
                         testing::Values(Parameters{1, 3, 40}, Parameters{10, 4, 36},
                                         Parameters{100, 16, 40}, Parameters{100, 2, 24},
                                         Parameters{1000, 64, 32}, Parameters{1000, 8, 20},
                                         Parameters{20'000, 1'000'000, 26}));

}  // namespace
}  // namespace pelton
