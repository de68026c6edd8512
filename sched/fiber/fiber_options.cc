#include "sched/fiber/fiber_options.h"

#include "absl/strings/str_cat.h"
#include "framework/base/strings.h"

namespace pelton {

absl::Status CheckFiberOptions(const FiberOptions& options) {
  if (options.stack_bytes >= kMinimumFiberStackBytes &&
      options.stack_bytes <= kMaximumFiberStackBytes) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("fiber ", ToAbsl(options.name), " asks for a stack of ", options.stack_bytes,
                   " bytes; FiberOptions::stack_bytes must be between ", kMinimumFiberStackBytes,
                   " and ", kMaximumFiberStackBytes));
}

}  // namespace pelton
