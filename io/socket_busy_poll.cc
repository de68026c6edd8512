#include "io/socket_busy_poll.h"

#include <sys/socket.h>

#include <cerrno>
#include <sstream>
#include <utility>

#include "framework/base/log.h"
#include "framework/base/status.h"

namespace pelton::io {
namespace {

bool IsSocketKind(OperationKind kind) {
  return kind >= OperationKind::kAccept && kind <= OperationKind::kSendZeroCopy;
}

}  // namespace

void SocketBusyPoll::OnStart(const Operation& operation) {
  if (operation.descriptor < 0) return;
  const size_t index = static_cast<size_t>(operation.descriptor);
  if (operation.kind == OperationKind::kClose) {
    if (index < seen_.size()) seen_[index] = false;
    return;
  }
  if (!IsSocketKind(operation.kind)) return;
  if (index >= seen_.size()) seen_.resize(index + 1);
  if (seen_[index]) return;
  seen_[index] = true;
  const int microseconds = static_cast<int>(microseconds_);
  if (::setsockopt(operation.descriptor, SOL_SOCKET, SO_BUSY_POLL, &microseconds,
                   sizeof(microseconds)) == 0) {
    ++sockets_;
    return;
  }
  // Of a descriptor that is bad or no socket, the operation itself tells.
  if (errno == EBADF || errno == ENOTSOCK) return;
  std::ostringstream line;
  line << "busy polling of sockets is off: SO_BUSY_POLL: " << ErrnoName(errno)
       << ". To fix: sysctl -w net.core.busy_read=" << microseconds_
       << ", or give the process CAP_NET_ADMIN";
  LogLine(std::move(line).str());
  microseconds_ = 0;
}

}  // namespace pelton::io
