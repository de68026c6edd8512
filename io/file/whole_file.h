// Reads and writes small files whole.
//
//   PELTON_CO_ASSIGN_OR_RETURN(const std::string text, co_await ReadFile("/etc/service.conf"));
//
// Shard affinity: the awaiting task's.
// Errors name the operation and the path, and keep the errno.

#ifndef PELTON_IO_FILE_WHOLE_FILE_H_
#define PELTON_IO_FILE_WHOLE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/task.h"

namespace pelton {

// The most that ReadFile() reads unless it is told otherwise.
inline constexpr size_t kMostFileBytes = size_t{64} << 20;

// Yields what the file holds, also when its size is not known beforehand, as in /proc. ERRORS:
// RESOURCE_EXHAUSTED when that is more than `most_bytes`.
Task<absl::StatusOr<std::string>> ReadFile(std::string path, size_t most_bytes = kMostFileBytes);

// Makes the file, or drops what it holds, writes `bytes` and closes it. Others see it half written
// meanwhile, and so it stays when this process dies or is told to stop: see ReplaceFile()
// (atomic_file.h). `bytes` must live until the await returns.
Task<absl::Status> WriteFile(std::string path, std::string_view bytes, uint32_t permissions = 0666);

}  // namespace pelton

#endif  // PELTON_IO_FILE_WHOLE_FILE_H_
