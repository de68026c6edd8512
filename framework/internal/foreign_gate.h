// ForeignGate: the door of a shard for other threads. Knows whether the shard is still there, and
// how much of theirs it has to do.
//
// Shard affinity: Enter() and Send() any foreign thread; Leave() the shard; Close() whoever ends it.
// Ownership: shared by the shard and every handle and result; outlives the shard.
// Invariants: 1. between Enter() and Leave() the shard does not end; 2. after Close() no foreign
// thread is inside a push to the shard, and none begins one.
// Cost: a lock among foreign threads. The shard takes it once, to close, when its loop has ended.

#ifndef PELTON_FRAMEWORK_INTERNAL_FOREIGN_GATE_H_
#define PELTON_FRAMEWORK_INTERNAL_FOREIGN_GATE_H_

#include <atomic>
#include <cstdint>
#include <mutex>

#include "absl/status/status.h"
#include "framework/base/shard_id.h"
#include "sched/foreign_inbox.h"

namespace pelton {

class Shard;

namespace framework_internal {

class ForeignGate {
 public:
  // At most `limit` may be inside at once.
  ForeignGate(Shard& shard, uint32_t limit);
  ForeignGate(const ForeignGate&) = delete;
  ForeignGate& operator=(const ForeignGate&) = delete;

  ShardId id() const { return id_; }

  // Counts a submission and sends `node` to the shard. ERRORS: UNAVAILABLE when the services have
  // ended, RESOURCE_EXHAUSTED at the limit; the node was not sent then.
  absl::Status Enter(ForeignNode& node);

  // Sends `node` after one that has entered and not left, if claim() is true.
  template <typename Claim>
  void Send(ForeignNode& node, Claim claim) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (claim()) Push(node);
  }

  // A submission has come to its end.
  void Leave();

  // Lets nobody in any more, and waits until those who are pushing have done so.
  void Close();

 private:
  void Push(ForeignNode& node);

  const ShardId id_;
  const uint32_t limit_;
  std::atomic<uint32_t> inside_ = 0;
  std::mutex mutex_;  // held while something is pushed: the shard must be there until it is done
  Shard* shard_;      // null when it has ended; guarded by mutex_
};

}  // namespace framework_internal
}  // namespace pelton

#endif  // PELTON_FRAMEWORK_INTERNAL_FOREIGN_GATE_H_
