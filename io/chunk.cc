#include "io/chunk.h"

#include <sys/mman.h>

#include <cerrno>

#include "framework/base/status.h"
#include "io/reactor.h"

namespace pelton {
namespace io {

ChunkPool::ChunkPool(size_t chunks) : mapped_bytes_(chunks * kStrideBytes), slots_(chunks) {
  PELTON_CHECK(chunks > 0 && chunks <= 32768) << "chunks=" << chunks;
  void* memory = ::mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  PELTON_CHECK(memory != MAP_FAILED)
      << "mmap of " << mapped_bytes_ << " bytes for receive buffers: " << ErrnoName(errno)
      << "; raise the address-space limit (ulimit -v)";
  // No huge pages: they would make a chunk that holds one small message cost 16 KiB instead of 4.
  memory_ = static_cast<char*>(memory);
  free_.reserve(chunks);
  for (size_t chunk = chunks; chunk > 0; --chunk) {
    free_.push_back(static_cast<uint16_t>(chunk - 1));
  }
  PoisonMemory(memory_, mapped_bytes_);
}

ChunkPool::~ChunkPool() {
  PELTON_CHECK(free_.size() == slots_.size())
      << slots_.size() - free_.size() << " chunks outlive the pool of their shard";
  UnpoisonMemory(memory_, mapped_bytes_);  // somebody else may get these addresses
  ::munmap(memory_, mapped_bytes_);
}

}  // namespace io

Chunk Chunk::TryAllocate() {
  io::ChunkPool& pool = io::Reactor::Current()->chunks();
  uint16_t id;
  if (!pool.TryTake(id)) return Chunk();
  return Chunk(pool, id, {pool.data(id), io::ChunkPool::kChunkBytes});
}

void Chunk::Release() {
  PELTON_CHECK(io::Reactor::Current() != nullptr && &io::Reactor::Current()->chunks() == pool_)
      << "a Chunk was destroyed on a shard that did not receive it; copy the bytes instead";
  pool_->Release(id_);
}

}  // namespace pelton
