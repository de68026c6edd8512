#include "io/process/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "framework/base/status.h"

namespace pelton {
namespace {

// Above the standard ones, which may be closed.
absl::StatusOr<int> Duplicate(int descriptor, std::string_view name) {
  const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (copy < 0) return ErrnoToStatus(errno, "duplicate", name);
  return copy;
}

absl::StatusOr<PipeWriter> Writer(int descriptor, std::string_view name) {
  PELTON_ASSIGN_OR_RETURN(const int copy, Duplicate(descriptor, name));
  return PipeWriter::Adopt(copy, name);
}

}  // namespace

absl::StatusOr<PipeReader> StandardInput() {
  PELTON_ASSIGN_OR_RETURN(const int copy, Duplicate(STDIN_FILENO, "standard input"));
  return PipeReader::Adopt(copy, "standard input");
}

absl::StatusOr<PipeWriter> StandardOutput() { return Writer(STDOUT_FILENO, "standard output"); }

absl::StatusOr<PipeWriter> StandardError() { return Writer(STDERR_FILENO, "standard error"); }

}  // namespace pelton
