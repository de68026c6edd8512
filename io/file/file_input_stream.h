// FileInputStream: reads a file from one end to the other, with the next buffers on their way while
// the reader works on this one.
//
//   PELTON_CO_ASSIGN_OR_RETURN(FileInputStream log, co_await FileInputStream::Open("access.log"));
//   for (;;) {
//     PELTON_CO_ASSIGN_OR_RETURN(const std::optional<std::string_view> line, co_await log.ReadLine());
//     if (!line.has_value()) co_return absl::OkStatus();
//     Use(*line);
//   }
//
// Shard affinity: the shard that made it.
// Ownership: it owns its file. Movable; destroying it ends the reading ahead and closes the file,
// without waiting. Views that it yields are into its buffers, and hold until its next call.
// Invariants: 1. one call at a time; 2. at most options.buffers buffers, of which the first is taken
// at the first read and the others as the reader goes on; 3. a call whose task is told to stop has
// taken nothing: the next one yields those bytes.
// Errors name the path; bytes before the error are yielded first. The end is where the file ended
// when it was reached, and stays there.
// Cost: an operation for each buffer, and one more at the end.

#ifndef PELTON_IO_FILE_FILE_INPUT_STREAM_H_
#define PELTON_IO_FILE_FILE_INPUT_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file/file.h"
#include "io/file/read_ahead.h"
#include "sched/task.h"

namespace pelton {

struct FileInputOptions {
  size_t buffer_bytes = 128 * 1024;  // read at a time
  size_t buffers = 4;                // how many, the one that is being consumed included
  uint64_t offset = 0;               // where to begin
  size_t longest_line = 1 << 20;     // in bytes; ReadLine() refuses longer ones
};

class FileInputStream {
 public:
  // No stream.
  FileInputStream() = default;
  // Reads from a file that is open for reading. REQUIRES: buffers and buffer_bytes are positive.
  explicit FileInputStream(File file, const FileInputOptions& options = {});
  FileInputStream(FileInputStream&& other) noexcept { Swap(other); }
  FileInputStream& operator=(FileInputStream&& other) noexcept {
    Swap(other);
    return *this;
  }
  // REQUIRES: no call is going on.
  ~FileInputStream() {
    if (record_ != nullptr) record_->Abandon();
  }

  static Task<absl::StatusOr<FileInputStream>> Open(std::string path,
                                                    FileInputOptions options = {});

  // Yields the bytes that are next, as many as lie in one buffer; empty at the end. Suspends until
  // that buffer is full.
  Task<absl::StatusOr<std::string_view>> Read();
  // Copies the next bytes to `target` until it is full or the file ends; yields how many.
  Task<absl::StatusOr<size_t>> ReadInto(std::span<char> target);
  // Yields the next line, without its '\n'; nothing at the end. What stands behind the last '\n' is
  // a line. One that lies in two buffers is copied together. ERRORS: RESOURCE_EXHAUSTED when it is
  // longer than options.longest_line; the stream stands behind as much of it then.
  Task<absl::StatusOr<std::optional<std::string_view>>> ReadLine();

  // Of the next byte, in the file. REQUIRES: valid().
  uint64_t position() const {
    return record_->position() + yielded_ - (line_complete_ ? 0 : line_.size());
  }
  const std::string& path() const { return record_->file().path(); }
  bool valid() const { return record_ != nullptr; }

 private:
  void Swap(FileInputStream& other) {
    std::swap(record_, other.record_);
    std::swap(longest_line_, other.longest_line_);
    std::swap(yielded_, other.yielded_);
    std::swap(line_, other.line_);
    std::swap(line_complete_, other.line_complete_);
  }
  Task<absl::Status> AwaitInput();
  // Consumes what the last call has yielded.
  void Forget() { record_->Consume(std::exchange(yielded_, 0)); }

  // Whether a ReadLine() that was told to stop, or that failed, has left part of a line.
  bool HasPartOfLine() const { return !line_complete_ && !line_.empty(); }

  io::ReadAhead* record_ = nullptr;
  size_t longest_line_ = 0;
  size_t yielded_ = 0;          // bytes of the first buffer that the last call's view is on
  std::string line_;            // parts of a line that lay in several buffers
  bool line_complete_ = false;  // line_ was yielded, or refused
};

}  // namespace pelton

#endif  // PELTON_IO_FILE_FILE_INPUT_STREAM_H_
