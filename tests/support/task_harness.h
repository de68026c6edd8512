// TaskHarness: a shard's worth of scheduling for tests of tasks: frame pool, virtual clock,
// scheduler, and a scope for tasks of the test's own.
//
//   TaskHarness harness;
//   EXPECT_EQ(harness.Run(Sum(3)), 6);
//
// Time moves only when no task is ready; then it jumps to the next timer, so an hour's sleep takes
// no time. While other threads work for a task (Scheduler::external()), it waits for them instead.
//
// Shard affinity: the thread that makes it, on which it is current as long as it lives. Checked
// when it dies: no task of scope() lives, no timer is armed, and every coroutine frame is back in
// the pool.

#ifndef PELTON_TESTS_SUPPORT_TASK_HARNESS_H_
#define PELTON_TESTS_SUPPORT_TASK_HARNESS_H_

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <semaphore>
#include <type_traits>
#include <utility>
#include <variant>

#include "alloc/frame_pool.h"
#include "framework/base/check.h"
#include "sched/clock.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton::testing {

class TaskHarness {
 public:
  explicit TaskHarness(const Scheduler::Options& options = {},
                       const TaskScope::Options& scope_options = {})
      : scheduler_(clock_, options), binding_(&scheduler_, &frames_) {
    scope_.emplace(&root(), scope_options);
    scheduler_.foreign_inbox().SetWaker(
        &sleep_flag_,
        [](void* harness) { static_cast<TaskHarness*>(harness)->arrivals_.release(); }, this);
  }

  ~TaskHarness() {
    scope_.reset();
    const FramePool::Statistics frames = frames_.GetStatistics();
    EXPECT_EQ(frames.live, 0u) << "coroutine frames were leaked";
    EXPECT_TRUE(frames_.CheckInvariants());
  }

  TaskHarness(const TaskHarness&) = delete;
  TaskHarness& operator=(const TaskHarness&) = delete;

  // Steps until `task` has ended, and yields its result or rethrows its exception. Dies when
  // nothing will ever resume it.
  template <typename T>
  T Run(Task<T> task) {
    Outcome<T> outcome;
    TaskScope scope(&root(), {});
    scope.Spawn(Capture(std::move(task), &outcome));
    while (scope.live() > 0) {
      PELTON_CHECK(Step() || scope.live() == 0)
          << "the task waits for something that never happens";
    }
    if (outcome.exception) std::rethrow_exception(outcome.exception);
    return outcome.Take();
  }

  // Runs one turn: ready tasks, then due timers.
  void Turn() {
    ++turns_;
    scheduler_.BeginTurn();
    scheduler_.RunReady();
    scheduler_.foreign_inbox().Deliver();
    scheduler_.FireTimers();
  }

  // Runs one turn, and moves the clock to the next timer when no task is ready after it. Returns
  // whether there may be more to do.
  bool Step() {
    Turn();
    if (scheduler_.HasReady()) return true;
    if (scheduler_.external() > 0) return AwaitForeignWork();
    const Timestamp next = scheduler_.NextTimer();
    if (next.infinite()) return false;
    clock_.AdvanceTo(next);
    return true;
  }

  // Steps until no task is ready and no timer is armed: whoever still lives waits for another.
  void RunUntilIdle() {
    while (Step()) {
    }
  }

  // Runs turns until no task is ready, without moving the clock.
  void RunReady() {
    do {
      Turn();
    } while (scheduler_.HasReady());
  }

  // Where the test's own tasks go; see Run() for a single one. They have to end before the harness
  // does.
  TaskScope& scope() { return *scope_; }
  TaskContext& root() { return scheduler_.root(); }
  Scheduler& scheduler() { return scheduler_; }
  FramePool& frames() { return frames_; }
  VirtualClock& clock() { return clock_; }
  Timestamp now() const { return clock_.Now(); }
  uint64_t turns() const { return turns_; }

 private:
  template <typename T>
  struct Outcome {
    std::optional<std::conditional_t<
        std::is_void_v<T>, std::monostate,
        std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>>>
        value;
    std::exception_ptr exception;

    std::add_rvalue_reference_t<T> Take() {
      PELTON_CHECK(value.has_value());
      if constexpr (std::is_reference_v<T>) {
        return **value;
      } else if constexpr (!std::is_void_v<T>) {
        return std::move(*value);
      }
    }
  };

  template <typename T>
  static Task<void> Capture(Task<T> task, Outcome<T>* outcome) {
    try {
      if constexpr (std::is_void_v<T>) {
        co_await std::move(task);
        outcome->value.emplace();
      } else if constexpr (std::is_reference_v<T>) {
        outcome->value = &co_await std::move(task);
      } else {
        outcome->value.emplace(co_await std::move(task));
      }
    } catch (...) {
      outcome->exception = std::current_exception();
    }
  }

  // Waits, in real time, for the work that goes on in other threads: time does not pass it by.
  bool AwaitForeignWork() {
    constexpr auto kPatience = std::chrono::seconds(30);
    sleep_flag_.PrepareToSleep();
    const bool arrived =
        !scheduler_.foreign_inbox().Empty() || arrivals_.try_acquire_for(kPatience);
    sleep_flag_.WakeUp();
    return arrived;
  }

  FramePool frames_;
  VirtualClock clock_;
  SleepFlag sleep_flag_;
  std::counting_semaphore<> arrivals_{0};
  Scheduler scheduler_;
  SchedulerBinding binding_;
  std::optional<TaskScope> scope_;
  uint64_t turns_ = 0;
};

}  // namespace pelton::testing

#endif  // PELTON_TESTS_SUPPORT_TASK_HARNESS_H_
