// Where memory is made known to the kernel once, instead of at each transfer: a seam that a driver
// may offer (Reactor::buffer_registry()).
//
// A FileOperation whose `address` lies in registered memory names it by its index in
// FileOperation::buffer; the kernel then finds the pages at hand, instead of pinning them for this
// one transfer.
//
// Shard affinity: the driver's shard.
// Ownership: the driver's. Whoever registers memory keeps it alive until it is taken back, or the
// driver is gone.

#ifndef PELTON_IO_BUFFER_REGISTRY_H_
#define PELTON_IO_BUFFER_REGISTRY_H_

#include <cstddef>

namespace pelton::io {

class BufferRegistry {
 public:
  // Registers `bytes` of memory at `address`, which the kernel pins. Returns the index for
  // FileOperation::buffer, or a negative errno: -ENOMEM when the limit of locked memory
  // (RLIMIT_MEMLOCK) or memory itself does not allow it, -ENOSPC when the table is full.
  // COST: a system call, and the pages are touched; for start-up and growth.
  virtual int Register(void* address, size_t bytes) = 0;
  // Takes memory back. REQUIRES: no operation in flight names it.
  virtual void Unregister(int index) = 0;

 protected:
  ~BufferRegistry() = default;
};

}  // namespace pelton::io

#endif  // PELTON_IO_BUFFER_REGISTRY_H_
