// Measures what a disk can do, for the I/O scheduler: as Seastar's iotune does.
//
// Writes a file of its own into a directory, reads and writes it with direct I/O at growing numbers
// of requests in flight, and tells the rates and from where on more in flight brings nothing. The
// file has no name while it is measured, so nothing is left whatever happens.
//
// Shard affinity: the calling shard, which should be the only one, and have nothing else to do.

#ifndef PELTON_TOOLS_IO_CALIBRATE_CALIBRATION_H_
#define PELTON_TOOLS_IO_CALIBRATE_CALIBRATION_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "io/file/io_profile.h"
#include "sched/task.h"

namespace pelton {

struct CalibrationOptions {
  static constexpr uint64_t kLeastBytes = 4 << 20;

  std::string directory;       // on the disk to measure
  uint64_t bytes = 512 << 20;  // the most that the file takes, at least kLeastBytes
  absl::Duration duration = absl::Seconds(10);  // of all measurements; what was begun is finished
  // Told each figure as it comes, in a line without its end; may be null.
  void (*report)(std::string_view line) = nullptr;
};

// Measures. ERRORS: INVALID_ARGUMENT for options out of range; what creating, writing and reading
// the file meets, such as no room on the disk, or no direct I/O.
Task<absl::StatusOr<IoProfile>> CalibrateDisk(CalibrationOptions options);

}  // namespace pelton

#endif  // PELTON_TOOLS_IO_CALIBRATE_CALIBRATION_H_
