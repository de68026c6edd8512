// Random tasks against a Semaphore, beside a model that says in each step who must have been granted.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sched/sync/semaphore.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::TaskHarness;
using testing::Waiters;

// What a semaphore is: permits, and a line of requests of which the first that does not fit stops all.
class Model {
 public:
  explicit Model(uint64_t permits) : available_(permits) {}

  void Request(int id, uint64_t count) {
    line_.push_back({id, count});
    Grant();
  }
  void Release(uint64_t count) {
    available_ += count;
    Grant();
  }
  // Returns whether the request was still in line.
  bool Cancel(int id) {
    for (auto at = line_.begin(); at != line_.end(); ++at) {
      if (at->id != id) continue;
      line_.erase(at);
      Grant();
      return true;
    }
    return false;
  }
  bool TryAcquire(uint64_t count) {
    if (!line_.empty() || count > available_) return false;
    available_ -= count;
    return true;
  }
  uint64_t available() const { return available_; }
  const std::vector<int>& granted() const { return granted_; }

 private:
  struct Entry {
    int id;
    uint64_t count;
  };
  void Grant() {
    while (!line_.empty() && line_.front().count <= available_) {
      available_ -= line_.front().count;
      granted_.push_back(line_.front().id);
      line_.pop_front();
    }
  }

  uint64_t available_;
  std::deque<Entry> line_;
  std::vector<int> granted_;
};

class Program {
 public:
  Program(TaskHarness& harness, Random& random)
      : harness_(harness), random_(random), semaphore_(kPermits), model_(kPermits) {}

  void Run() {
    Waiters waiters(harness_);
    for (int step = 0; step < 200 && !::testing::Test::HasFailure(); ++step) {
      Act(waiters);
      EXPECT_EQ(semaphore_.available(), model_.available()) << "after step " << step;
    }
    waiters.CancelAll();
    harness_.RunReady();
    EXPECT_EQ(waiters.ended(), waiters.started().size());
    held_.clear();
    EXPECT_EQ(semaphore_.available(), kPermits) << "permits were lost or made";
  }

 private:
  static constexpr uint64_t kPermits = 10;

  void Act(Waiters& waiters) {
    switch (random_.Below(5)) {
      case 0:
      case 1:
        return Request(waiters);
      case 2:
        return CancelOne(waiters);
      case 3:
        if (held_.empty()) return;
        return ReleaseOne(random_.Below(held_.size()));
      default:
        const uint64_t count = random_.Below(kPermits);
        std::optional<Semaphore::Permits> permits = semaphore_.TryAcquire(count);
        EXPECT_EQ(permits.has_value(), model_.TryAcquire(count));
        if (permits.has_value()) held_.push_back(*std::move(permits));
    }
  }

  void Request(Waiters& waiters) {
    const int id = static_cast<int>(waiters.started().size());
    const uint64_t count = random_.Below(kPermits + 1);
    auto acquire = [this, id, count](auto) -> Task<absl::Status> {
      model_.Request(id, count);
      auto permits = co_await semaphore_.Acquire(count);
      if (!permits.ok()) co_return permits.status();
      EXPECT_EQ(permits->count(), count);
      granted_.push_back(id);
      held_.push_back(*std::move(permits));
      co_return absl::OkStatus();
    };
    waiters.Start(acquire);
    Settle();
  }

  // Stops a task; half of the time in the same turn in which permits are released.
  void CancelOne(Waiters& waiters) {
    if (waiters.started().empty()) return;
    const size_t id = random_.Below(waiters.started().size());
    Waiters::Waiter& waiter = waiters.started()[id];
    if (waiter.ended) return;
    const bool release = random_.Below(2) == 0 && !held_.empty();
    const bool release_first = random_.Below(2) == 0;
    Semaphore::Permits released;
    if (release) std::swap(released, held_.back());
    if (release) held_.pop_back();
    const uint64_t count = released.count();
    if (release_first) released.Release();
    if (release_first) model_.Release(count);
    waiter.scope.Cancel();
    const bool was_in_line = model_.Cancel(static_cast<int>(id));
    released.Release();
    if (!release_first) model_.Release(count);
    Settle();
    EXPECT_TRUE(waiter.ended);
    if (was_in_line) {
      EXPECT_TRUE(absl::IsCancelled(waiter.status)) << waiter.status;
    } else {
      EXPECT_TRUE(waiter.status.ok()) << "what was granted before the stop is kept";
    }
  }

  void ReleaseOne(size_t index) {
    Semaphore::Permits permits = std::move(held_[index]);
    held_.erase(held_.begin() + static_cast<ptrdiff_t>(index));
    model_.Release(permits.count());
    permits.Release();
    Settle();
  }

  // Lets all run that can. Those that were granted together run in any order.
  void Settle() {
    harness_.RunReady();
    std::vector<int> wanted = model_.granted();
    std::vector<int> got = granted_;
    std::sort(wanted.begin(), wanted.end());
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, wanted);
  }

  TaskHarness& harness_;
  Random& random_;
  Semaphore semaphore_;
  Model model_;
  std::vector<Semaphore::Permits> held_;
  std::vector<int> granted_;
};

TEST(SemaphoreModelTest, GrantsWhomTheModelGrants) {
  ForEachSeed([](TaskHarness& harness, Random& random) { Program(harness, random).Run(); });
}

}  // namespace
}  // namespace pelton
