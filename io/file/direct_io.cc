#include "io/file/direct_io.h"

#include <memory>
#include <utility>

namespace pelton {
namespace io {

DirectIo& DirectIo::Make(Reactor& reactor) {
  auto made = std::make_unique<DirectIo>(reactor);
  DirectIo& direct_io = *made;
  reactor.set_direct_io(std::move(made));
  return direct_io;
}

}  // namespace io

IoScheduler& IoScheduler::Current() { return io::DirectIo::Current().scheduler(); }
DirectBufferPool& DirectBufferPool::Current() { return io::DirectIo::Current().buffers(); }

}  // namespace pelton
