#include "alloc/thread_allocations.h"

#ifdef PELTON_HAS_JEMALLOC

#include <jemalloc/jemalloc.h>

#include <cstddef>
#include <new>

namespace pelton {
namespace {

// Where jemalloc counts for this thread; null when jemalloc does not serve operator new (another
// allocator was preloaded) or was built without statistics.
const volatile uint64_t* FindCounter() {
  volatile uint64_t* counter = nullptr;
  size_t size = sizeof(counter);
  if (mallctl("thread.allocatedp", &counter, &size, nullptr, 0) != 0) return nullptr;
  const uint64_t before = *counter;
  ::operator delete(::operator new(64));
  return *counter == before ? nullptr : counter;
}

const volatile uint64_t* Counter() {
  static thread_local const volatile uint64_t* const counter = FindCounter();
  return counter;
}

}  // namespace

uint64_t ThreadAllocatedBytes() { return Counter() == nullptr ? 0 : *Counter(); }

bool ThreadAllocationsCounted() { return Counter() != nullptr; }

}  // namespace pelton

#else

namespace pelton {

uint64_t ThreadAllocatedBytes() { return 0; }

bool ThreadAllocationsCounted() { return false; }

}  // namespace pelton

#endif  // PELTON_HAS_JEMALLOC
