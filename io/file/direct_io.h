// What a shard has for direct I/O: its scheduler and its buffers. Private to io; users come by
// IoScheduler::Current() and DirectBufferPool::Current().
//
// Shard affinity: one per shard.
// Ownership: the Reactor's; made when it is first used.

#ifndef PELTON_IO_FILE_DIRECT_IO_H_
#define PELTON_IO_FILE_DIRECT_IO_H_

#include "io/file/direct_buffer.h"
#include "io/file/io_scheduler.h"
#include "io/reactor.h"

namespace pelton::io {

class DirectIo final : public ReactorPart {
 public:
  explicit DirectIo(Reactor& reactor)
      : scheduler_(reactor.options().io_profile),
        buffers_(reactor.options().direct_buffer_bytes, reactor.buffer_registry()) {}

  // The running shard's.
  static DirectIo& Current() {
    if (auto* own = static_cast<DirectIo*>(Reactor::Current()->direct_io())) [[likely]]
      return *own;
    return Make(*Reactor::Current());
  }

  IoScheduler& scheduler() { return scheduler_; }
  DirectBufferPool& buffers() { return buffers_; }

 private:
  static DirectIo& Make(Reactor& reactor);

  IoScheduler scheduler_;
  DirectBufferPool buffers_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_FILE_DIRECT_IO_H_
