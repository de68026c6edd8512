// The memory of one fiber's stack: addresses that become memory when they are touched, and below
// them a guard, where every access faults.
//
//   low                                                                                      high
//   [ guard, 16 KiB: no access ][ never touched ........... | touched, resident top() colour ]
//
// The colour is 0 to 1,984 bytes: otherwise the first frames of all stacks, which every switch
// touches, would share a few sets of the caches.
//
// Shard affinity: the shard that maps it.
// Ownership: the object owns the mapping and undoes it.
// Invariants: 1. bytes() is whole pages; 2. what is touched is from some page up to the end, but for
// pages inside a frame that it never used.
// Cost: mapping is two to four system calls, some microseconds; a page fault for each page that is
// touched first.
// Guards are markers in the page table (MADV_GUARD_INSTALL, Linux 6.13), so that neighbouring stacks
// stay one mapping of the kernel's: a process may have 65,530 of those (vm.max_map_count). Older
// kernels get a protected range, which takes two mappings a stack.

#ifndef PELTON_SCHED_FIBER_INTERNAL_FIBER_STACK_H_
#define PELTON_SCHED_FIBER_INTERNAL_FIBER_STACK_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "framework/base/intrusive_list.h"

namespace pelton::sched_internal {

class FiberStack final : public ListHook<FiberStack> {
 public:
  // How accesses below the stack are made to fault.
  enum class Guard : uint8_t { kMarker, kProtection };
  // What this kernel offers. COST: three system calls at the first call, none later.
  static Guard BestGuard();

  // Below the lowest byte of a stack. More than a page, since a frame with a buffer of some pages
  // may be entered without touching each of them.
  static constexpr size_t kGuardBytes = 16 * 1024;

  // Maps a stack of `bytes`, rounded up to pages. ERRORS: RESOURCE_EXHAUSTED when the kernel gives
  // no addresses. REQUIRES: 0 < bytes <= kMaximumFiberStackBytes.
  static absl::StatusOr<std::unique_ptr<FiberStack>> Map(size_t bytes, Guard guard = BestGuard());
  // REQUIRES: nothing runs on it.
  ~FiberStack();

  // `bytes` rounded up to whole pages.
  static size_t RoundUp(size_t bytes);

  // Where the first frame begins: frames lie below.
  void* top() const { return reinterpret_cast<void*>(begin_ + bytes_ - colour_bytes_); }
  void* bottom() const { return reinterpret_cast<void*>(begin_); }
  // From bottom() to the end of the mapping, the colour included.
  size_t bytes() const { return bytes_; }
  // From bottom() to top().
  size_t usable_bytes() const { return bytes_ - colour_bytes_; }
  bool GuardContains(uintptr_t address) const {
    return address >= begin_ - kGuardBytes && address < begin_;
  }

  // Bytes from the lowest page in memory up to the end: how deep the stack has been used since it was
  // mapped or emptied. Pages that the kernel has swapped out do not count. COST: a system call for
  // each 4 MiB (mincore), 0.2 µs for 128 KiB.
  size_t UsedBytes() const;
  // Bytes that are in memory. COST: as UsedBytes().
  size_t ResidentBytes() const;
  // Gives the memory back to the kernel and keeps the addresses. COST: a system call.
  // REQUIRES: nothing runs on it.
  void Empty();

 private:
  FiberStack(uintptr_t begin, size_t bytes);
  static size_t NextColourBytes();

  const uintptr_t begin_;  // the lowest byte that may be used; the guard ends here
  const size_t bytes_;
  const size_t colour_bytes_ = NextColourBytes();
  uint32_t valgrind_id_ = 0;
};

}  // namespace pelton::sched_internal

#endif  // PELTON_SCHED_FIBER_INTERNAL_FIBER_STACK_H_
