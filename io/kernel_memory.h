// Whose an operation's memory is: while the operation is in flight the kernel's, and whoever
// touches it is reported by AddressSanitizer (framework/base/poison.h). Chunks see to themselves.
//
// Memory that is only sent stays readable: to read it meanwhile does no harm.
//
// Shard affinity: the operation's shard, or the pool's thread that does its call.
// Cost: none without AddressSanitizer.

#ifndef PELTON_IO_KERNEL_MEMORY_H_
#define PELTON_IO_KERNEL_MEMORY_H_

#include "framework/base/poison.h"
#include "io/operation.h"

namespace pelton::io {

// Gives what `operation` receives into to the kernel, and takes it back. Twice is as once.
#ifdef PELTON_ASAN
void LendToKernel(const Operation& operation);
void TakeFromKernel(const Operation& operation);
#else
inline void LendToKernel(const Operation&) {}
inline void TakeFromKernel(const Operation&) {}
#endif

// As long as it lives, system calls of this thread may write what the operation receives into.
class KernelMemoryAccess {
 public:
  explicit KernelMemoryAccess(const Operation& operation) : operation_(operation) {
    TakeFromKernel(operation_);
  }
  ~KernelMemoryAccess() { LendToKernel(operation_); }
  KernelMemoryAccess(const KernelMemoryAccess&) = delete;
  KernelMemoryAccess& operator=(const KernelMemoryAccess&) = delete;

 private:
  [[maybe_unused]] const Operation& operation_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_KERNEL_MEMORY_H_
