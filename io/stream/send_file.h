// Bytes that go to a stream without passing through the program's memory: out of a file, or out of
// another stream.
//
//   PELTON_CO_RETURN_IF_ERROR(
//       (co_await SendFile(stream, {.descriptor = fd, .name = path, .length = size})).status());
//   PELTON_CO_ASSIGN_OR_RETURN(uint64_t bytes, co_await Splice(client, backend));
//
// Both take turns with the other tasks of the shard: a call moves a bounded number of bytes, and
// neither peers nor full buffers keep a thread waiting.
//
// Shard affinity: the streams'. Ownership: borrows streams and descriptor until it returns.
// Source: man sendfile(2), splice(2).

#ifndef PELTON_IO_STREAM_SEND_FILE_H_
#define PELTON_IO_STREAM_SEND_FILE_H_

#include <cstdint>
#include <limits>
#include <string_view>

#include "absl/status/statusor.h"
#include "io/stream/socket_stream.h"
#include "sched/task.h"

namespace pelton {

// Everything up to the end.
inline constexpr uint64_t kToTheEnd = std::numeric_limits<uint64_t>::max();

// A part of an open file.
struct FileSlice {
  int descriptor = -1;    // open for reading; its position does not matter and does not change
  std::string_view name;  // the path, for messages; must live until the await returns
  uint64_t offset = 0;    // bytes
  uint64_t length = kToTheEnd;
};

// Suspends until the bytes of `file` are in the kernel's hands, and yields how many these were. What
// is written to the file meanwhile may or may not be sent. A task that is stopped leaves a part sent.
// ERRORS: OUT_OF_RANGE when the file ends before `length`, naming it and how much was sent; the
// kernel's, of the file or the peer, naming both; the stop status.
// COST: a call on the blocking pool (some 10 µs) for each MiB or each time that the peer makes room,
// as reading the file may block; no copy.
Task<absl::StatusOr<uint64_t>> SendFile(SocketStream& stream, FileSlice file);

// Moves bytes from one stream to another until `from` ends, or `length` bytes are through; yields how
// many. To pass the end on, call to.HalfClose(). Bytes that `from` has received already go first. A
// task that is stopped, or an error, may lose bytes that were taken and not delivered.
// ERRORS: the kernel's, naming the stream that failed; EMFILE for the pipe that it needs; the stop
// status.
// COST: a pipe, which is made and closed; two operations for each 256 KiB at most. For streams of few
// bytes at a time, Read() and Write() are cheaper.
Task<absl::StatusOr<uint64_t>> Splice(SocketStream& from, SocketStream& to,
                                      uint64_t length = kToTheEnd);

}  // namespace pelton

#endif  // PELTON_IO_STREAM_SEND_FILE_H_
