// What the shards of one runtime share: the mail exchange, the requests to stop, and who is still at work.
//
// Shard affinity: any thread. Everything here is either immutable or atomic, and written at the start and the end of a service, not
// per request.

#ifndef PELTON_FRAMEWORK_SHARD_GROUP_H_
#define PELTON_FRAMEWORK_SHARD_GROUP_H_

#include <atomic>
#include <cstdint>
#include <mutex>

#include "absl/status/status.h"
#include "framework/base/cache_line.h"
#include "framework/base/check.h"
#include "framework/base/shard_id.h"
#include "framework/mail.h"
#include "io/listener_registry.h"
#include "sched/task_context.h"

namespace pelton {

class BlockingPool;

class ShardGroup {
 public:
  ShardGroup(uint32_t shards, io::ListenerRegistry::Announce announce, void* argument);

  uint32_t shards() const { return exchange_.shards(); }
  MailExchange& exchange() { return exchange_; }
  io::ListenerRegistry& listeners() { return listeners_; }

  // Asks all shards to stop from `phase` on; they see it in their next turn. The caller wakes them.
  void RequestStop(StopPhase phase);
  StopPhase requested_stop() const { return StopOf(requests()); }
  // Asks all shards to write their tasks to stderr; they see it in their next turn. The caller wakes
  // them.
  void RequestDump() { requests_.fetch_add(kOneDump, std::memory_order_acq_rel); }
  // Everything that was requested, in one word: it changes with every request.
  uint32_t requests() const { return requests_.load(std::memory_order_acquire); }
  static StopPhase StopOf(uint32_t requests) { return static_cast<StopPhase>(requests % kOneDump); }

  // Records that `shard`, which the message then names, has failed; the first error wins. Stops all
  // shards.
  void Fail(ShardId shard, const absl::Status& status);
  absl::Status first_error();

  // The threads that shards may block. Set by the runtime before its shards run, and theirs until
  // their loops have ended.
  void SetBlockingPool(BlockingPool* pool) { blocking_pool_ = pool; }
  BlockingPool& blocking_pool() const {
    PELTON_CHECK(blocking_pool_ != nullptr) << "these shards have no runtime to block threads of";
    return *blocking_pool_;
  }

  // A shard's service begins or has returned.
  void ServiceStarted() { services_.fetch_add(1); }
  void ServiceEnded() { services_.fetch_sub(1); }
  bool ServicesEnded() const { return services_.load() == 0; }

  // A shard has something to do for others or itself, or has not. Work that crosses shards always keeps one of them busy, or is
  // counted as a post, so that all being at rest is final.
  void ShardBusy() { busy_.fetch_add(1); }
  void ShardAtRest() { busy_.fetch_sub(1); }
  void PostSent() { posts_.fetch_add(1); }
  void PostDelivered() { posts_.fetch_sub(1); }
  // A call of a foreign thread is to begin. Returns false once CloseToForeignCalls() was called:
  // then none may begin, and the number of those that have not ended only falls.
  bool ForeignCallBegins() {
    uint64_t calls = foreign_calls_.load();
    do {
      if ((calls & kClosed) != 0) return false;
    } while (!foreign_calls_.compare_exchange_weak(calls, calls + 1));
    return true;
  }
  void ForeignCallEnds() { foreign_calls_.fetch_sub(1); }
  void CloseToForeignCalls() { foreign_calls_.fetch_or(kClosed); }
  // REQUIRES: closed to foreign calls.
  bool AllAtRest() const {
    return busy_.load() == 0 && posts_.load() == 0 && foreign_calls_.load() == kClosed;
  }

 private:
  static constexpr uint32_t kOneDump = 1 << 8;

  static constexpr uint64_t kClosed = uint64_t{1} << 63;

  MailExchange exchange_;
  io::ListenerRegistry listeners_;
  BlockingPool* blocking_pool_ = nullptr;
  std::atomic<uint32_t> requests_{0};  // the stop phase, and the number of dumps above it
  std::atomic<uint32_t> services_{0};
  std::atomic<uint32_t> busy_{0};
  // Apart from what every shard reads in every turn.
  alignas(kCacheLineBytes) std::atomic<uint64_t> posts_{0};
  std::atomic<uint64_t> foreign_calls_{0};  // and kClosed
  std::mutex mutex_;
  absl::Status first_error_;  // guarded by mutex_
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_SHARD_GROUP_H_
