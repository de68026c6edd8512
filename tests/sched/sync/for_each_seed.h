// What the tests of sched/sync have in common: many schedules of one program, and tasks that can be
// stopped one by one.
//
//   ForEachSeed([](TaskHarness& harness, Random& random) { ... });

#ifndef PELTON_TESTS_SCHED_SYNC_FOR_EACH_SEED_H_
#define PELTON_TESTS_SCHED_SYNC_FOR_EACH_SEED_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sched/random.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton::testing {

// How much later than its deadline a timer may fire on the virtual clock.
inline constexpr absl::Duration kLateness = absl::Nanoseconds(2 << TimerWheel::kTickBits);

// Scheduler options of which a seed decides in which order ready tasks run, and how often they give
// way.
inline Scheduler::Options OptionsOfSeed(uint64_t seed) {
  Scheduler::Options options;
  options.shuffle_seed = seed;
  options.operation_budget = 16;
  options.virtual_quota = static_cast<uint32_t>(16 * (1 + seed % 8));
  return options;
}

// Calls body(TaskHarness&, Random&) for 200 seeds, until one fails; its number is in the message.
template <typename Body>
void ForEachSeed(Body body) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    TaskHarness harness(OptionsOfSeed(seed));
    Random random(seed);
    body(harness, random);
    if (::testing::Test::HasFailure()) return;
  }
}

// Tasks that wait, each in a scope of its own, with what became of them.
class Waiters {
 public:
  struct Waiter {
    explicit Waiter(TaskContext* parent) : scope(parent, {}) {}

    TaskScope scope;
    const TaskContext* context = nullptr;  // set when it runs
    bool ended = false;
    absl::Status status;
    Timestamp ended_at;
  };

  // Called by a task in the statement before the one in which it begins to wait.
  class Arrival {
   public:
    Arrival(Waiters& waiters, Waiter& waiter) : waiters_(waiters), waiter_(waiter) {}
    void operator()() const { waiters_.order_of_arrival_.push_back(&waiter_); }

   private:
    Waiters& waiters_;
    Waiter& waiter_;
  };

  explicit Waiters(TaskHarness& harness) : harness_(harness) {}

  // Starts a task that runs `function(Arrival)`, which returns a Task<absl::Status>.
  template <typename Function>
  Waiter& Start(Function function) {
    Waiter& waiter = started_.emplace_back(&harness_.root());
    auto run = [this, &waiter, function]() mutable -> Task<void> {
      waiter.context = &Scheduler::Current()->current_context();
      waiter.status = co_await function(Arrival(*this, waiter));
      waiter.ended = true;
      waiter.ended_at = harness_.now();
      order_of_ending_.push_back(&waiter);
    };
    waiter.scope.Spawn(run);
    return waiter;
  }
  // Starts `count` of them, and runs them until they wait.
  template <typename Function>
  void StartAll(int count, Function function) {
    for (int i = 0; i < count; ++i) Start(function);
    harness_.RunReady();
  }

  std::deque<Waiter>& started() { return started_; }
  // In the order in which they began to wait, which the schedule decides.
  Waiter& arrived(size_t index) { return *order_of_arrival_.at(index); }
  const std::vector<Waiter*>& order_of_arrival() const { return order_of_arrival_; }
  const std::vector<Waiter*>& order_of_ending() const { return order_of_ending_; }
  size_t ended() const { return order_of_ending_.size(); }
  void CancelAll() {
    for (Waiter& waiter : started_) waiter.scope.Cancel();
  }

 private:
  TaskHarness& harness_;
  std::deque<Waiter> started_;
  std::vector<Waiter*> order_of_arrival_;
  std::vector<Waiter*> order_of_ending_;
};

// What a suspended task says that it waits for.
inline std::string WaitOf(const Waiters::Waiter& waiter) {
  std::ostringstream out;
  if (waiter.context == nullptr || waiter.context->waiting_for() == nullptr) return "nothing";
  waiter.context->waiting_for()->Describe(out);
  return out.str();
}

}  // namespace pelton::testing

#endif  // PELTON_TESTS_SCHED_SYNC_FOR_EACH_SEED_H_
