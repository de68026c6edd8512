// Memory for coroutine frames: per-shard free lists, one for each 32 bytes of size up to 2 KiB.
//
// Shard affinity: a pool belongs to one shard. Allocate and Free act on the pool that is current on
// the calling thread; any thread may free any frame. DrainRemote, GetStatistics and CheckInvariants
// are for the owner alone.
// Ownership: the pool owns one reserved range of addresses for life; it must outlive its frames
// (checked).
// Invariants: 1. Free gets the size that Allocate got; 2. a frame of up to 2 KiB lies in the range
// of the pool that was current when it was allocated, or in none (then malloc's); 3. live + free =
// carved, where live includes frames that other threads freed and the owner has not taken home yet.
// Cost: a pair of Allocate and Free of one size takes about 1 ns and no atomic operation. Growing
// takes one mprotect for each 2 MiB. A free from another thread is one compare-and-swap and a scan
// of the live pools. Memory is kept for reuse and given back when the pool dies.
// Algorithm: segregated free lists over bump-carved slabs. The owner of a frame is found from its
// address by a subtraction and a compare, as in mimalloc and snmalloc.
//
//   FramePool pool;
//   FramePool::Binding binding(&pool);           // current on this thread
//   void* frame = FramePool::Allocate(192);
//   FramePool::Free(frame, 192);
//   pool.DrainRemote();                          // once a turn

#ifndef PELTON_ALLOC_FRAME_POOL_H_
#define PELTON_ALLOC_FRAME_POOL_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "framework/base/cache_line.h"
#include "framework/base/compiler.h"

#ifdef PELTON_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace pelton {

class FramePool {
 public:
  // Bytes between two size classes, and the alignment of every frame.
  static constexpr size_t kClassStepBytes = 32;
  // The largest frame that comes from a pool; larger ones come from malloc.
  static constexpr size_t kMaximumFrameBytes = 2048;

  // Sizes in frames unless named otherwise.
  struct Statistics {
    uint64_t live;          // allocated and not home yet
    uint64_t free;          // ready for reuse
    uint64_t remote_frees;  // freed by other threads and taken home, ever
    uint64_t carved_bytes;  // of all frames, live and free
    uint64_t slabs;         // of 64 KiB each
    uint64_t oversize;      // frames that were too large and came from malloc, ever
  };

  // Reserves the range; commits nothing but its first 2 MiB. Dies when the process has no room for
  // it (RLIMIT_AS).
  explicit FramePool();
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;
  // REQUIRES: no frame is live once what other threads freed is taken home; the pool is not current
  // on this thread (both checked).
  ~FramePool();

  // A frame of `bytes`, aligned to 32 when it comes from a pool and to 16 otherwise. Comes from
  // malloc on a thread without a current pool. ERRORS: throws std::bad_alloc when the kernel gives
  // no memory.
  static void* Allocate(size_t bytes);

  // Gives back what Allocate(bytes) returned, on any thread. REQUIRES: the same `bytes`.
  static void Free(void* frame, size_t bytes);

  // Takes home what other threads freed. Called by the owner once a turn. COST: one relaxed load
  // when there is nothing.
  void DrainRemote() {
    if (header()->remote.load(std::memory_order_relaxed) != nullptr) [[unlikely]]
      TakeRemoteHome();
  }

  // COST: O(size classes).
  Statistics GetStatistics() const;

  // Bytes of the live frames, rounded up to their size classes. COST: walks all free frames.
  uint64_t LiveBytes() const;

  // Whether invariant 3 holds and every list is well-formed. COST: walks all free frames.
  bool CheckInvariants() const;

  // The pool that is current on this thread; null on a foreign thread.
  static FramePool* Current() { return current_; }

  // Makes `pool` (or none, when null) current on this thread and returns the previous one.
  static FramePool* Exchange(FramePool* pool) { return std::exchange(current_, pool); }

  // Makes a pool current on this thread for the life of the binding, then restores the previous
  // one. Bindings nest.
  class Binding {
   public:
    explicit Binding(FramePool* pool) : previous_(Exchange(pool)) {}
    Binding(const Binding&) = delete;
    Binding& operator=(const Binding&) = delete;
    ~Binding() { Exchange(previous_); }

   private:
    FramePool* const previous_;
  };

 private:
  // What a frame holds while it is free.
  struct FreeFrame {
    FreeFrame* next;
    uint64_t canary;    // CanaryOf(this), in debug builds
    size_t size_class;  // on the way home only
  };
  static_assert(sizeof(FreeFrame) <= kClassStepBytes);

  // At the start of the range: the one place that other threads write to.
  struct RangeHeader {
    alignas(kCacheLineBytes) std::atomic<FreeFrame*> remote;
  };

  // At the start of each slab.
  struct SlabHeader {
    size_t size_class;
  };

  // What is left of the slab that a class carves from.
  struct Uncarved {
    uintptr_t next = 0;
    uintptr_t end = 0;
  };

  static constexpr size_t kClasses = kMaximumFrameBytes / kClassStepBytes;
  static constexpr uintptr_t kRangeBytes = uintptr_t{1} << 36;
  static constexpr uintptr_t kGrowthBytes = uintptr_t{2} << 20;
  static constexpr uintptr_t kSlabBytes = uintptr_t{64} << 10;
  static constexpr uintptr_t kSlabHeaderBytes = kCacheLineBytes;
  static_assert(sizeof(SlabHeader) <= kSlabHeaderBytes);

  // Zero bytes wrap around to a class above all, which malloc serves.
  static constexpr size_t ClassOf(size_t bytes) { return (bytes - 1) / kClassStepBytes; }
  static constexpr size_t BytesOf(size_t size_class) { return (size_class + 1) * kClassStepBytes; }
  static uint64_t CanaryOf(const void* frame) {
    return reinterpret_cast<uintptr_t>(frame) ^ 0x5EED0FDEADF4A3E5;
  }

  RangeHeader* header() const { return reinterpret_cast<RangeHeader*>(begin_); }
  static SlabHeader* SlabOf(const void* frame) {
    return reinterpret_cast<SlabHeader*>(reinterpret_cast<uintptr_t>(frame) & ~(kSlabBytes - 1));
  }
  static FreeFrame* NextOf(const FreeFrame* frame);
  bool IsFreeFrameOfClass(const FreeFrame* frame, size_t size_class) const;

  void Push(void* memory, size_t size_class);
  PELTON_COLD static void* AllocateOutside(size_t bytes);
  PELTON_COLD void* Carve(size_t size_class, size_t bytes);
  PELTON_COLD void StartSlab(size_t size_class);
  PELTON_COLD static void FreeOutside(void* memory, size_t bytes);
  PELTON_COLD void TakeRemoteHome();

  static void CheckAllocated(FreeFrame* frame);
  static void CheckFreeable(const void* frame, size_t size_class);

  static inline PELTON_SHARD_LOCAL FramePool* current_ = nullptr;

  uintptr_t begin_ = 0;  // of the range
  uint64_t live_ = 0;
  std::array<FreeFrame*, kClasses> free_{};

  std::array<Uncarved, kClasses> uncarved_{};
  std::array<uint64_t, kClasses> carved_{};
  uintptr_t next_slab_ = 0;
  uintptr_t committed_end_ = 0;
  uint64_t slabs_ = 0;
  uint64_t remote_frees_ = 0;
  uint64_t oversize_ = 0;
};

inline void* FramePool::Allocate(size_t bytes) {
  FramePool* const pool = current_;
  const size_t size_class = ClassOf(bytes);
  if (pool == nullptr || size_class >= kClasses) [[unlikely]]
    return AllocateOutside(bytes);
  FreeFrame* const frame = pool->free_[size_class];
  if (frame == nullptr) [[unlikely]]
    return pool->Carve(size_class, bytes);
#ifdef PELTON_ASAN
  ASAN_UNPOISON_MEMORY_REGION(frame, sizeof(FreeFrame));
#endif
  pool->free_[size_class] = frame->next;
  ++pool->live_;
#ifndef NDEBUG
  CheckAllocated(frame);
#endif
#ifdef PELTON_ASAN
  ASAN_POISON_MEMORY_REGION(frame, BytesOf(size_class));
  ASAN_UNPOISON_MEMORY_REGION(frame, bytes);
#endif
  return frame;
}

inline void FramePool::Free(void* frame, size_t bytes) {
  FramePool* const pool = current_;
  if (pool == nullptr || reinterpret_cast<uintptr_t>(frame) - pool->begin_ >= kRangeBytes)
      [[unlikely]] {
    return FreeOutside(frame, bytes);
  }
  const size_t size_class = ClassOf(bytes);
#ifndef NDEBUG
  CheckFreeable(frame, size_class);
#endif
  pool->Push(frame, size_class);
  --pool->live_;
}

inline void FramePool::Push(void* memory, size_t size_class) {
  FreeFrame* const frame = static_cast<FreeFrame*>(memory);
#ifdef PELTON_ASAN
  ASAN_UNPOISON_MEMORY_REGION(frame, sizeof(FreeFrame));
#endif
#ifndef NDEBUG
  frame->canary = CanaryOf(frame);
#endif
  frame->next = free_[size_class];
  free_[size_class] = frame;
#ifdef PELTON_ASAN
  ASAN_POISON_MEMORY_REGION(frame, BytesOf(size_class));
#endif
}

}  // namespace pelton

#endif  // PELTON_ALLOC_FRAME_POOL_H_
