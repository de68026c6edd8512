#include "framework/examples/flow_models/measure.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "framework/base/check.h"
#include "sched/scheduler.h"
#include "sched/scheduling_group.h"

namespace pelton::models {

size_t ResidentStackBytes() {
  pthread_attr_t attributes;
  PELTON_CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
  void* begin = nullptr;
  size_t bytes = 0;
  PELTON_CHECK(pthread_attr_getstack(&attributes, &begin, &bytes) == 0);
  pthread_attr_destroy(&attributes);
  const size_t page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages(bytes / page_bytes);
  PELTON_CHECK(mincore(begin, pages.size() * page_bytes, pages.data()) == 0);
  return page_bytes * static_cast<size_t>(std::count_if(
                          pages.begin(), pages.end(), [](unsigned char page) { return page & 1; }));
}

Task<void> UntilOthersWait() {
  Scheduler& scheduler = *Scheduler::Current();
  const SchedulingGroup group = SchedulingGroup::FromIndex(scheduler.current_context().group());
  while (scheduler.group_statistics(group).ready > 0) co_await Yield();
}

Meter::Meter()
    : frame_bytes_(FramePool::Current()->LiveBytes()), malloc_bytes_(ThreadAllocatedBytes()) {}

Cost Meter::PerWaiter(int waiters) const {
  const auto each = [waiters](uint64_t now, uint64_t before) {
    return (static_cast<double>(now) - static_cast<double>(before)) / waiters;
  };
  return {.waiters = waiters,
          .frame_bytes = each(FramePool::Current()->LiveBytes(), frame_bytes_),
          .malloc_bytes = each(ThreadAllocatedBytes(), malloc_bytes_)};
}

}  // namespace pelton::models
