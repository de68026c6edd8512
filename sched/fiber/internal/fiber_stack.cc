#include "sched/fiber/internal/fiber_stack.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "framework/base/cache_line.h"
#include "framework/base/check.h"
#include "framework/base/compiler.h"
#include "framework/base/status.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

#ifdef PELTON_ASAN
#include <sanitizer/asan_interface.h>
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

namespace pelton::sched_internal {
namespace {

size_t PageBytes() {
  static const size_t bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

bool InstallGuard(void* memory, FiberStack::Guard guard) {
  if (guard == FiberStack::Guard::kMarker) {
    return ::madvise(memory, FiberStack::kGuardBytes, MADV_GUARD_INSTALL) == 0;
  }
  return ::mprotect(memory, FiberStack::kGuardBytes, PROT_NONE) == 0;
}

void* MapMemory(size_t bytes) {
  return ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
}

void Unmap(void* memory, size_t bytes) {
  if (::munmap(memory, bytes) == 0) return;
  // To cut a piece out of a mapping takes one more mapping, and the process has all it may have.
  // Then only the memory goes back.
  PELTON_CHECK(errno == ENOMEM && ::madvise(memory, bytes, MADV_DONTNEED) == 0)
      << "unmapping a fiber's stack: " << ErrnoName(errno);
}

bool KernelHasMarkers() {
  void* const memory = MapMemory(FiberStack::kGuardBytes);
  if (memory == MAP_FAILED) return false;
  const bool installed = InstallGuard(memory, FiberStack::Guard::kMarker);
  Unmap(memory, FiberStack::kGuardBytes);
  return installed;
}

// Calls f(page, resident) for each page of a stack from the lowest one, until it returns false.
template <typename F>
void ForEachPage(uintptr_t begin, size_t bytes, F&& f) {
  std::array<unsigned char, 1024> residence;
  const size_t page_bytes = PageBytes();
  for (size_t offset = 0; offset < bytes;) {
    const size_t part = std::min(bytes - offset, residence.size() * page_bytes);
    PELTON_CHECK(::mincore(reinterpret_cast<void*>(begin + offset), part, residence.data()) == 0)
        << "mincore of a fiber's stack: " << ErrnoName(errno);
    for (size_t i = 0; i < part / page_bytes; ++i) {
      if (!f(offset + i * page_bytes, (residence[i] & 1) != 0)) return;
    }
    offset += part;
  }
}

}  // namespace

FiberStack::Guard FiberStack::BestGuard() {
  static const Guard best = KernelHasMarkers() ? Guard::kMarker : Guard::kProtection;
  return best;
}

size_t FiberStack::RoundUp(size_t bytes) { return (bytes + PageBytes() - 1) & ~(PageBytes() - 1); }

absl::StatusOr<std::unique_ptr<FiberStack>> FiberStack::Map(size_t bytes, Guard guard) {
  static_assert(kGuardBytes % 4096 == 0);
  PELTON_CHECK(kGuardBytes % PageBytes() == 0) << "pages of " << PageBytes() << " bytes";
  bytes = RoundUp(bytes);
  const size_t all_bytes = kGuardBytes + bytes;
  void* const memory = MapMemory(all_bytes);
  int error = errno;
  if (memory != MAP_FAILED) {
    // Advice, which a kernel without huge pages refuses: a stack that uses a page shall not get two
    // megabytes.
    (void)::madvise(memory, all_bytes, MADV_NOHUGEPAGE);
    if (InstallGuard(memory, guard)) {
      const uintptr_t begin = reinterpret_cast<uintptr_t>(memory) + kGuardBytes;
      return std::unique_ptr<FiberStack>(new FiberStack(begin, bytes));
    }
    error = errno;
    Unmap(memory, all_bytes);
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      "cannot map a fiber's stack of ", bytes, " bytes: ", ErrnoName(error),
      ". Nothing of it is memory yet. To fix: raise the limit on mappings (sysctl "
      "vm.max_map_count) or on address space (ulimit -v), or run fewer fibers at once."));
}

size_t FiberStack::NextColourBytes() {
  constexpr size_t kColours = 32;
  static PELTON_SHARD_LOCAL size_t next = 0;
  return next++ % kColours * kCacheLineBytes;
}

FiberStack::FiberStack(uintptr_t begin, size_t bytes) : begin_(begin), bytes_(bytes) {
#ifdef VALGRIND_STACK_REGISTER
  valgrind_id_ = VALGRIND_STACK_REGISTER(bottom(), top());
#endif
}

FiberStack::~FiberStack() {
#ifdef VALGRIND_STACK_DEREGISTER
  VALGRIND_STACK_DEREGISTER(valgrind_id_);
#endif
#ifdef PELTON_ASAN
  // The addresses will be somebody else's.
  ASAN_UNPOISON_MEMORY_REGION(bottom(), bytes_);
#endif
  Unmap(reinterpret_cast<void*>(begin_ - kGuardBytes), kGuardBytes + bytes_);
}

size_t FiberStack::UsedBytes() const {
  size_t used = 0;
  ForEachPage(begin_, bytes_, [&](size_t offset, bool resident) {
    if (resident) used = bytes_ - offset;
    return !resident;
  });
  return used;
}

size_t FiberStack::ResidentBytes() const {
  size_t pages = 0;
  ForEachPage(begin_, bytes_, [&](size_t, bool resident) {
    pages += resident;
    return true;
  });
  return pages * PageBytes();
}

void FiberStack::Empty() {
  PELTON_CHECK(::madvise(bottom(), bytes_, MADV_DONTNEED) == 0)
      << "emptying a fiber's stack: " << ErrnoName(errno);
}

}  // namespace pelton::sched_internal
