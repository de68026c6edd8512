// The ring's table of registered buffers: made empty with the ring, filled as memory is registered.
//
// Shard affinity: the ring's thread.
// Ownership: the driver's; borrows the ring.

#ifndef PELTON_IO_URING_BUFFER_TABLE_H_
#define PELTON_IO_URING_BUFFER_TABLE_H_

#include <memory>
#include <vector>

#include "io/buffer_registry.h"
#include "io/uring/ring.h"

namespace pelton::io {

class BufferTable final : public BufferRegistry {
 public:
  // How much memory may be registered: each entry may be up to 1 GiB.
  static constexpr int kEntries = 64;

  // Null, and an errno in `error`, when the kernel has no such table (before Linux 5.19) or refuses
  // it.
  static std::unique_ptr<BufferTable> Create(Ring& ring, int& error);

  int Register(void* address, size_t bytes) override;
  void Unregister(int index) override;

 private:
  explicit BufferTable(Ring& ring);

  Ring& ring_;
  std::vector<int> free_;  // entries, the one to use next last
};

}  // namespace pelton::io

#endif  // PELTON_IO_URING_BUFFER_TABLE_H_
