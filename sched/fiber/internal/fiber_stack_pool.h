// The stacks of a thread's fibers: those in use, and those kept for the next fiber.
//
// Shard affinity: the thread. Shards that a stepped runtime runs on one thread share a pool.
// Ownership: whoever takes a stack owns it until it gives it back; the pool owns the free ones.
// Invariants: 1. free stacks hold at most kWarmBytes of memory: the ones freed last keep theirs,
// all others are empty; 2. free stacks have at most kFreeBytes of addresses; 3. a stack's memory is
// looked at before it is given back to the kernel, so that most_used_bytes() forgets nothing.
// Cost: Take and Return are some nanoseconds, without a system call, as long as no more than
// kWarmBytes of stacks come and go. Beyond that a stack is emptied when it comes back (about 2 µs
// with the page fault of its next use), and beyond kFreeBytes unmapped.

#ifndef PELTON_SCHED_FIBER_INTERNAL_FIBER_STACK_POOL_H_
#define PELTON_SCHED_FIBER_INTERNAL_FIBER_STACK_POOL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "framework/base/intrusive_list.h"
#include "sched/fiber/internal/fiber_stack.h"

namespace pelton::sched_internal {

class FiberStackPool {
 public:
  // 64 stacks of the default size.
  static constexpr size_t kWarmBytes = size_t{8} << 20;
  // 2,048 stacks of the default size.
  static constexpr size_t kFreeBytes = size_t{256} << 20;

  FiberStackPool() = default;
  FiberStackPool(const FiberStackPool&) = delete;
  FiberStackPool& operator=(const FiberStackPool&) = delete;
  // Stacks that are in use stay as they are: a program may call exit() on one.
  ~FiberStackPool();

  // The pool of this thread.
  static FiberStackPool& Current();

  // A stack of `bytes`, rounded up to pages; what it holds is undefined. ERRORS: RESOURCE_EXHAUSTED.
  absl::StatusOr<std::unique_ptr<FiberStack>> Take(size_t bytes);
  // REQUIRES: taken from this pool, and nothing runs on it.
  void Return(std::unique_ptr<FiberStack> stack);

  // Gives the memory of a stack back, which keeps its addresses. COST: two system calls.
  // REQUIRES: nothing runs on it.
  void Empty(FiberStack& stack);

  // Look at every stack. COST: a system call each.
  uint64_t ResidentBytes();
  uint64_t MostUsedBytes();

  uint64_t stacks() const { return stacks_; }
  uint64_t free_stacks() const { return warm_.size() + empty_.size(); }
  uint64_t mapped_bytes() const { return mapped_bytes_; }

  // Counts fibers that run on these stacks.
  void CountStart() { ++fibers_started_; }
  void CountEnd() { ++fibers_ended_; }
  uint64_t fibers_started() const { return fibers_started_; }
  uint64_t fibers_live() const { return fibers_started_ - fibers_ended_; }

  // Whether invariants 1 and 2 hold. COST: a system call for each free stack.
  bool CheckInvariants() const;

 private:
  using Stacks = std::vector<std::unique_ptr<FiberStack>>;

  // How many free stacks are looked at for one of the right size: more matter only to a program
  // that uses many sizes in turn.
  static constexpr size_t kSearch = 32;
  static std::unique_ptr<FiberStack> TakeFrom(Stacks& stacks, size_t bytes, size_t& total_bytes);
  static std::unique_ptr<FiberStack> TakeOldest(Stacks& stacks, size_t& total_bytes);
  // Takes down how deep the stack was used, which is forgotten when it is emptied or unmapped.
  void NoteUse(const FiberStack& stack);

  IntrusiveList<FiberStack> mapped_;  // free or not
  Stacks warm_;                       // the one freed last at the back
  Stacks empty_;
  size_t warm_bytes_ = 0;
  size_t empty_bytes_ = 0;
  uint64_t stacks_ = 0;
  uint64_t mapped_bytes_ = 0;
  uint64_t most_used_bytes_ = 0;
  uint64_t fibers_started_ = 0;
  uint64_t fibers_ended_ = 0;
};

}  // namespace pelton::sched_internal

#endif  // PELTON_SCHED_FIBER_INTERNAL_FIBER_STACK_POOL_H_
