// The unit in which cores exchange memory.

#ifndef PELTON_FRAMEWORK_BASE_CACHE_LINE_H_
#define PELTON_FRAMEWORK_BASE_CACHE_LINE_H_

#include <cstddef>

namespace pelton {

// Bytes. Two words written by different shards must be at least this far apart. A constant of ours,
// because std::hardware_destructive_interference_size may differ between two compilers of one
// program.
inline constexpr std::size_t kCacheLineBytes = 64;

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_BASE_CACHE_LINE_H_
