// What this thread has allocated, so that a test or a service can prove that its steady state
// allocates nothing.
//
// Thread affinity: each thread sees its own count.
// Cost: a load, after the first call on a thread.
//
//   const uint64_t before = ThreadAllocatedBytes();
//   RunTheSteadyState();
//   if (ThreadAllocationsCounted()) EXPECT_EQ(ThreadAllocatedBytes(), before);

#ifndef PELTON_ALLOC_THREAD_ALLOCATIONS_H_
#define PELTON_ALLOC_THREAD_ALLOCATIONS_H_

#include <cstdint>

namespace pelton {

// Bytes that this thread has ever allocated through the process allocator; never falls. 0 when
// nothing counts them.
uint64_t ThreadAllocatedBytes();

// Whether the process allocator counts: it does when it is jemalloc. Sanitizers bring allocators of
// their own, which do not.
bool ThreadAllocationsCounted();

}  // namespace pelton

#endif  // PELTON_ALLOC_THREAD_ALLOCATIONS_H_
