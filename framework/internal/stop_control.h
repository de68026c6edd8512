// The control thread's part of a service's life: waits for signals and for the end of the shards,
// and paces the drain.

#ifndef PELTON_FRAMEWORK_INTERNAL_STOP_CONTROL_H_
#define PELTON_FRAMEWORK_INTERNAL_STOP_CONTROL_H_

#include <signal.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sched/task_context.h"

namespace pelton {

class StopControl {
 public:
  // Blocks SIGTERM, SIGINT and SIGQUIT in the calling thread, so in those that it starts from now on, and
  // receives them itself. `grace_period` and `give_up_after` as in Runtime::Options.
  static absl::StatusOr<std::unique_ptr<StopControl>> Create(absl::Duration grace_period,
                                                             absl::Duration give_up_after);
  // Unblocks the signals again.
  ~StopControl();
  StopControl(const StopControl&) = delete;
  StopControl& operator=(const StopControl&) = delete;

  // Sleeps until ShardsEnded(). Calls request_stop(phase) as SIGTERM, SIGINT and the grace period
  // demand, and request_dump() at SIGQUIT. Ends the process with exit code 1 and a line on stderr
  // when the shards have not ended `give_up_after` after everything was cancelled; asks for a dump
  // before.
  void WaitUntilEnded(const std::function<void(StopPhase)>& request_stop,
                      const std::function<void()>& request_dump);

  // All shards have ended. Any thread, once.
  void ShardsEnded();
  // An error has cancelled everything: from now on the shards' time to end is limited. Any thread,
  // any number of times.
  void EverythingCancelled();

 private:
  StopControl(int signals, int events, const sigset_t& previous, absl::Duration grace_period,
              absl::Duration give_up_after);

  // The signal that has come, or 0.
  int TakeSignal();
  [[noreturn]] void GiveUp(const std::function<void()>& request_dump);
  uint64_t TakeEvents();
  void Notify(uint64_t event);

  const int signals_;  // a signalfd(2)
  const int events_;   // an eventfd(2)
  const sigset_t previous_mask_;
  const absl::Duration grace_period_;
  const absl::Duration give_up_after_;
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_INTERNAL_STOP_CONTROL_H_
