#include "alloc/frame_pool.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "framework/base/check.h"

#ifdef PELTON_ASAN
#include <sanitizer/lsan_interface.h>
#endif

namespace pelton {
namespace {

// The ranges of all live pools, by their first address; 0 is a vacant entry. Scanned on cold paths
// alone.
class RangeRegistry {
 public:
  void Add(uintptr_t begin) {
    for (size_t i = 0; i < kEntries; ++i) {
      uintptr_t vacant = 0;
      if (!begins_[i].compare_exchange_strong(vacant, begin)) continue;
      size_t used = used_.load();
      while (used <= i && !used_.compare_exchange_weak(used, i + 1)) {
      }
      return;
    }
    PELTON_FATAL() << "more than " << kEntries << " frame pools in one process";
  }

  void Remove(uintptr_t begin) {
    for (std::atomic<uintptr_t>& entry : begins_) {
      uintptr_t expected = begin;
      if (entry.compare_exchange_strong(expected, 0)) return;
    }
    PELTON_FATAL() << "a frame pool was never registered";
  }

  bool Contains(uintptr_t begin) const {
    const size_t used = used_.load(std::memory_order_acquire);
    for (size_t i = 0; i < used; ++i) {
      if (begins_[i].load(std::memory_order_acquire) == begin) return true;
    }
    return false;
  }

 private:
  static constexpr size_t kEntries = 1024;
  std::array<std::atomic<uintptr_t>, kEntries> begins_{};
  std::atomic<size_t> used_ = 0;  // every entry from here on is vacant
};

constinit RangeRegistry registry;

// A range of `bytes` addresses that begins at a multiple of `bytes`.
uintptr_t ReserveAligned(uintptr_t bytes) {
  void* const memory =
      mmap(nullptr, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  PELTON_CHECK(memory != MAP_FAILED)
      << "cannot reserve " << (2 * bytes >> 30)
      << " GiB of addresses for coroutine frames: " << std::strerror(errno)
      << ". Nothing of it is memory yet. To fix: lift the limit on address space (ulimit -v "
      << "unlimited, or LimitAS=infinity in a systemd unit), or run fewer shards.";
  const uintptr_t reserved = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t begin = (reserved + bytes - 1) & ~(bytes - 1);
  const uintptr_t reserved_end = reserved + 2 * bytes;
  if (begin != reserved) PELTON_CHECK(munmap(memory, begin - reserved) == 0);
  if (begin + bytes != reserved_end) {
    PELTON_CHECK(munmap(reinterpret_cast<void*>(begin + bytes), reserved_end - begin - bytes) == 0);
  }
  return begin;
}

// Turns reserved addresses into memory; false when the kernel has none left.
bool Commit(uintptr_t begin, uintptr_t bytes) {
  void* const memory = reinterpret_cast<void*>(begin);
  if (mprotect(memory, bytes, PROT_READ | PROT_WRITE) != 0) return false;
  (void)madvise(memory, bytes, MADV_DODUMP);
#ifdef PELTON_ASAN
  // Else what only a frame points to is taken for a leak.
  __lsan_register_root_region(memory, bytes);
#endif
  return true;
}

}  // namespace

FramePool::FramePool() : begin_(ReserveAligned(kRangeBytes)) {
  // A few frames of each connection lie in as many slabs: without huge pages, resuming a task costs page walks, which a virtual
  // machine makes twice as long. Advice: may be refused.
  (void)madvise(reinterpret_cast<void*>(begin_), kRangeBytes, MADV_HUGEPAGE);
  // A core file holds frames, and not 64 GiB of addresses: gcore(1) would write them all out.
  (void)madvise(reinterpret_cast<void*>(begin_), kRangeBytes, MADV_DONTDUMP);
  PELTON_CHECK(Commit(begin_, kGrowthBytes))
      << "no memory for the first coroutine frames: " << std::strerror(errno);
  committed_end_ = begin_ + kGrowthBytes;
  next_slab_ = begin_ + kSlabBytes;
  new (header()) RangeHeader{nullptr};
  registry.Add(begin_);
}

FramePool::~FramePool() {
  PELTON_CHECK(current_ != this) << "a frame pool dies while it is current";
  DrainRemote();
  PELTON_CHECK(live_ == 0) << live_ << " coroutine frames are still live when their pool dies";
  registry.Remove(begin_);
#ifdef PELTON_ASAN
  __lsan_unregister_root_region(reinterpret_cast<void*>(begin_), kGrowthBytes);
  for (uintptr_t i = begin_ + kGrowthBytes; i < committed_end_; i += kGrowthBytes) {
    __lsan_unregister_root_region(reinterpret_cast<void*>(i), kGrowthBytes);
  }
  ASAN_UNPOISON_MEMORY_REGION(reinterpret_cast<void*>(begin_), committed_end_ - begin_);
#endif
  PELTON_CHECK(munmap(reinterpret_cast<void*>(begin_), kRangeBytes) == 0);
}

void* FramePool::AllocateOutside(size_t bytes) {
  if (current_ != nullptr) ++current_->oversize_;
  void* const frame = std::malloc(bytes);
  if (frame == nullptr) throw std::bad_alloc();
  return frame;
}

void* FramePool::Carve(size_t size_class, size_t bytes) {
  Uncarved& uncarved = uncarved_[size_class];
  if (uncarved.end - uncarved.next < BytesOf(size_class)) StartSlab(size_class);
  void* const frame = reinterpret_cast<void*>(uncarved.next);
  uncarved.next += BytesOf(size_class);
  ++carved_[size_class];
  ++live_;
#ifdef PELTON_ASAN
  ASAN_UNPOISON_MEMORY_REGION(frame, bytes);
#endif
  return frame;
}

void FramePool::StartSlab(size_t size_class) {
  if (next_slab_ == committed_end_) {
    if (committed_end_ == begin_ + kRangeBytes || !Commit(committed_end_, kGrowthBytes)) {
      throw std::bad_alloc();
    }
    committed_end_ += kGrowthBytes;
  }
  const uintptr_t slab = next_slab_;
  next_slab_ += kSlabBytes;
  ++slabs_;
  new (reinterpret_cast<void*>(slab)) SlabHeader{size_class};
  uncarved_[size_class] = {slab + kSlabHeaderBytes, slab + kSlabBytes};
#ifdef PELTON_ASAN
  ASAN_POISON_MEMORY_REGION(reinterpret_cast<void*>(slab + kSlabHeaderBytes),
                            kSlabBytes - kSlabHeaderBytes);
#endif
}

void FramePool::FreeOutside(void* memory, size_t bytes) {
  const size_t size_class = ClassOf(bytes);
  const uintptr_t begin = reinterpret_cast<uintptr_t>(memory) & ~(kRangeBytes - 1);
  if (size_class >= kClasses || !registry.Contains(begin)) return std::free(memory);
#ifndef NDEBUG
  CheckFreeable(memory, size_class);
#endif
  FreeFrame* const frame = static_cast<FreeFrame*>(memory);
#ifdef PELTON_ASAN
  ASAN_UNPOISON_MEMORY_REGION(frame, sizeof(FreeFrame));
#endif
#ifndef NDEBUG
  frame->canary = CanaryOf(frame);
#endif
  frame->size_class = size_class;
  // The frame is live until its owner takes it home, so the range stays mapped; the pool itself is
  // never touched here.
  std::atomic<FreeFrame*>& remote = reinterpret_cast<RangeHeader*>(begin)->remote;
  frame->next = remote.load(std::memory_order_relaxed);
  while (!remote.compare_exchange_weak(frame->next, frame, std::memory_order_release,
                                       std::memory_order_relaxed)) {
  }
}

void FramePool::TakeRemoteHome() {
  FreeFrame* frame = header()->remote.exchange(nullptr, std::memory_order_acquire);
  while (frame != nullptr) {
    FreeFrame* const next = frame->next;
    Push(frame, frame->size_class);
    --live_;
    ++remote_frees_;
    frame = next;
  }
}

FramePool::Statistics FramePool::GetStatistics() const {
  Statistics statistics{.live = live_,
                        .free = 0,
                        .remote_frees = remote_frees_,
                        .carved_bytes = 0,
                        .slabs = slabs_,
                        .oversize = oversize_};
  uint64_t carved = 0;
  for (size_t i = 0; i < kClasses; ++i) {
    carved += carved_[i];
    statistics.carved_bytes += carved_[i] * BytesOf(i);
  }
  statistics.free = carved - live_;
  return statistics;
}

// Free frames are poisoned; the pool alone may look into them.
__attribute__((no_sanitize("address"))) FramePool::FreeFrame* FramePool::NextOf(
    const FreeFrame* frame) {
  return frame->next;
}

bool FramePool::IsFreeFrameOfClass(const FreeFrame* frame, size_t size_class) const {
  const uintptr_t address = reinterpret_cast<uintptr_t>(frame);
  if (address < begin_ + kSlabBytes || address >= next_slab_) return false;
  if (SlabOf(frame)->size_class != size_class) return false;
  const uintptr_t offset = address % kSlabBytes;
  if (offset < kSlabHeaderBytes || (offset - kSlabHeaderBytes) % BytesOf(size_class) != 0)
    return false;
  const Uncarved& uncarved = uncarved_[size_class];
  return address < uncarved.next || address >= uncarved.end;
}

uint64_t FramePool::LiveBytes() const {
  uint64_t bytes = 0;
  for (size_t i = 0; i < kClasses; ++i) {
    uint64_t live = carved_[i];
    for (const FreeFrame* frame = free_[i]; frame != nullptr; frame = NextOf(frame)) --live;
    bytes += live * BytesOf(i);
  }
  return bytes;
}

bool FramePool::CheckInvariants() const {
  uint64_t carved = 0;
  uint64_t free = 0;
  for (size_t i = 0; i < kClasses; ++i) {
    uint64_t free_of_class = 0;
    for (const FreeFrame* frame = free_[i]; frame != nullptr; frame = NextOf(frame)) {
      if (!IsFreeFrameOfClass(frame, i) || ++free_of_class > carved_[i]) return false;
    }
    carved += carved_[i];
    free += free_of_class;
  }
  // Other threads only ever put frames before the one that is read here, so this walk is safe while
  // they do.
  uint64_t pending = 0;
  for (const FreeFrame* frame = header()->remote.load(std::memory_order_acquire); frame != nullptr;
       frame = frame->next) {
    if (frame->size_class >= kClasses || !IsFreeFrameOfClass(frame, frame->size_class) ||
        ++pending > live_) {
      return false;
    }
  }
  return live_ + free == carved;
}

void FramePool::CheckAllocated(FreeFrame* frame) {
  PELTON_CHECK(frame->canary == CanaryOf(frame))
      << "a coroutine frame was written to after it was freed, at " << static_cast<void*>(frame);
  frame->canary = 0;
}

__attribute__((no_sanitize("address"))) void FramePool::CheckFreeable(const void* frame,
                                                                      size_t size_class) {
  PELTON_CHECK(static_cast<const FreeFrame*>(frame)->canary != CanaryOf(frame))
      << "a coroutine frame was freed twice, at " << frame;
  PELTON_CHECK(SlabOf(frame)->size_class == size_class)
      << "a coroutine frame of " << BytesOf(SlabOf(frame)->size_class)
      << " bytes was freed as one of " << BytesOf(size_class) << ", at " << frame;
}

}  // namespace pelton
