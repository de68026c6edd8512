// Copies a file.
//
//   PELTON_CO_RETURN_IF_ERROR(co_await CopyFile("/srv/images/base", "/srv/images/one"));
//
// The copy appears whole under its name, or not at all: it is made as AtomicFile makes files. Bytes
// and permissions are copied; holes stay holes, where the file system tells them.
//
// Shard affinity: the awaiting task's.
// Errors name the operation and a path. A cancellation or deadline ends it after the step that is
// being copied, and leaves nothing behind.
// Cost: a call on the blocking pool for each 8 MiB: copy_file_range(2), by which file systems that can
// share the blocks instead of copying them; where it cannot (other file systems, old kernels) reads
// and writes through a buffer of 256 KiB.

#ifndef PELTON_IO_FILE_COPY_FILE_H_
#define PELTON_IO_FILE_COPY_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "sched/task.h"

namespace pelton {

struct CopyFileOptions {
  // Whether the copy is on the disk, under its name, when the copying is done.
  bool durable = false;
  // Told after each step up to which byte of how many the file is copied. May be null.
  void (*progress)(void* argument, uint64_t copied_bytes, uint64_t all_bytes) = nullptr;
  void* progress_argument = nullptr;
};

// Copies the regular file `from` to the name `to`, which is replaced if it exists. What is appended
// to `from` meanwhile is not copied.
Task<absl::Status> CopyFile(std::string from, std::string to, CopyFileOptions options = {});

}  // namespace pelton

#endif  // PELTON_IO_FILE_COPY_FILE_H_
