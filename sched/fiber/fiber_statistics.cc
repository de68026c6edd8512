#include "sched/fiber/fiber_statistics.h"

#include "sched/fiber/internal/fiber_stack_pool.h"

namespace pelton {

FiberStatistics GetFiberStatistics() {
  sched_internal::FiberStackPool& pool = sched_internal::FiberStackPool::Current();
  return {.started = pool.fibers_started(),
          .live = pool.fibers_live(),
          .stacks = pool.stacks(),
          .free_stacks = pool.free_stacks(),
          .mapped_bytes = pool.mapped_bytes(),
          .resident_bytes = pool.ResidentBytes(),
          .most_used_bytes = pool.MostUsedBytes()};
}

}  // namespace pelton
