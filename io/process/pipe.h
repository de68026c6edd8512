// Pipes as streams; also whatever else is read or written in order: terminals, FIFOs, a descriptor
// that was inherited.
//
//   PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
//   PELTON_CO_RETURN_IF_ERROR(co_await pipe.writer.Write("hello"));
//   pipe.writer.Close();
//   PELTON_CO_ASSIGN_OR_RETURN(std::string text, co_await pipe.reader.ReadToEnd(1 << 20));
//
// Shard affinity: the shard that made it.
// Ownership: movable; destroying an end closes it, without waiting.
// Invariant: one task at a time uses an end (checked).
// Errors name the stream and keep the errno: `write to pipe: Broken pipe (EPIPE)`. A task that is
// told to stop gets its stop status instead. SIGPIPE never comes: the first PipeWriter of the process
// sets it to be ignored, if it was at its default; children get it back (process.h).
// O_NONBLOCK, which belongs to all who share the open file, is never changed and may be set.
// Cost: an end allocates when it is made; a read or a write allocates nothing and costs a share of one
// system call per turn.

#ifndef PELTON_IO_PROCESS_PIPE_H_
#define PELTON_IO_PROCESS_PIPE_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "io/descriptor/descriptor_record.h"
#include "io/descriptor/stream_awaiters.h"
#include "sched/task.h"

namespace pelton {

class PipeReader {
 public:
  // Nothing to read from.
  PipeReader() = default;
  // Takes a descriptor over that no operation was started on; `name` is for messages.
  static PipeReader Adopt(int descriptor, std::string_view name);

  // Suspends until bytes arrive, and puts as many as there are into `target`: absl::StatusOr<size_t>,
  // 0 at the end, when all writers have closed. What has arrived is not lost when the task is
  // cancelled: the await yields it. REQUIRES: `target` is not empty and lives until the await returns.
  io::StreamReadAwaiter ReadInto(std::span<char> target) { return {*record_, target}; }
  // Everything up to the end. ERRORS: RESOURCE_EXHAUSTED when that is more than `limit` bytes, with
  // the rest unread. COST: one frame, and the string.
  Task<absl::StatusOr<std::string>> ReadToEnd(size_t limit);

  // Closes it now; it is then like one that was never opened.
  void Close() { record_.reset(); }
  bool valid() const { return record_ != nullptr; }
  // REQUIRES: valid().
  int descriptor() const { return record_->descriptor(); }
  const std::string& name() const { return record_->name(); }

 private:
  explicit PipeReader(io::DescriptorPointer record) : record_(std::move(record)) {}

  io::DescriptorPointer record_;
};

class PipeWriter {
 public:
  // Nothing to write to.
  PipeWriter() = default;
  // Takes a descriptor over that no operation was started on; `name` is for messages.
  static PipeWriter Adopt(int descriptor, std::string_view name);

  // Suspends until all of `bytes` are with the kernel: absl::Status. A pipe holds 64 KiB by default;
  // what exceeds that waits for its reader. When the await fails, a part may have been written. ERRORS:
  // EPIPE when nobody can read any more. REQUIRES: `bytes` live until the await returns.
  io::StreamWriteAwaiter Write(std::string_view bytes) { return {*record_, bytes}; }

  // Closes it now, so that its reader comes to the end; it is then like one that was never opened.
  void Close() { record_.reset(); }
  bool valid() const { return record_ != nullptr; }
  // REQUIRES: valid().
  int descriptor() const { return record_->descriptor(); }
  const std::string& name() const { return record_->name(); }

 private:
  explicit PipeWriter(io::DescriptorPointer record) : record_(std::move(record)) {}

  io::DescriptorPointer record_;
};

// The two ends of a pipe.
struct Pipe {
  PipeReader reader;
  PipeWriter writer;
};

// Makes a pipe. ERRORS: RESOURCE_EXHAUSTED (EMFILE, ENFILE).
absl::StatusOr<Pipe> MakePipe();

}  // namespace pelton

#endif  // PELTON_IO_PROCESS_PIPE_H_
