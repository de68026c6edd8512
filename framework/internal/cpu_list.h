// Lists of CPU numbers as people, the kernel and --cpus write them: "0-3,8".

#ifndef PELTON_FRAMEWORK_INTERNAL_CPU_LIST_H_
#define PELTON_FRAMEWORK_INTERNAL_CPU_LIST_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace pelton {

// No list may name a CPU above this one: eight times what Linux can be built for (NR_CPUS is at
// most 8192).
inline constexpr int kLargestCpuNumber = 65535;

// The CPUs of `text`, numbers and ranges FIRST-LAST separated by commas, in the order in which it
// names them.
// ERRORS: InvalidArgument names the part that is wrong and why: not a number, too large, a range
// that runs backwards, an empty part, a CPU that is named twice.
absl::StatusOr<std::vector<int>> ParseCpuList(std::string_view text);

// The inverse: neighbours in `cpus` that follow each other are joined into ranges.
std::string FormatCpuList(const std::vector<int>& cpus);

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_INTERNAL_CPU_LIST_H_
