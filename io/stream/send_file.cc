#include "io/stream/send_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>

#include "framework/base/status.h"
#include "io/await_operation.h"
#include "io/stream/kernel_transfer.h"
#include "io/stream/stream_connection.h"

namespace pelton {
namespace {

using io::StreamConnection;

// "FILE to PEER"
std::string Route(const FileSlice& file, const StreamConnection& to) {
  std::ostringstream text;
  text << file.name << " to " << to;
  return std::move(text).str();
}

absl::Status FileError(int error_number, const FileSlice& file, const StreamConnection& to) {
  absl::Status stopped = to.OperationError(error_number, "send");
  if (GetErrno(stopped) == 0) return stopped;  // the stop status
  return ErrnoToStatus(error_number, "send", Route(file, to));
}

absl::Status EndedEarly(const FileSlice& file, uint64_t sent, const StreamConnection& to) {
  std::ostringstream text;
  text << "send " << Route(file, to) << ": the file ended after " << sent << " of " << file.length
       << " bytes from offset " << file.offset;
  return absl::OutOfRangeError(std::move(text).str());
}

// Passes on what was received already, and everything if chunks go on arriving by themselves.
Task<absl::StatusOr<uint64_t>> CopyChunks(SocketStream& from, SocketStream& to, uint64_t length) {
  uint64_t moved = 0;
  while (moved < length && (from.connection().HasInput() || from.connection().ReceivesByItself())) {
    PELTON_CO_ASSIGN_OR_RETURN(const std::string_view bytes, co_await from.Peek());
    if (bytes.empty()) break;
    const size_t count = static_cast<size_t>(std::min<uint64_t>(bytes.size(), length - moved));
    PELTON_CO_RETURN_IF_ERROR(co_await to.Write(bytes.substr(0, count)));
    from.connection().DropBytes(count);
    moved += count;
  }
  co_return moved;
}

// Delivers `bytes` bytes of `pipe` to `to`.
Task<absl::Status> EmptyPipe(const io::SplicePipe& pipe, const StreamConnection& to,
                             uint64_t bytes) {
  while (bytes > 0) {
    const int writable = co_await io::SocketPollAwaiter(to, POLLOUT);
    if (writable < 0) co_return to.OperationError(-writable, "write to");
    const int delivered =
        co_await io::SpliceAwaiter(pipe.read_end(), to.descriptor(), static_cast<uint32_t>(bytes));
    if (delivered == -EAGAIN) continue;
    if (delivered <= 0) {
      co_return to.OperationError(delivered == 0 ? EPIPE : -delivered, "write to");
    }
    bytes -= static_cast<uint64_t>(delivered);
  }
  co_return absl::OkStatus();
}

}  // namespace

Task<absl::StatusOr<uint64_t>> SendFile(SocketStream& stream, FileSlice file) {
  StreamConnection& to = stream.connection();
  const io::WritingMark mark(to);
  PELTON_CO_RETURN_IF_ERROR(io::MakeNonBlocking(to));
  uint64_t sent = 0;
  while (sent < file.length) {
    const int result =
        co_await io::SendFileAwaiter(to, file.descriptor, file.offset + sent, file.length - sent);
    if (result == -EAGAIN) {
      const int writable = co_await io::SocketPollAwaiter(to, POLLOUT);
      if (writable < 0) co_return FileError(-writable, file, to);
      continue;
    }
    if (result < 0) co_return FileError(-result, file, to);
    if (result == 0) {
      if (file.length == kToTheEnd) break;
      co_return EndedEarly(file, sent, to);
    }
    sent += static_cast<uint64_t>(result);
  }
  co_return sent;
}

Task<absl::StatusOr<uint64_t>> Splice(SocketStream& source, SocketStream& target, uint64_t length) {
  PELTON_CO_ASSIGN_OR_RETURN(uint64_t moved, co_await CopyChunks(source, target, length));
  StreamConnection& from = source.connection();
  StreamConnection& to = target.connection();
  const io::ReadingMark reading(from);
  const io::WritingMark writing(to);
  PELTON_CO_RETURN_IF_ERROR(io::MakeNonBlocking(from));
  PELTON_CO_RETURN_IF_ERROR(io::MakeNonBlocking(to));
  PELTON_CO_ASSIGN_OR_RETURN(const io::SplicePipe pipe, io::SplicePipe::Make());
  while (moved < length && !from.HasInput()) {
    const int readable = co_await io::SocketPollAwaiter(from, POLLIN | POLLRDHUP);
    if (readable < 0) co_return from.OperationError(-readable, "read from");
    const auto wanted =
        static_cast<uint32_t>(std::min<uint64_t>(length - moved, io::SplicePipe::kBytes));
    const int taken = co_await io::SpliceAwaiter(from.descriptor(), pipe.write_end(), wanted);
    if (taken == -EAGAIN) continue;
    if (taken < 0) co_return from.OperationError(-taken, "read from");
    if (taken == 0) break;
    PELTON_CO_RETURN_IF_ERROR(co_await EmptyPipe(pipe, to, static_cast<uint64_t>(taken)));
    moved += static_cast<uint64_t>(taken);
  }
  co_return moved;
}

}  // namespace pelton
