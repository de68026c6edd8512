#include "io/uring/buffer_table.h"

#include <sys/uio.h>

#include <cerrno>

#include "framework/base/check.h"
#include "framework/base/status.h"

namespace pelton::io {

std::unique_ptr<BufferTable> BufferTable::Create(Ring& ring, int& error) {
  const int result = ::io_uring_register_buffers_sparse(&ring.raw(), kEntries);
  if (result != 0) {
    error = -result;
    return nullptr;
  }
  return std::unique_ptr<BufferTable>(new BufferTable(ring));
}

BufferTable::BufferTable(Ring& ring) : ring_(ring) {
  for (int i = kEntries - 1; i >= 0; --i) free_.push_back(i);
}

int BufferTable::Register(void* address, size_t bytes) {
  if (free_.empty()) return -ENOSPC;
  const iovec memory = {.iov_base = address, .iov_len = bytes};
  const __u64 tag = 0;
  const int index = free_.back();
  const int updated = ::io_uring_register_buffers_update_tag(
      &ring_.raw(), static_cast<unsigned>(index), &memory, &tag, 1);
  if (updated != 1) return updated < 0 ? updated : -ENOMEM;
  free_.pop_back();
  return index;
}

void BufferTable::Unregister(int index) {
  const iovec nothing = {};
  const __u64 tag = 0;
  const int updated = ::io_uring_register_buffers_update_tag(
      &ring_.raw(), static_cast<unsigned>(index), &nothing, &tag, 1);
  PELTON_CHECK(updated == 1) << "unregistering buffer " << index << ": " << ErrnoName(-updated);
  free_.push_back(index);
}

}  // namespace pelton::io
