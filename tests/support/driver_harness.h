// DriverHarness: a shard's worth of machinery for tests of I/O: frame pool, scheduler, reactor,
// blocking pool and one driver, turned by the test.
//
//   DriverHarness<io::EpollDriver> harness(io::EpollDriver::Create);
//   ASSERT_TRUE(harness.status().ok()) << harness.status();
//   EXPECT_TRUE(harness.Run(MyTask()).ok());
//
// Shard affinity: the thread that makes it, on which it is current as long as it lives.
// Bounded: whatever waits longer than kWatchdog is told to stop; what does not stop ends the
// process.

#ifndef PELTON_TESTS_SUPPORT_DRIVER_HARNESS_H_
#define PELTON_TESTS_SUPPORT_DRIVER_HARNESS_H_

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "alloc/frame_pool.h"
#include "framework/base/check.h"
#include "io/driver.h"
#include "io/reactor.h"
#include "sched/blocking/blocking_pool.h"
#include "sched/clock.h"
#include "sched/mailbox.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton::testing {

// Makes a reactor current on this thread.
class ReactorBinding {
 public:
  explicit ReactorBinding(io::Reactor* reactor) : previous_(io::Reactor::Exchange(reactor)) {}
  ~ReactorBinding() { io::Reactor::Exchange(previous_); }
  ReactorBinding(const ReactorBinding&) = delete;
  ReactorBinding& operator=(const ReactorBinding&) = delete;

 private:
  io::Reactor* const previous_;
};

template <io::Driver D>
class DriverHarness {
 public:
  using Factory = std::function<absl::StatusOr<std::unique_ptr<D>>(io::Reactor&)>;

  static constexpr absl::Duration kWatchdog = absl::Seconds(15);

  explicit DriverHarness(const Factory& create) : DriverHarness(create, io::Reactor::Options()) {}
  DriverHarness(const Factory& create, const io::Reactor::Options& options)
      : blocking_pool_(MakePool()),
        scheduler_(clock_),
        reactor_(WithPool(options)),
        scheduler_binding_(&scheduler_, &frames_),
        reactor_binding_(&reactor_) {
    absl::StatusOr<std::unique_ptr<D>> driver = create(reactor_);
    status_ = driver.status();
    if (!driver.ok()) return;
    driver_ = *std::move(driver);
    scheduler_.foreign_inbox().SetWaker(
        &sleep_flag_, [](void* own) { static_cast<D*>(own)->Wake(); }, driver_.get());
  }
  // The pool's threads may be about to wake the driver.
  ~DriverHarness() { blocking_pool_.reset(); }

  // Whether the driver could be made; nothing else may be called when not.
  const absl::Status& status() const { return status_; }

  // Runs `task` to its end, and on until nothing is in flight. Yields what it returned;
  // DEADLINE_EXCEEDED when the watchdog had to stop it.
  absl::Status Run(Task<absl::Status> task) {
    absl::Status outcome;
    TaskScope root(nullptr, {});
    root_ = &root;
    root.Spawn(Capture(std::move(task), &outcome));
    const auto at_rest = [&] { return root.live() == 0 && reactor_.in_flight() == 0; };
    if (!TurnUntil(at_rest)) {
      outcome = absl::DeadlineExceededError("the watchdog stopped the task");
      root.Cancel();
      PELTON_CHECK(TurnUntil(at_rest)) << root.live() << " tasks and " << reactor_.in_flight()
                                       << " operations do not end when they are cancelled";
    }
    root_ = nullptr;
    return outcome;
  }

  // Takes turns, and sleeps between them, until `done()`. Returns false when the watchdog ended it.
  template <typename Predicate>
  bool TurnUntil(Predicate&& done) {
    const Timestamp end = clock_.Now() + kWatchdog;
    while (!done()) {
      Turn();
      if (done()) break;
      const Timestamp now = clock_.Now();
      if (now >= end) return false;
      if (IsBusy()) continue;
      const Timestamp wake = std::min(scheduler_.NextTimer(), end);
      sleep_flag_.PrepareToSleep();
      if (scheduler_.foreign_inbox().Empty()) {
        driver_->Wait(std::max<int64_t>(0, wake.nanoseconds() - now.nanoseconds()));
      }
      sleep_flag_.WakeUp();
    }
    return true;
  }

  // One turn of the loop, as a shard takes it. Never blocks.
  void Turn() {
    frames_.DrainRemote();
    scheduler_.BeginTurn();
    scheduler_.RunReady();
    scheduler_.foreign_inbox().Deliver();
    scheduler_.FireTimers();
    driver_->Submit(reactor_);
    driver_->Reap(reactor_);
  }

  D& driver() { return *driver_; }
  io::Reactor& reactor() { return reactor_; }
  Scheduler& scheduler() { return scheduler_; }
  // The scope of the task that runs. REQUIRES: called during Run().
  TaskScope& root() { return *root_; }

 private:
  static Task<void> Capture(Task<absl::Status> task, absl::Status* outcome) {
    *outcome = co_await std::move(task);
  }

  static std::unique_ptr<BlockingPool> MakePool() {
    absl::StatusOr<std::unique_ptr<BlockingPool>> pool =
        BlockingPool::Create({.name = "test", .max_threads = 4});
    PELTON_CHECK(pool.ok()) << pool.status().ToString();
    return *std::move(pool);
  }
  io::Reactor::Options WithPool(io::Reactor::Options options) const {
    options.blocking_pool = blocking_pool_.get();
    return options;
  }

  bool IsBusy() const {
    return !scheduler_.foreign_inbox().Empty() || scheduler_.HasReady() || reactor_.HasWork() ||
           driver_->HasCompletions();
  }

  MonotonicClock clock_;
  std::unique_ptr<BlockingPool> blocking_pool_;
  SleepFlag sleep_flag_;
  FramePool frames_;
  Scheduler scheduler_;
  io::Reactor reactor_;
  SchedulerBinding scheduler_binding_;
  ReactorBinding reactor_binding_;
  absl::Status status_;
  std::unique_ptr<D> driver_;
  TaskScope* root_ = nullptr;
};

}  // namespace pelton::testing

#endif  // PELTON_TESTS_SUPPORT_DRIVER_HARNESS_H_
