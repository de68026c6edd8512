// Memory for direct I/O: aligned, and registered with the kernel once instead of pinned for each
// transfer.
//
//   PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer buffer, DirectBufferPool::Current().Allocate(64 << 10));
//   PELTON_CO_ASSIGN_OR_RETURN(size_t bytes, co_await file.Read(offset, buffer.span()));
//
// Any part of a buffer may be read into or written from: DirectFile tells registered memory by its
// address.
//
// Shard affinity: one pool per shard; buffers are used and die on the shard that they came from.
// Ownership: the pool is the Reactor's. It outlives its buffers (checked).
// Invariants: 1. a buffer is aligned to its size, up to 2 MiB; 2. the memory of all buffers is one
// range of addresses, of which slabs of 2 MiB are taken, and registered, as they are needed; a slab
// serves buffers of one size until all of them have come back.
// Bounds: Reactor::Options::direct_buffer_bytes. Beyond it Allocate() refuses.
// Cost: some 10 ns, no allocation. A new slab costs system calls and touches 2 MiB: from 200 µs to
// a few milliseconds, where a hypervisor has to find the memory. Allocate early what matters.
// Slabs stay for the life of the shard. What the kernel does not want to pin (RLIMIT_MEMLOCK) or a
// driver cannot register works like any aligned memory: statistics() tells.

#ifndef PELTON_IO_FILE_DIRECT_BUFFER_H_
#define PELTON_IO_FILE_DIRECT_BUFFER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "framework/base/intrusive_list.h"

namespace pelton {

namespace io {
class BufferRegistry;
}  // namespace io

class DirectBufferPool;

// A piece of the pool's memory. Move-only; goes back when it dies.
class DirectBuffer {
 public:
  // None, to be assigned to.
  DirectBuffer() = default;
  DirectBuffer(DirectBuffer&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)), span_(std::exchange(other.span_, {})) {}
  DirectBuffer& operator=(DirectBuffer&& other) noexcept {
    if (this != &other) {
      Release();
      pool_ = std::exchange(other.pool_, nullptr);
      span_ = std::exchange(other.span_, {});
    }
    return *this;
  }
  ~DirectBuffer() { Release(); }

  char* data() const { return span_.data(); }
  size_t size() const { return span_.size(); }
  std::span<char> span() const { return span_; }
  // Its first `bytes` bytes. REQUIRES: bytes <= size().
  std::span<char> first(size_t bytes) const { return span_.first(bytes); }

  // Gives the memory back now. REQUIRES: no transfer uses it.
  void Release();

 private:
  friend class DirectBufferPool;
  DirectBuffer(DirectBufferPool& pool, std::span<char> span) : pool_(&pool), span_(span) {}

  DirectBufferPool* pool_ = nullptr;
  std::span<char> span_;
};

class DirectBufferPool {
 public:
  static constexpr size_t kLeastBytes = 4096;
  static constexpr size_t kMostBytes = size_t{2} << 20;

  struct Statistics {
    size_t bytes = 0;             // of all slabs
    size_t registered_bytes = 0;  // of the slabs that the kernel knows
    size_t bytes_in_use = 0;      // of buffers that live
    int registration_error = 0;   // errno of the last slab that was not registered; 0: none
  };

  // Takes up to `limit_bytes`, rounded down to slabs of 2 MiB. `registry` may be null. Takes no
  // memory yet.
  DirectBufferPool(size_t limit_bytes, io::BufferRegistry* registry);
  ~DirectBufferPool();
  DirectBufferPool(const DirectBufferPool&) = delete;
  DirectBufferPool& operator=(const DirectBufferPool&) = delete;

  // The running shard's. REQUIRES: called on a shard.
  static DirectBufferPool& Current();

  // A buffer of at least `bytes`, rounded up to a power of two of at least 4 KiB. Its bytes are
  // whatever they were. Never waits. ERRORS: INVALID_ARGUMENT for no bytes, or more than kMostBytes;
  // RESOURCE_EXHAUSTED when the pool's limit is reached or the kernel has no memory.
  absl::StatusOr<DirectBuffer> Allocate(size_t bytes);

  // The index for FileOperation::buffer of memory that lies in one registered slab; -1
  // (FileOperation::kNoBuffer) for any other.
  int16_t IndexOf(const void* address, size_t bytes) const {
    const size_t offset = reinterpret_cast<uintptr_t>(address) - base_;
    if (offset >= slab_count_ * kSlabBytes) return -1;
    const size_t slab = offset / kSlabBytes;
    return (offset + bytes - 1) / kSlabBytes == slab ? slabs_[slab].index : int16_t{-1};
  }

  const Statistics& statistics() const { return statistics_; }

 private:
  friend class DirectBuffer;

  static constexpr size_t kSlabBytes = kMostBytes;
  static constexpr int kClasses = 10;  // 4 KiB << 0 to 9
  static constexpr size_t kWords = kSlabBytes / kLeastBytes / 64;

  struct Slab : ListHook<Slab> {
    int16_t index = -1;          // of the registration
    uint8_t size_class = 0;      // while it has buffers
    uint32_t in_use = 0;         // buffers
    uint64_t free[kWords] = {};  // a bit for each buffer that is free
  };

  static size_t BytesOf(int size_class) { return kLeastBytes << size_class; }
  bool Reserve();
  absl::StatusOr<Slab*> SlabWithRoom(int size_class);
  bool Grow();
  void Free(std::span<char> span);

  const size_t limit_slabs_;
  io::BufferRegistry* const registry_;
  uintptr_t base_ = 0;  // of the range; 0: not reserved yet
  void* mapping_ = nullptr;
  std::unique_ptr<Slab[]> slabs_;  // limit_slabs_ of them; the first slab_count_ are in use
  size_t slab_count_ = 0;
  IntrusiveList<Slab> empty_;
  std::array<IntrusiveList<Slab>, kClasses> with_room_;
  Statistics statistics_;
};

inline void DirectBuffer::Release() {
  if (pool_ != nullptr) std::exchange(pool_, nullptr)->Free(std::exchange(span_, {}));
}

}  // namespace pelton

#endif  // PELTON_IO_FILE_DIRECT_BUFFER_H_
