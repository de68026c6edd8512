// How an OS thread waits: by blocking. A seam, so that a test can have it wait for virtual time.
//
// Thread affinity: any thread but a shard's.

#ifndef PELTON_FRAMEWORK_EXAMPLES_FLOW_MODELS_THREAD_WAITS_H_
#define PELTON_FRAMEWORK_EXAMPLES_FLOW_MODELS_THREAD_WAITS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "framework/foreign.h"
#include "framework/shard.h"
#include "sched/task.h"

namespace pelton::models {

class ThreadWaits {
 public:
  // Threads await tasks of `shard`.
  explicit ThreadWaits(const Shard& shard) : shard_(shard.handle()) {}
  virtual ~ThreadWaits() = default;

  // Blocks the calling thread for `duration`.
  virtual absl::Status Sleep(absl::Duration duration) const;
  // Has the shard run `task`, and blocks the calling thread until it has ended.
  virtual absl::Status Await(Task<absl::Status> task) const {
    return shard_.SubmitAndWait([&task] { return std::move(task); });
  }

 protected:
  const ShardHandle& shard() const { return shard_; }

 private:
  const ShardHandle shard_;
};

}  // namespace pelton::models

#endif  // PELTON_FRAMEWORK_EXAMPLES_FLOW_MODELS_THREAD_WAITS_H_
