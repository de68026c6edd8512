#include "io/uring/buffer_ring.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "framework/base/check.h"
#include "framework/base/status.h"

namespace pelton::io {
namespace {

// Chunks given to the kernel to begin with. Few stay hot in the caches.
constexpr unsigned kInitialTarget = 64;

}  // namespace

io_uring_buf_ring* MapBufferRing(unsigned entries) {
  void* memory = ::mmap(nullptr, entries * sizeof(io_uring_buf), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  auto* buffers = static_cast<io_uring_buf_ring*>(memory);
  ::io_uring_buf_ring_init(buffers);
  return buffers;
}

int RegisterBufferRingAt(Ring& ring, io_uring_buf_ring* buffers, unsigned entries, int group) {
  io_uring_buf_reg registration = {};
  registration.ring_addr = reinterpret_cast<uintptr_t>(buffers);
  registration.ring_entries = entries;
  registration.bgid = static_cast<uint16_t>(group);
  return ::io_uring_register_buf_ring(&ring.raw(), &registration, 0);
}

std::unique_ptr<BufferRing> BufferRing::Create(Ring& ring, ChunkPool& chunks, int group,
                                               int& error) {
  const unsigned entries = std::bit_ceil(static_cast<unsigned>(chunks.size()));
  io_uring_buf_ring* memory = MapBufferRing(entries);
  error = memory == nullptr ? ENOMEM : -RegisterBufferRingAt(ring, memory, entries, group);
  if (error == 0) {
    return std::unique_ptr<BufferRing>(new BufferRing(ring, chunks, group, memory, entries));
  }
  if (memory != nullptr) ::munmap(memory, entries * sizeof(io_uring_buf));
  return nullptr;
}

BufferRing::BufferRing(Ring& ring, ChunkPool& chunks, int group, io_uring_buf_ring* memory,
                       unsigned entries)
    : ring_(ring),
      chunks_(chunks),
      group_(group),
      memory_(memory),
      entries_(entries),
      target_(std::min(kInitialTarget, static_cast<unsigned>(chunks.size()))) {}

void BufferRing::Release() {
  ::io_uring_unregister_buf_ring(&ring_.raw(), group_);
  for (; chunks_.provided() > 0; chunks_.CountReturned()) {
    const unsigned oldest = tail_ - static_cast<unsigned>(chunks_.provided());
    chunks_.Release(memory_->bufs[oldest & (entries_ - 1)].bid);
  }
}

BufferRing::~BufferRing() {
  Release();
  ::munmap(memory_, entries_ * sizeof(io_uring_buf));
}

void BufferRing::TakeBack() {
  Release();
  ::io_uring_buf_ring_init(memory_);
  tail_ = 0;
  const int result = RegisterBufferRingAt(ring_, memory_, entries_, group_);
  PELTON_CHECK(result == 0) << "registering the ring of receive buffers again: "
                            << ErrnoName(-result);
  target_ = std::max(1u, static_cast<unsigned>(chunks_.free()) / 2);
}

void BufferRing::Refill() {
  const int mask = static_cast<int>(entries_) - 1;
  int added = 0;
  uint16_t chunk;
  while (chunks_.provided() < target_ && chunks_.TryTake(chunk)) {
    ::io_uring_buf_ring_add(memory_, chunks_.data(chunk), ChunkPool::kChunkBytes, chunk, mask,
                            added);
    chunks_.LendToKernel(chunk);
    ++added;
    chunks_.CountProvided();
  }
  tail_ += static_cast<unsigned>(added);
  if (added > 0) ::io_uring_buf_ring_advance(memory_, added);
}

void BufferRing::Grow() { target_ = std::min(target_ * 2, static_cast<unsigned>(chunks_.size())); }

}  // namespace pelton::io
