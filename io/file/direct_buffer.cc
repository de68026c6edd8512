#include "io/file/direct_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/compiler.h"
#include "io/buffer_registry.h"

#ifdef PELTON_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace pelton {
namespace {

// Free buffers are nobody's: AddressSanitizer tells who touches one.
void Poison([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes) {
#ifdef PELTON_ASAN
  ASAN_POISON_MEMORY_REGION(memory, bytes);
#endif
}

void Unpoison([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes) {
#ifdef PELTON_ASAN
  ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
#endif
}

}  // namespace

DirectBufferPool::DirectBufferPool(size_t limit_bytes, io::BufferRegistry* registry)
    : limit_slabs_(limit_bytes / kSlabBytes), registry_(registry) {}

DirectBufferPool::~DirectBufferPool() {
  PELTON_CHECK(statistics_.bytes_in_use == 0)
      << statistics_.bytes_in_use << " bytes of direct buffers outlive their pool";
  while (empty_.PopFront() != nullptr) {
  }
  if (mapping_ == nullptr) return;
  Unpoison(reinterpret_cast<void*>(base_), slab_count_ * kSlabBytes);
  ::munmap(mapping_, (limit_slabs_ + 1) * kSlabBytes);
}

// Addresses for all slabs, and room to align them: the kernel keeps one entry for a slab that is a
// huge page.
bool DirectBufferPool::Reserve() {
  void* mapping = ::mmap(nullptr, (limit_slabs_ + 1) * kSlabBytes, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return false;
  mapping_ = mapping;
  base_ = (reinterpret_cast<uintptr_t>(mapping) + kSlabBytes - 1) & ~(kSlabBytes - 1);
  slabs_ = std::make_unique<Slab[]>(limit_slabs_);
  return true;
}

bool DirectBufferPool::Grow() {
  if (slab_count_ == limit_slabs_ || (mapping_ == nullptr && !Reserve())) return false;
  char* const memory = reinterpret_cast<char*>(base_) + slab_count_ * kSlabBytes;
  if (::mprotect(memory, kSlabBytes, PROT_READ | PROT_WRITE) != 0) return false;
  // Without huge pages it works as well. A child that copies pinned pages on write would lose the
  // kernel's.
  (void)::madvise(memory, kSlabBytes, MADV_HUGEPAGE);
  (void)::madvise(memory, kSlabBytes, MADV_DONTFORK);
  Slab& slab = slabs_[slab_count_++];
  statistics_.bytes += kSlabBytes;
  if (registry_ != nullptr) {
    const int index = registry_->Register(memory, kSlabBytes);
    if (index >= 0) {
      slab.index = static_cast<int16_t>(index);
      statistics_.registered_bytes += kSlabBytes;
    } else {
      statistics_.registration_error = -index;
    }
  }
  Poison(memory, kSlabBytes);
  empty_.PushBack(slab);
  return true;
}

absl::StatusOr<DirectBufferPool::Slab*> DirectBufferPool::SlabWithRoom(int size_class) {
  if (Slab* slab = with_room_[size_class].front(); slab != nullptr) [[likely]]
    return slab;
  if (empty_.empty() && !Grow()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a direct buffer of ", BytesOf(size_class), " bytes: ", statistics_.bytes_in_use,
        " bytes are in use, of a limit of ", limit_slabs_ * kSlabBytes, " for this shard"));
  }
  Slab* const slab = empty_.PopFront();
  slab->size_class = static_cast<uint8_t>(size_class);
  const size_t buffers = kSlabBytes / BytesOf(size_class);
  std::fill_n(slab->free, kWords, 0);
  for (size_t word = 0; word * 64 < buffers; ++word) {
    slab->free[word] = buffers - word * 64 >= 64 ? ~uint64_t{0} : (uint64_t{1} << buffers) - 1;
  }
  with_room_[size_class].PushBack(*slab);
  return slab;
}

absl::StatusOr<DirectBuffer> DirectBufferPool::Allocate(size_t bytes) {
  if (bytes == 0 || bytes > kMostBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a direct buffer of ", bytes, " bytes: expected 1 to ", kMostBytes));
  }
  const int size_class = std::bit_width((std::max(bytes, kLeastBytes) - 1) / kLeastBytes);
  absl::StatusOr<Slab*> found = SlabWithRoom(size_class);
  if (!found.ok()) [[unlikely]]
    return found.status();
  Slab& slab = **found;
  size_t word = 0;
  while (slab.free[word] == 0) ++word;
  const size_t buffer = word * 64 + static_cast<size_t>(std::countr_zero(slab.free[word]));
  slab.free[word] &= slab.free[word] - 1;
  const size_t size = BytesOf(size_class);
  if (++slab.in_use == kSlabBytes / size) slab.Unlink();
  statistics_.bytes_in_use += size;
  char* const memory = reinterpret_cast<char*>(base_) +
                       static_cast<size_t>(&slab - slabs_.get()) * kSlabBytes + buffer * size;
  Unpoison(memory, size);
  return DirectBuffer(*this, {memory, size});
}

void DirectBufferPool::Free(std::span<char> span) {
  const size_t offset = reinterpret_cast<uintptr_t>(span.data()) - base_;
  Slab& slab = slabs_[offset / kSlabBytes];
  const size_t buffer = offset % kSlabBytes / span.size();
  PELTON_DCHECK((slab.free[buffer / 64] >> buffer % 64 & 1) == 0) << "a buffer was freed twice";
  slab.free[buffer / 64] |= uint64_t{1} << buffer % 64;
  statistics_.bytes_in_use -= span.size();
  Poison(span.data(), span.size());
  if (--slab.in_use == 0) {
    if (slab.linked()) slab.Unlink();
    empty_.PushBack(slab);
  } else if (!slab.linked()) {
    with_room_[slab.size_class].PushBack(slab);
  }
}

}  // namespace pelton
