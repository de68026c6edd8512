// A provided-buffer ring: the queue through which the kernel takes the shard's chunks for receives.
//
// Shard affinity: the ring's.
// Ownership: owns the queue's memory; a chunk is the kernel's from Refill() until a completion
// names it, and goes back to the pool when this is destroyed.
// Cost: one store for each chunk, one more for each Refill() that added any; no system calls.
// Source: man io_uring_register_buf_ring(3).

#ifndef PELTON_IO_URING_BUFFER_RING_H_
#define PELTON_IO_URING_BUFFER_RING_H_

#include <memory>

#include "io/chunk.h"
#include "io/uring/ring.h"

namespace pelton::io {

// Memory for a provided-buffer ring; null when there is none.
io_uring_buf_ring* MapBufferRing(unsigned entries);
// Registers it under `group`. Returns 0 or a negative errno.
int RegisterBufferRingAt(Ring& ring, io_uring_buf_ring* buffers, unsigned entries, int group);

class BufferRing {
 public:
  // For the chunks of `chunks`, under `group`; null, and an errno in `error`, when the kernel
  // refuses. Both must outlive it.
  static std::unique_ptr<BufferRing> Create(Ring& ring, ChunkPool& chunks, int group, int& error);
  ~BufferRing();
  BufferRing(const BufferRing&) = delete;
  BufferRing& operator=(const BufferRing&) = delete;

  // Gives the kernel chunks until it holds as many as it should, or none is free.
  void Refill();
  // Takes all chunks back from the kernel, and gives it half of them at most until it needs more:
  // somebody needs a chunk, and no other is left. Receives in flight find those that it gets then.
  void TakeBack();
  // A turn needed more than the kernel held: from now on it holds twice as many.
  void Grow();

 private:
  BufferRing(Ring& ring, ChunkPool& chunks, int group, io_uring_buf_ring* memory, unsigned entries);

  // Unregisters the ring, and releases the chunks in it.
  void Release();

  Ring& ring_;
  ChunkPool& chunks_;
  const int group_;
  io_uring_buf_ring* const memory_;
  const unsigned entries_;
  unsigned tail_ = 0;  // entries ever added; the kernel takes them in this order
  unsigned target_;    // chunks that it should hold at the beginning of a submission
};

}  // namespace pelton::io

#endif  // PELTON_IO_URING_BUFFER_RING_H_
