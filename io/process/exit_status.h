// How a child process has ended, and what it used.
//
// A value without shard affinity.

#ifndef PELTON_IO_PROCESS_EXIT_STATUS_H_
#define PELTON_IO_PROCESS_EXIT_STATUS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace pelton {

struct ExitStatus {
  int code = 0;    // what it returned, 0 to 255; meaningless when a signal killed it
  int signal = 0;  // that killed it; 0: it ended by itself
  bool dumped_core = false;
  // Of the child and those of its children that it has waited for.
  absl::Duration user_time;
  absl::Duration system_time;
  int64_t most_resident_bytes = 0;  // of the largest one

  // Whether it ended by itself with code 0.
  bool ok() const { return signal == 0 && code == 0; }
  // "exited with code 3", "was killed by signal 9 (SIGKILL)".
  std::string ToString() const;
};

}  // namespace pelton

#endif  // PELTON_IO_PROCESS_EXIT_STATUS_H_
