// Watches the shards of a runtime from a thread of its own, and writes one report for each turn of
// a shard's loop that lasts too long:
//
//   shard 1 stalled: a turn took 100.3ms (threshold 25ms), group main, running: of the last 24.9ms,
//   24.8ms on a CPU, 100us waiting for one, 0 blocked
//     native stack:
//       at Checksum(std::span<char const>) app/checksum.cc:41
//       at Upload(Request) app/upload.cc:77
//       ...
//     tasks:
//       behind app/upload.cc:70 in Task<Response> Upload(Request)
//       at app/main.cc:20 in Task<absl::Status> Serve(pelton::Shard &)
//
// The tasks are those from the running one to the root of its flow, over scopes and across On(),
// each with its await. The state tells code that runs too long from a call that blocks, from a
// thread that got no CPU, and from a container that used up its quota.
//
// The thread looks twice per threshold while a shard is busy, and not at all while all are idle. It
// interrupts a shard only when its turn has lasted too long: a blocking call that it finds there,
// and that the kernel does not restart, ends with EINTR.
//
// Shard affinity: the members are marked. COST: about 5 µs per look and shard, on any CPU of the
// process, and 35 KiB per shard; a report takes milliseconds, the first one longer.

#ifndef PELTON_FRAMEWORK_STALL_REPORTER_H_
#define PELTON_FRAMEWORK_STALL_REPORTER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "framework/base/shard_id.h"
#include "framework/internal/symbolizer.h"
#include "framework/internal/thread_usage.h"
#include "sched/clock.h"
#include "sched/scheduler.h"
#include "sched/stall_detector.h"

namespace pelton {

class StallReporter {
 public:
  struct Options {
    // From which length on a turn is a stall. At least a millisecond.
    absl::Duration threshold = absl::Milliseconds(25);
    // How many reports a shard may write in a period; the next one counts those held back.
    int reports = 10;
    absl::Duration period = absl::Minutes(1);
    // How long a report waits for its turn to end.
    absl::Duration patience = absl::Seconds(1);
    // Takes each report, on the reporter's thread.
    void (*write)(std::string_view report) = nullptr;  // LogLine
  };

  // Starts watching `shards` shards, none of which is attached yet. The thread takes no signals.
  StallReporter(uint32_t shards, const Options& options);
  // REQUIRES: every shard that was attached has been detached; their threads have not been joined.
  ~StallReporter();
  StallReporter(const StallReporter&) = delete;
  StallReporter& operator=(const StallReporter&) = delete;

  // The shard's thread: is watched from its next turn on. The detector is the reporter's.
  StallDetector& Attach(ShardId shard, Scheduler& scheduler);
  // The shard's thread, after its last turn.
  void Detach(ShardId shard);

 private:
  struct Watched;

  void Watch();
  // Looks at one shard and returns when to look again.
  Timestamp Look(Watched& watched, Timestamp now);
  Timestamp LookAtStall(Watched& watched, const Stall& stall, Timestamp now);
  Timestamp LookAtRequest(Watched& watched, Timestamp now);
  void Report(Watched& watched, const Stall& stall, int64_t end, Timestamp now);
  bool AllIdle() const;

  const Options options_;
  const MonotonicClock clock_;
  const ThrottledTime throttled_;
  Symbolizer symbolizer_;
  StallBell bell_;
  std::vector<std::unique_ptr<Watched>> watched_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_STALL_REPORTER_H_
