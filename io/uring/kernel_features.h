// What else io_uring can on this kernel: features that Pelton has no switch for, because it needs
// them, uses them in one place, or has measured that it does not gain by them. For reports.
//
// Each is tried, or read from what the kernel says of itself where a trial would tell no more.
//
// Shard affinity: any thread, which makes rings of its own. COST: some milliseconds.

#ifndef PELTON_IO_URING_KERNEL_FEATURES_H_
#define PELTON_IO_URING_KERNEL_FEATURES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace pelton::io {

struct KernelFeature {
  const char* name;
  const char* use;      // what Pelton does with it, or why it does without
  std::string why_not;  // why it is not to be had; empty when it is
};

// ERRORS: those of Ring::Create().
absl::StatusOr<std::vector<KernelFeature>> TryKernelFeatures();

}  // namespace pelton::io

#endif  // PELTON_IO_URING_KERNEL_FEATURES_H_
