// The process's standard streams as streams of a shard: terminals, pipes, files, /dev/null.
//
//   PELTON_CO_ASSIGN_OR_RETURN(PipeReader input, StandardInput());
//   LineReader lines(input);
//
// Each call makes a duplicate of the descriptor, which is closed with the stream; the process's own
// stays open and as it is, its O_NONBLOCK as well, which it shares with the shell and others. Bytes go
// to whoever reads first: let one shard read standard input.
//
// On the epoll driver regular files are read and written on the blocking pool.
//
// Shard affinity: the calling shard's. ERRORS: EBADF when the process was started without that stream,
// EMFILE.

#ifndef PELTON_IO_PROCESS_STANDARD_STREAMS_H_
#define PELTON_IO_PROCESS_STANDARD_STREAMS_H_

#include "absl/status/statusor.h"
#include "io/process/pipe.h"

namespace pelton {

absl::StatusOr<PipeReader> StandardInput();
absl::StatusOr<PipeWriter> StandardOutput();
absl::StatusOr<PipeWriter> StandardError();

}  // namespace pelton

#endif  // PELTON_IO_PROCESS_STANDARD_STREAMS_H_
