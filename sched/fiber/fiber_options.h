// What a fiber is told when it starts: how much stack, and by which name it appears in messages.

#ifndef PELTON_SCHED_FIBER_FIBER_OPTIONS_H_
#define PELTON_SCHED_FIBER_FIBER_OPTIONS_H_

#include <cstddef>
#include <string_view>

#include "absl/status/status.h"

namespace pelton {

// The smallest stack: room for a signal's frame with all vector registers, and for a few calls.
inline constexpr size_t kMinimumFiberStackBytes = 16 * 1024;
// The largest stack. Beyond it, a size is taken for a mistake.
inline constexpr size_t kMaximumFiberStackBytes = size_t{1} << 30;

struct FiberOptions {
  // Bytes of the stack, rounded up to whole pages; kMinimumFiberStackBytes at least. These are
  // addresses: memory is taken page by page as the fiber's calls first reach it.
  size_t stack_bytes = 128 * 1024;
  // For messages, such as that of an overflow. Not copied: a literal, or what outlives the fiber.
  std::string_view name = "(unnamed)";
  // When set, receives how many bytes of the stack the fiber used at most, in whole pages, before
  // RunFiber() yields. For choosing stack_bytes. COST: the stack is emptied before and looked at
  // afterwards: two system calls and a page fault for each page, some microseconds.
  size_t* stack_used_bytes = nullptr;
};

// ERRORS: INVALID_ARGUMENT when the stack's size is out of range; the message names the fiber and
// the limits.
absl::Status CheckFiberOptions(const FiberOptions& options);

}  // namespace pelton

#endif  // PELTON_SCHED_FIBER_FIBER_OPTIONS_H_
