// Chunks: the shard's receive buffers, handed out as owned slices.
//
// Bytes that arrive on a connection lie in a chunk of the shard's pool; nobody copies them. An idle
// connection holds none. A chunk goes back to the pool when its Chunk is destroyed.
//
// Shard affinity: the pool and its chunks belong to one shard; a Chunk is destroyed there
// (checked).
// Invariants: 1. a chunk is free, provided to the kernel, or owned by one Chunk or one connection's
// input; 2. the pool outlives its chunks; 3. only the last kind is touched: AddressSanitizer
// reports whoever touches another.
// Cost: O(1), no allocation. Memory is touched when it is first used; free chunks are reused last
// in, first out, so that few stay hot.

#ifndef PELTON_IO_CHUNK_H_
#define PELTON_IO_CHUNK_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "framework/base/check.h"
#include "framework/base/poison.h"

namespace pelton {

namespace io {

class ChunkPool {
 public:
  // The payload of a chunk: small ones cost a system call's worth of work per 2 KiB on bulk data,
  // seven times more.
  static constexpr size_t kChunkBytes = 16 * 1024;

  // Reserves address space for `chunks` chunks (at most 32768); their memory is taken when it is
  // used.
  explicit ChunkPool(size_t chunks);
  ~ChunkPool();
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;

  // Takes a free chunk. Returns false when there is none.
  bool TryTake(uint16_t& chunk) {
    if (free_.empty()) return false;
    chunk = free_.back();
    free_.pop_back();
    UnpoisonMemory(data(chunk), kChunkBytes);
    return true;
  }
  // Gives a chunk back.
  void Release(uint16_t chunk) {
    PELTON_DCHECK(free_.size() < slots_.size()) << "a chunk was released twice";
    free_.push_back(chunk);
    PoisonMemory(data(chunk), kChunkBytes);
  }

  // The driver's: the kernel may write a chunk that was taken, and has let go of it.
  void LendToKernel(uint16_t chunk) { PoisonMemory(data(chunk), kChunkBytes); }
  void TakeFromKernel(uint16_t chunk) { UnpoisonMemory(data(chunk), kChunkBytes); }

  char* data(uint16_t chunk) const { return memory_ + chunk * kStrideBytes; }
  size_t size() const { return slots_.size(); }
  size_t free() const { return free_.size(); }
  // Chunks that the driver has provided to the kernel, for whichever receive gets bytes first.
  size_t provided() const { return provided_; }
  // Chunks that a receive can still get.
  size_t available() const { return free_.size() + provided_; }

  // The driver's: it has provided a chunk that it took, or has got one back, with bytes or without.
  void CountProvided() { ++provided_; }
  void CountReturned() {
    PELTON_DCHECK(provided_ > 0);
    --provided_;
  }

  // The link of a chunk in a connection's input, and the bytes in it that are not yet read.
  struct Slot {
    uint16_t next;
    uint16_t begin;
    uint16_t end;
  };
  Slot& slot(uint16_t chunk) { return slots_[chunk]; }

 private:
  // Chunks a power of two apart would compete for the same few sets of the processor's caches.
  static constexpr size_t kStrideBytes = kChunkBytes + 64;
  static_assert(kChunkBytes <= 0xffff, "slots count bytes in 16 bits");

  char* memory_;
  size_t mapped_bytes_;
  std::vector<uint16_t> free_;
  std::vector<Slot> slots_;
  size_t provided_ = 0;
};

}  // namespace io

// Received bytes, owned. Movable; empty at the end of a stream.
class [[nodiscard]] Chunk {
 public:
  Chunk() = default;
  Chunk(Chunk&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)),
        bytes_(std::exchange(other.bytes_, {})),
        id_(other.id_) {}
  Chunk& operator=(Chunk&& other) noexcept {
    Chunk(std::move(other)).Swap(*this);
    return *this;
  }
  // Gives the buffer back to the shard. REQUIRES: called on the shard that received it.
  ~Chunk() {
    if (pool_ != nullptr) Release();
  }

  // A whole buffer of the current shard, for output, with undefined contents; an empty chunk when
  // none is free.
  static Chunk TryAllocate();

  // The bytes; valid as long as this object.
  std::string_view text() const { return {bytes_.data(), bytes_.size()}; }
  std::span<char> bytes() const { return bytes_; }
  const char* data() const { return bytes_.data(); }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  // Drops the first `count` bytes. REQUIRES: count <= size().
  void RemovePrefix(size_t count) {
    PELTON_CHECK(count <= bytes_.size());
    bytes_ = bytes_.subspan(count);
  }

  // Used by the connection that received it.
  Chunk(io::ChunkPool& pool, uint16_t id, std::span<char> bytes)
      : pool_(&pool), bytes_(bytes), id_(id) {}

 private:
  void Release();
  void Swap(Chunk& other) {
    std::swap(pool_, other.pool_);
    std::swap(bytes_, other.bytes_);
    std::swap(id_, other.id_);
  }

  io::ChunkPool* pool_ = nullptr;
  std::span<char> bytes_;
  uint16_t id_ = 0;
};

}  // namespace pelton

#endif  // PELTON_IO_CHUNK_H_
