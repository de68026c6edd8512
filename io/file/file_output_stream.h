// FileOutputStream: writes a file from one end to the other, in buffers that are written while the
// next is filled.
//
//   PELTON_CO_ASSIGN_OR_RETURN(FileOutputStream out, co_await FileOutputStream::Create("export.csv"));
//   for (const Row& row : rows) PELTON_CO_RETURN_IF_ERROR(co_await out.Write(row.text()));
//   co_return co_await out.Close();            // the first error of any write, and of close(2)
//
// Shard affinity: the shard that made it.
// Ownership: it owns its file. Movable. Close() has to be awaited: destroying a stream drops what was
// not handed to the kernel yet, and logs how many bytes of which file that were.
// Invariants: 1. one call at a time; 2. at most options.buffers buffers, taken as they are needed:
// when all are being written, Write() waits; 3. the first error of a write stays, is what every later
// call yields, and is logged if there is none; 4. what Flush(), Sync() or Close() have said OK to is
// in the kernel's hands, as a whole and in its place.
// Errors name the path. A stop ends the waiting and no write: what was taken goes on being written.
// Cost: a copy of the bytes; an operation for each buffer. The kernel does nearly all of these on a
// worker thread of its own.

#ifndef PELTON_IO_FILE_FILE_OUTPUT_STREAM_H_
#define PELTON_IO_FILE_FILE_OUTPUT_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/file/file.h"
#include "io/file/write_behind.h"
#include "sched/task.h"

namespace pelton {

struct FileOutputOptions {
  size_t buffer_bytes = 128 * 1024;  // written at a time
  size_t buffers = 4;                // how many, the one that is being filled included
  uint64_t offset = 0;               // where to begin; a file that is open to append ignores it
};

class FileOutputStream {
 public:
  // No stream.
  FileOutputStream() = default;
  // Writes to a file that is open for writing. REQUIRES: buffers and buffer_bytes are positive.
  explicit FileOutputStream(File file, const FileOutputOptions& options = {});
  FileOutputStream(FileOutputStream&& other) noexcept
      : record_(std::exchange(other.record_, nullptr)) {}
  FileOutputStream& operator=(FileOutputStream&& other) noexcept {
    std::swap(record_, other.record_);
    return *this;
  }
  // REQUIRES: no call is going on.
  ~FileOutputStream() {
    if (record_ != nullptr) record_->Abandon();
  }

  // Makes the file, or drops what it holds.
  static Task<absl::StatusOr<FileOutputStream>> Create(std::string path,
                                                       FileOutputOptions options = {});
  // Goes on at the end of the file, or makes it.
  static Task<absl::StatusOr<FileOutputStream>> Append(std::string path,
                                                       FileOutputOptions options = {});

  // Takes all of `bytes`; suspends while there is no room. OK does not mean that they are written:
  // see Flush(). On an error a part may have been taken; position() tells. `bytes` must live until
  // the await returns.
  Task<absl::Status> Write(std::string_view bytes);
  // Waits until everything that was taken is written: visible to everybody, and safe from a crash of
  // this process.
  Task<absl::Status> Flush();
  // The same, and until the file is on the disk: safe from a power cut. A file that is new is found
  // after one only if its directory was synced, too.
  Task<absl::Status> Sync();
  // Flushes and closes the file. Afterwards the stream is closed, whatever came of it, unless the
  // task was told to stop while it waited: then it may be called again.
  Task<absl::Status> Close();

  // Where the next byte goes, in the file. REQUIRES: valid().
  uint64_t position() const { return record_->position(); }
  const std::string& path() const { return record_->file().path(); }
  // Whether there is a stream that is not closed.
  bool valid() const { return record_ != nullptr; }

 private:
  // The error of a write, which its receiver is told now.
  absl::Status TellError();

  io::WriteBehind* record_ = nullptr;
};

}  // namespace pelton

#endif  // PELTON_IO_FILE_FILE_OUTPUT_STREAM_H_
