// How threads that are no shards hand something to one: a list that any thread may push to.
//
//   struct Done : ForeignNode { ... } done;       // lives in the frame of the task that waits for it
//   done.deliver = [](ForeignNode* node) { ... };  // on the shard; makes tasks ready
//   inbox.Push(done);                              // on the foreign thread
//
// Shard affinity: Push() any thread; the rest the owning shard.
// Ownership: a node is its sender's until Push(), the inbox's until it is delivered. The inbox must
// outlive every Push(): whoever hands it to a thread sees to that (Scheduler::BeginExternal()).
// Invariants: 1. every node is delivered exactly once, in the order of the pushes; 2. a push that a
// sleeping shard has not seen wakes it.
// Cost: Push() is a compare-and-swap, a barrier, and a wake-up when the shard sleeps; a turn
// without arrivals pays one load.
// Algorithm: Treiber's stack, taken whole and reversed.

#ifndef PELTON_SCHED_FOREIGN_INBOX_H_
#define PELTON_SCHED_FOREIGN_INBOX_H_

#include <atomic>
#include <cstddef>

#include "framework/base/cache_line.h"
#include "framework/base/check.h"
#include "sched/mailbox.h"

namespace pelton {

// Something for a shard. Its owner sets `deliver`, which may destroy the node.
struct ForeignNode {
  ForeignNode* next = nullptr;
  void (*deliver)(ForeignNode* node) = nullptr;
};

class ForeignInbox {
 public:
  ForeignInbox() = default;
  ForeignInbox(const ForeignInbox&) = delete;
  ForeignInbox& operator=(const ForeignInbox&) = delete;
  ~ForeignInbox() { PELTON_CHECK(Empty()) << "a shard ends with undelivered foreign work"; }

  // Hands `node` over, to be delivered in the shard's next turn.
  void Push(ForeignNode& node) {
    ForeignNode* head = head_.load(std::memory_order_relaxed);
    // Read before the node is visible: the shard may end as soon as it was delivered.
    const Waker waker = waker_;
    do {
      node.next = head;
    } while (!head_.compare_exchange_weak(head, &node, std::memory_order_release,
                                          std::memory_order_relaxed));
    if (waker.flag == nullptr) return;
    SleepFlag::FullBarrier();
    if (waker.flag->ClaimWake()) waker.wake(waker.argument);
  }

  // How to wake the shard when `flag` says that it sleeps. Without one it has to look by itself.
  // `flag` and `argument` must stay until the last Push() has returned. REQUIRES: no thread pushes
  // meanwhile.
  void SetWaker(SleepFlag* flag, void (*wake)(void* argument), void* argument) {
    waker_ = {flag, wake, argument};
  }

  // COST: a load.
  bool Empty() const { return head_.load(std::memory_order_acquire) == nullptr; }

  // Delivers what has arrived; what arrives meanwhile waits for the next call. Returns how many
  // nodes.
  size_t Deliver() {
    if (Empty()) [[likely]]
      return 0;
    ForeignNode* newest = head_.exchange(nullptr, std::memory_order_acquire);
    ForeignNode* oldest = nullptr;
    while (newest != nullptr) {
      ForeignNode* const before = newest->next;
      newest->next = oldest;
      oldest = newest;
      newest = before;
    }
    size_t delivered = 0;
    while (oldest != nullptr) {
      ForeignNode* const node = oldest;
      oldest = node->next;
      node->deliver(node);
      ++delivered;
    }
    return delivered;
  }

 private:
  struct Waker {
    SleepFlag* flag = nullptr;
    void (*wake)(void* argument) = nullptr;
    void* argument = nullptr;
  };

  // Written by foreign threads; on a line of its own.
  alignas(kCacheLineBytes) std::atomic<ForeignNode*> head_ = nullptr;
  alignas(kCacheLineBytes) Waker waker_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_FOREIGN_INBOX_H_
