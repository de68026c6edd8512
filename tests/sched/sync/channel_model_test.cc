// Random senders and receivers of a Channel, stopped and closed at random, beside a model that says
// who must have sent and received what.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sched/sync/channel.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::TaskHarness;
using testing::Waiters;

constexpr int kEnd = -1;
constexpr int kStopped = -2;
constexpr int kNothing = -3;

// What a channel is: a queue, and two lines of which one is always empty. Values are positive. A
// result is a value that was received or sent, or one of the constants above.
class Model {
 public:
  explicit Model(size_t capacity) : capacity_(capacity) {}

  void Send(int id, int value) {
    if (closed_) return Note(id, kEnd);
    senders_.push_back({id, value});
    Match();
  }
  void Receive(int id) {
    receivers_.push_back({id, 0});
    Match();
    if (closed_) EndReceivers();
  }
  void Close() {
    closed_ = true;
    while (!senders_.empty()) Note(Take(senders_).id, kEnd);
    EndReceivers();
  }
  void Cancel(int id) {
    for (auto* line : {&senders_, &receivers_}) {
      if (std::erase_if(*line, [id](const Entry& entry) { return entry.id == id; }) > 0) {
        Note(id, kStopped);
      }
    }
  }
  int result(int id) const { return results_.at(id); }
  void Resize(int size) { results_.resize(size, kNothing); }
  size_t size() const { return values_.size(); }

 private:
  struct Entry {
    int id;
    int value;
  };
  static Entry Take(std::deque<Entry>& line) {
    const Entry entry = line.front();
    line.pop_front();
    return entry;
  }
  void Note(int id, int result) { results_.at(id) = result; }
  void EndReceivers() {
    while (!receivers_.empty()) Note(Take(receivers_).id, kEnd);
  }
  // Moves values along until nothing fits any more.
  void Match() {
    while (true) {
      if (!receivers_.empty() && !values_.empty()) {
        Note(Take(receivers_).id, values_.front());
        values_.pop_front();
      } else if (!senders_.empty() && (values_.size() < capacity_ || !receivers_.empty())) {
        const Entry sender = Take(senders_);
        values_.push_back(sender.value);
        Note(sender.id, sender.value);
      } else {
        return;
      }
    }
  }

  const size_t capacity_;
  bool closed_ = false;
  std::deque<int> values_;
  std::deque<Entry> senders_;
  std::deque<Entry> receivers_;
  std::vector<int> results_;
};

class Program {
 public:
  Program(TaskHarness& harness, Random& random)
      : harness_(harness),
        random_(random),
        capacity_(random.Below(4)),
        channel_(capacity_),
        model_(capacity_) {}

  void Run() {
    Waiters waiters(harness_);
    for (int step = 0; step < 150 && !::testing::Test::HasFailure(); ++step) {
      // Several things happen before any task runs.
      for (uint64_t acts = 1 + random_.Below(3); acts > 0; --acts) Act(waiters);
      harness_.RunReady();
      for (size_t id = 0; id < results_.size(); ++id) {
        ASSERT_EQ(results_[id], model_.result(static_cast<int>(id))) << "task " << id;
      }
      EXPECT_EQ(channel_.size(), model_.size());
    }
    waiters.CancelAll();
    harness_.RunReady();
    EXPECT_EQ(waiters.ended(), waiters.started().size());
  }

 private:
  void Act(Waiters& waiters) {
    const int id = static_cast<int>(results_.size());
    switch (random_.Below(40)) {
      case 0:
        if (!waiters.started().empty() && results_.size() < 50) return;  // close late
        channel_.Close();
        model_.Close();
        return;
      case 1 ... 16:
        results_.push_back(kNothing);
        model_.Resize(id + 1);
        waiters.Start([this, id](auto) { return Send(id, id + 1); });
        return;
      case 17 ... 32:
        results_.push_back(kNothing);
        model_.Resize(id + 1);
        waiters.Start([this, id](auto) { return Receive(id); });
        return;
      default:
        if (id == 0) return;
        return CancelOne(waiters, random_.Below(static_cast<uint64_t>(id)));
    }
  }

  // Only those that have begun: the others' waits do not begin at all.
  void CancelOne(Waiters& waiters, uint64_t id) {
    Waiters::Waiter& waiter = waiters.started()[id];
    if (waiter.context == nullptr) return;
    waiter.scope.Cancel();
    model_.Cancel(static_cast<int>(id));
  }

  Task<absl::Status> Send(int id, int number) {
    auto value = std::make_unique<int>(number);
    model_.Send(id, number);
    const absl::Status status = co_await channel_.Send(std::move(value));
    EXPECT_EQ(value == nullptr, status.ok()) << "moved from exactly when it was sent";
    results_[id] = status.ok() ? number : absl::IsCancelled(status) ? kStopped : kEnd;
    co_return status;
  }

  Task<absl::Status> Receive(int id) {
    model_.Receive(id);
    auto value = co_await channel_.Receive();
    if (!value.ok()) {
      results_[id] = kStopped;
    } else {
      results_[id] = value->has_value() ? ***value : kEnd;
    }
    co_return value.status();
  }

  TaskHarness& harness_;
  Random& random_;
  const size_t capacity_;
  Channel<std::unique_ptr<int>> channel_;
  Model model_;
  std::vector<int> results_;
};

TEST(ChannelModelTest, DoesWhatTheModelDoes) {
  ForEachSeed([](TaskHarness& harness, Random& random) { Program(harness, random).Run(); });
}

}  // namespace
}  // namespace pelton
