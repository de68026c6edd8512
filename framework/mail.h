// Messages between shards: what a shard has to send, and what has arrived for it.
//
// A message is a node that the sender keeps alive until it is delivered, so sending allocates
// nothing and never fails: when the ring to the receiver is full, the node waits in the sender's
// outbox, in order.
//
// Shard affinity: one Mail per shard, touched by that shard alone; the rings between them are the
// only memory that shards share.
// Invariants: 1. nodes from one shard to another are delivered in the order they were sent; 2. a
// node is delivered exactly once; 3. after Flush() nothing that fits in its ring is left
// unpublished, and every receiver that sleeps has been claimed for waking.
// Cost: a store or two per message; one barrier per Flush() that published something.

#ifndef PELTON_FRAMEWORK_MAIL_H_
#define PELTON_FRAMEWORK_MAIL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "framework/base/cache_line.h"
#include "framework/base/intrusive_list.h"
#include "framework/base/shard_id.h"
#include "sched/mailbox.h"

namespace pelton {

// A message that another shard will run. Lives where its sender put it until it is delivered.
struct MailNode {
  MailNode* next = nullptr;
  // Called on the receiving shard, from its loop and not from a task. May send; resumes nothing
  // itself.
  void (*deliver)(MailNode* self) = nullptr;
};

// The rings between all pairs of shards, and who sleeps. Made before the shards, shared by them.
class MailExchange {
 public:
  explicit MailExchange(uint32_t shards);

  uint32_t shards() const { return shards_; }
  MailboxRing& ring(uint32_t from, uint32_t to) { return *rings_[from * shards_ + to]; }
  SleepFlag& sleep_flag(uint32_t shard) { return sleepers_[shard].flag; }

 private:
  struct alignas(kCacheLineBytes) Sleeper {
    SleepFlag flag;
  };

  const uint32_t shards_;
  std::vector<std::unique_ptr<MailboxRing>> rings_;
  std::unique_ptr<Sleeper[]> sleepers_;
};

// One shard's end of the exchange.
class Mail {
 public:
  Mail(MailExchange& exchange, ShardId self);
  ~Mail();

  // Sends `node` with the next Flush(). A node to this shard itself is delivered like any other.
  void Send(ShardId to, MailNode& node) {
    Outbox& outbox = outboxes_[to.index()];
    if (!outbox.dirty) {
      outbox.dirty = true;
      dirty_.push_back(to.index());
    }
    outbox.waiting.PushBack(node);
  }

  // Publishes what was sent, and calls wake(uint32_t shard) for each receiver that has to be woken.
  template <typename Wake>
  void Flush(Wake&& wake) {
    if (dirty_.empty()) [[likely]]
      return;
    FillRings();
    // One barrier for all receivers: their sleep flags are read after everything was published.
    SleepFlag::FullBarrier();
    size_t kept = 0;
    for (uint32_t to : dirty_) {
      if (to != self_.index() && exchange_.sleep_flag(to).ClaimWake()) wake(to);
      if (outboxes_[to].dirty) dirty_[kept++] = to;
    }
    dirty_.resize(kept);
  }

  // Runs what has arrived. Returns how many messages.
  size_t Deliver();
  // Whether something has arrived. COST: a load per shard.
  bool HasArrivals() const;
  // Whether something waits for room in a ring.
  bool HasUnsent() const { return !dirty_.empty(); }

  SleepFlag& sleep_flag() { return exchange_.sleep_flag(self_.index()); }

 private:
  struct Outbox {
    IntrusiveQueue<MailNode, &MailNode::next> waiting;
    bool dirty = false;
  };

  void FillRings();

  MailExchange& exchange_;
  const ShardId self_;
  std::vector<Outbox> outboxes_;
  std::vector<uint32_t> dirty_;  // receivers with something to publish; its memory is reserved
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_MAIL_H_
