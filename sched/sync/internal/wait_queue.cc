#include "sched/sync/internal/wait_queue.h"

namespace pelton::sched_internal {

size_t WaitQueue::Count() {
  size_t count = 0;
  waiters_.ForEach([&count](Waiter&) { ++count; });
  return count;
}

void WaitQueue::DieNotEmpty(const char* primitive) {
  PELTON_FATAL() << primitive << " was destroyed while " << Count()
                 << " tasks wait for it; end them before: join their scope";
}

}  // namespace pelton::sched_internal
