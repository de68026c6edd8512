// Sizes of memory as people write them.

#ifndef PELTON_FRAMEWORK_INTERNAL_MEMORY_SIZE_H_
#define PELTON_FRAMEWORK_INTERNAL_MEMORY_SIZE_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace pelton {

// Bytes of "4096", "64K", "512M", "2G" or "1T" (powers of 1024). ERRORS: InvalidArgument that says
// what was expected.
absl::StatusOr<uint64_t> ParseMemorySize(std::string_view text);

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_INTERNAL_MEMORY_SIZE_H_
