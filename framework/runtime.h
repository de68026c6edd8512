// Runtime: runs a service on one pinned thread per shard, and stops it gracefully.
//
// The calling thread becomes the control thread: it sleeps until a signal arrives or the shards
// have ended.
//
// Stopping (SIGTERM, SIGINT): the shards stop accepting; waits for idle peers are interrupted a
// moment later, so that a request which is on its way is still answered; everything that is left
// when the grace period ends is cancelled. A second signal cancels at once.
//
// SIGQUIT makes every shard write its tasks to stderr (DumpTasks()), and changes nothing else.

#ifndef PELTON_FRAMEWORK_RUNTIME_H_
#define PELTON_FRAMEWORK_RUNTIME_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "framework/cpu_topology.h"
#include "framework/shard.h"
#include "framework/stall_reporter.h"
#include "sched/blocking/blocking_pool.h"

namespace pelton {

// Which driver serves the shards.
enum class DriverChoice {
  kAuto,   // io_uring where it works for all shards, else epoll with one line that says why
  kUring,  // io_uring or an error
  kEpoll,
};

class Runtime {
 public:
  struct Options {
    ShardPlacement placement;  // how many shards, and on which CPUs
    DriverChoice driver = DriverChoice::kAuto;
    Shard::Options shard;
    // The threads of RunBlocking(), shared by all shards.
    BlockingPool::Options blocking;
    // How long a shard that has nothing to do looks for work before it sleeps. Waking a thread
    // costs about 20 µs, so looking that long halves the latency of a lone connection. None when
    // shards share a CPU.
    absl::Duration spin = absl::Microseconds(20);
    // How long tasks may go on after a request to stop.
    absl::Duration grace_period = absl::Seconds(10);
    // How long tasks may take to end once they were cancelled: at the end of the grace period, or
    // by an error of another shard. Then the process says so and exits with code 1.
    absl::Duration give_up_after = absl::Seconds(10);
    // From which length of a turn on a shard is reported as stalled (stall_reporter.h); 0: never.
    absl::Duration stall_threshold = StallReporter::Options().threshold;
  };

  explicit Runtime(const Options& options) : options_(options) {}

  // Runs `serve` on every shard until it has returned on all of them, or a signal or an error has
  // ended it. Prints `listening on ADDRESS:PORT shards=N driver=NAME` on stdout for each listener
  // when all shards have bound it. Yields the first shard's error. ERRORS: RESOURCE_EXHAUSTED when
  // the kernel starts no thread for a shard or for RunBlocking(). Call it once, from the main
  // thread, before other threads exist: they would take the signals.
  absl::Status Run(const ServeFunction& serve);

 private:
  const Options options_;
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_RUNTIME_H_
