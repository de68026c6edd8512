// LineReader: a stream by lines.
//
//   LineReader lines(reader);
//   for (;;) {
//     PELTON_CO_ASSIGN_OR_RETURN(std::optional<std::string_view> line, co_await lines.Next());
//     if (!line.has_value()) break;                              // the end
//   }
//
// Shard affinity: the reader's. Ownership: borrows the reader, which nobody else reads meanwhile.
// Cost: a buffer of the longest line that has come, read in pieces of 4 KiB or more; one frame a line.

#ifndef PELTON_IO_PROCESS_LINE_READER_H_
#define PELTON_IO_PROCESS_LINE_READER_H_

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "io/process/pipe.h"
#include "sched/task.h"

namespace pelton {

class LineReader {
 public:
  // Lines may be up to `longest_line` bytes long, without their end.
  explicit LineReader(PipeReader& source [[clang::lifetimebound]],
                      size_t longest_line = size_t{64} << 10)
      : source_(source), longest_line_(longest_line) {}

  // Suspends until a line has come, and yields it without its '\n', valid until the next call;
  // std::nullopt at the end. The last one may lack the '\n'. A '\r' stays. ERRORS: RESOURCE_EXHAUSTED
  // when a line is longer than allowed, for good; the reader's. A task that is told to stop loses
  // nothing that has arrived.
  Task<absl::StatusOr<std::optional<std::string_view>>> Next();

 private:
  static constexpr size_t kReadBytes = 4096;

  PipeReader& source_;
  const size_t longest_line_;
  std::vector<char> buffer_;
  size_t begin_ = 0;  // of what was not given out
  size_t end_ = 0;    // of what was read
};

}  // namespace pelton

#endif  // PELTON_IO_PROCESS_LINE_READER_H_
