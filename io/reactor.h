// The I/O state of one shard that does not depend on the driver: what is to be started, what is to
// be cancelled, and the receive buffers. Awaiters hand operations in here; a driver takes them out
// once a turn.
//
// Shard affinity: one Reactor per shard, touched by that shard alone; Current() is switched by the
// runtime.
// Invariants: 1. an operation is in at most one queue; 2. a cancellation that is queued refers to
// an operation in flight; 3. in_flight() is 0 when the Reactor dies (checked).
// Cost: O(1) each, no allocation.

#ifndef PELTON_IO_REACTOR_H_
#define PELTON_IO_REACTOR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "framework/base/compiler.h"
#include "framework/base/intrusive_list.h"
#include "framework/base/shard_id.h"
#include "io/buffer_registry.h"
#include "io/chunk.h"
#include "io/file/io_profile.h"
#include "io/kernel_memory.h"
#include "io/operation.h"
#include "io/uring_capabilities.h"

namespace pelton {
class BlockingPool;
}

namespace pelton::io {

class ListenerRegistry;

// What a room above keeps on each shard.
class ReactorPart {
 public:
  virtual ~ReactorPart() = default;
};

using OperationQueue = IntrusiveQueue<Operation, &Operation::next>;

class Reactor {
 public:
  struct Options {
    size_t chunks = 1024;  // receive buffers of 16 KiB; memory is taken when they are used
    // Whether streams keep a multishot receive armed while they live, where the kernel can, or arm
    // one receive per read.
    bool multishot_receive = false;
    // The shard's name, and where the shards of a service agree on their listeners; null when there
    // is but one shard.
    ShardId shard = ShardId(0);
    ListenerRegistry* listeners = nullptr;
    // The threads for what the driver cannot do without blocking, and how many calls this shard may
    // have there at once. Without a pool such calls block the shard: for simulations.
    BlockingPool* blocking_pool = nullptr;
    size_t blocking_calls = 64;
    // How many kernel threads io_uring may use for what would block this shard: for regular files
    // and block devices, and for everything else.
    uint32_t kernel_workers_for_files = 16;
    uint32_t kernel_workers_for_others = 16;
    // How long a shard that waits looks into the queues of the network's devices itself, in
    // microseconds, which spares it the interrupt; 0: not at all.
    uint32_t busy_poll_us = 0;
    // This shard's part of what the disk can do, by which its I/O scheduler goes.
    IoProfile io_profile;
    // How much memory the shard's DirectBufferPool may take, and have the kernel pin; it is taken
    // when it is used.
    size_t direct_buffer_bytes = size_t{64} << 20;
    // The least bytes of a write to a TCP peer that is sent from the writer's memory
    // instead of being copied, where the kernel can. Copying less is cheaper than keeping track of
    // it.
    size_t zero_copy_threshold = 32 * 1024;
    // Which capabilities of io_uring to use where the kernel has them.
    UringCapabilities capabilities;
  };
  struct Statistics {
    uint64_t started = 0;             // operations handed in
    uint64_t cancelled = 0;           // cancellations asked for
    uint64_t starved = 0;             // receives that had to wait for a free chunk
    uint64_t connections_opened = 0;  // connections accepted or made
    uint64_t connections_closed = 0;
    uint64_t accept_pauses = 0;            // times that accepting paused for want of descriptors
    uint64_t connections_handed_over = 0;  // accepted here and given to a less loaded shard
    uint64_t zero_copy_sends = 0;          // sends from the writer's memory
    uint64_t zero_copy_copied = 0;         // of them, those that the kernel copied after all
    uint64_t zero_copy_copied_in_a_row = 0;
    uint64_t zero_copy_declined = 0;  // large sends that were copied because others had been
    uint64_t blocking_calls = 0;      // operations that were given to the blocking pool
    // Operations of kinds that io_uring gives to a kernel thread when they would block, and how many
    // of them are in flight.
    uint64_t kernel_worker_operations = 0;
    uint64_t kernel_worker_operations_in_flight = 0;
  };

  Reactor() : Reactor(Options()) {}
  explicit Reactor(const Options& options);
  // One that a driver keeps behind another's: its receives take chunks of that one's pool, which
  // must outlive it.
  Reactor(const Options& options, ChunkPool& chunks);
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  static Reactor* Current() { return current_; }
  static Reactor* Exchange(Reactor* reactor) { return std::exchange(current_, reactor); }

  // Hands an operation in. REQUIRES: it is idle, and lives until its final completion.
  void Start(Operation& operation) {
    PELTON_DCHECK(operation.idle());
    operation.state = Operation::State::kPending;
    operation.cancel_requested = false;
    ++in_flight_;
    ++statistics_.started;
    pending_.PushBack(operation);
  }

  // Asks a started operation to complete soon, with -ECANCELED unless it completes by itself first.
  // Idempotent; its owner still has to wait for the final completion.
  void Cancel(Operation& operation);

  // How many operations have been handed in and have not completed finally.
  uint64_t in_flight() const { return in_flight_; }

  ChunkPool& chunks() { return chunks_; }
  const Options& options() const { return options_; }
  Statistics& statistics() { return statistics_; }
  // What io/file keeps here, which it makes when it is first used; null before.
  ReactorPart* direct_io() const { return direct_io_.get(); }
  void set_direct_io(std::unique_ptr<ReactorPart> part) { direct_io_ = std::move(part); }
  // Where the driver takes memory for FileOperation::buffer; null when it knows no such thing.
  BufferRegistry* buffer_registry() const { return buffer_registry_; }

  // For drivers
  // --------------------------------------------------------------------------------------------------------------

  // Offers registered buffers, until it is called with null. The registry outlives that.
  void set_buffer_registry(BufferRegistry* registry) { buffer_registry_ = registry; }
  // Starts receives that starved again, oldest first and before what was handed in since, one for
  // each chunk that is to be had. A driver calls it once in each Submit(), before TakePending().
  void FeedStarved() {
    if (!starved_.empty()) [[unlikely]]
      FeedStarvedSlow();
  }
  // The next operation to start, now in flight; null when there is none. Completes those that were
  // cancelled before they began.
  Operation* TakePending();
  // Takes an operation in flight back, to start it again with the next Submit(): what the driver
  // had waited for proved false.
  void Retry(Operation& operation);
  // The next operation in flight that is to be cancelled; null when there is none.
  Operation* TakeCancellation() {
    Operation* operation = cancellations_.PopFront();
    if (operation != nullptr) operation->cancel_queued = false;
    return operation;
  }
  // Whether the next Submit() would find something to do.
  bool HasWork() const {
    return !pending_.empty() || !cancellations_.empty() ||
           (!starved_.empty() && chunks_.available() > 0);
  }

  // Delivers a completion. Two are not delivered: a receive that found no chunk (-ENOBUFS) starts
  // again when one is free, and what a signal interrupted before it did anything (-EINTR) starts
  // again at once, or was cancelled.
  void Complete(Operation& operation, const Completion& completion) {
    PELTON_DCHECK(operation.state == Operation::State::kInFlight);
    if (!completion.more) {
      TakeFromKernel(operation);
      if (operation.cancel_queued) [[unlikely]]
        DropCancellation(operation);
      if (completion.result < 0) [[unlikely]]
        return CompleteFailed(operation, completion);
      operation.state = Operation::State::kIdle;
      --in_flight_;
    }
    operation.OnCompletion(completion);
  }

 private:
  void DropCancellation(Operation& operation);
  void CompleteFailed(Operation& operation, const Completion& completion);
  void Starve(Operation& operation);
  void FeedStarvedSlow();

  static inline PELTON_SHARD_LOCAL Reactor* current_ = nullptr;

  OperationQueue pending_;
  OperationQueue cancellations_;
  OperationQueue starved_;
  uint64_t in_flight_ = 0;
  Statistics statistics_;
  const Options options_;
  std::optional<ChunkPool> own_chunks_;
  ChunkPool& chunks_;
  BufferRegistry* buffer_registry_ = nullptr;
  std::unique_ptr<ReactorPart> direct_io_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_REACTOR_H_
