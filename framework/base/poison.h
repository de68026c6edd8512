// Memory that nobody here may touch for now, because somebody else owns it: the kernel, or a pool's
// free list. AddressSanitizer reports whoever touches it; other builds do nothing.
//
//   PoisonMemory(buffer, bytes);    // from here on the kernel may write it
//   UnpoisonMemory(buffer, bytes);  // it has let go
//
// What the kernel itself does goes unseen. System calls through libc are seen, as the sanitizer
// intercepts them: unpoison around those.
//
// Shard affinity: any thread; whoever hands the memory over. Bytes at the edges that share eight
// aligned bytes with others' memory stay accessible, so that nothing is reported that is innocent.
// Cost: none without AddressSanitizer; a byte written for each eight with it.

#ifndef PELTON_FRAMEWORK_BASE_POISON_H_
#define PELTON_FRAMEWORK_BASE_POISON_H_

#include <cstddef>

#include "framework/base/compiler.h"

#ifdef PELTON_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace pelton {

#ifdef PELTON_ASAN
inline constexpr bool kPoisonsMemory = true;
inline void PoisonMemory(const void* begin, size_t bytes) {
  ASAN_POISON_MEMORY_REGION(begin, bytes);
}
inline void UnpoisonMemory(const void* begin, size_t bytes) {
  ASAN_UNPOISON_MEMORY_REGION(begin, bytes);
}
#else
inline constexpr bool kPoisonsMemory = false;
inline void PoisonMemory(const void*, size_t) {}
inline void UnpoisonMemory(const void*, size_t) {}
#endif

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_BASE_POISON_H_
