#include "tests/support/sockets.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "framework/base/check.h"
#include "framework/base/status.h"

namespace pelton::testing {
namespace {

constexpr int kPatienceMs = 10'000;

void AwaitEvent(int fd, short event) {
  pollfd entry = {.fd = fd, .events = event, .revents = 0};
  int ready;
  do {
    ready = ::poll(&entry, 1, kPatienceMs);
  } while (ready < 0 && errno == EINTR);
  PELTON_CHECK(ready == 1) << "descriptor " << fd << " does not become ready";
}

void SetNonBlocking(int fd) {
  PELTON_CHECK(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) == 0) << ErrnoName(errno);
}

}  // namespace

void Descriptor::Reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

SocketPair UnixPair() {
  int fds[2];
  PELTON_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0)
      << ErrnoName(errno);
  return {Descriptor(fds[0]), Descriptor(fds[1])};
}

SocketPair TcpPair() {
  Listener listener = ListenOnLoopback();
  Descriptor theirs = ConnectTo(listener.address);
  AwaitReadable(listener.descriptor.get());
  const int ours =
      ::accept4(listener.descriptor.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  PELTON_CHECK(ours >= 0) << ErrnoName(errno);
  return {Descriptor(ours), std::move(theirs)};
}

Listener BindOnLoopback() {
  Descriptor descriptor = TcpSocket();
  const SocketAddress any = SocketAddress::Loopback(0);
  PELTON_CHECK(::bind(descriptor.get(), any.data(), any.size()) == 0) << ErrnoName(errno);
  const absl::StatusOr<SocketAddress> address = LocalAddressOf(descriptor.get());
  PELTON_CHECK(address.ok()) << address.status();
  return {std::move(descriptor), *address};
}

Listener ListenOnLoopback(int backlog) {
  Listener listener = BindOnLoopback();
  PELTON_CHECK(::listen(listener.descriptor.get(), backlog) == 0) << ErrnoName(errno);
  return listener;
}

Descriptor ConnectTo(const SocketAddress& address) {
  Descriptor descriptor(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  PELTON_CHECK(descriptor.get() >= 0) << ErrnoName(errno);
  PELTON_CHECK(::connect(descriptor.get(), address.data(), address.size()) == 0)
      << ErrnoName(errno);
  SetNonBlocking(descriptor.get());
  return descriptor;
}

Descriptor TcpSocket() {
  Descriptor descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  PELTON_CHECK(descriptor.get() >= 0) << ErrnoName(errno);
  return descriptor;
}

StallingListener::StallingListener() : listener_(ListenOnLoopback(/*backlog=*/0)) {
  // One connection fills the queue; the rest makes sure, should the kernel allow for more.
  for (Descriptor& connection : queued_) {
    connection = TcpSocket();
    const int result =
        ::connect(connection.get(), listener_.address.data(), listener_.address.size());
    PELTON_CHECK(result == 0 || errno == EINPROGRESS) << ErrnoName(errno);
  }
  AwaitReadable(listener_.descriptor.get());
}

void AwaitReadable(int fd) { AwaitEvent(fd, POLLIN); }

void SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      AwaitEvent(fd, POLLOUT);
    } else {
      PELTON_CHECK(errno == EINTR) << "send: " << ErrnoName(errno);
    }
  }
}

size_t SendUntilFull(int fd) {
  // TCP makes room for a while after it first refuses: the peer's window grows, and bytes move over
  // there.
  constexpr int kQuietMs = 20;
  const std::string block(64 * 1024, 'f');
  size_t total = 0;
  bool was_quiet = false;
  while (true) {
    const ssize_t sent = ::send(fd, block.data(), block.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      total += static_cast<size_t>(sent);
      was_quiet = false;
      continue;
    }
    PELTON_CHECK(errno == EAGAIN) << "send: " << ErrnoName(errno);
    if (was_quiet) return total;
    pollfd entry = {.fd = fd, .events = POLLOUT, .revents = 0};
    was_quiet = ::poll(&entry, 1, kQuietMs) == 0;
  }
}

std::string ReceiveExactly(int fd, size_t bytes) {
  std::string received;
  while (received.size() < bytes) {
    AwaitReadable(fd);
    char buffer[64 * 1024];
    const ssize_t count =
        ::recv(fd, buffer, std::min(sizeof(buffer), bytes - received.size()), MSG_DONTWAIT);
    PELTON_CHECK(count != 0) << "the peer closed after " << received.size() << " bytes";
    PELTON_CHECK(count > 0 || errno == EAGAIN || errno == EINTR) << "recv: " << ErrnoName(errno);
    if (count > 0) received.append(buffer, static_cast<size_t>(count));
  }
  return received;
}

std::string ReceiveNow(int fd) {
  char buffer[64 * 1024];
  const ssize_t count = ::recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
  return count > 0 ? std::string(buffer, static_cast<size_t>(count)) : std::string();
}

bool AtEnd(int fd) {
  AwaitReadable(fd);
  char byte;
  return ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void CloseWithReset(Descriptor descriptor) {
  const linger now = {.l_onoff = 1, .l_linger = 0};
  PELTON_CHECK(::setsockopt(descriptor.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0)
      << ErrnoName(errno);
}

void SetBufferSizes(int fd, int bytes) {
  for (const int option : {SO_SNDBUF, SO_RCVBUF}) {
    PELTON_CHECK(::setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof(bytes)) == 0)
        << ErrnoName(errno);
  }
}

size_t UnreadBytes(int fd) {
  int bytes = 0;
  PELTON_CHECK(::ioctl(fd, FIONREAD, &bytes) == 0) << ErrnoName(errno);
  return static_cast<size_t>(bytes);
}

std::string Pattern(size_t bytes, uint32_t seed) {
  std::string pattern(bytes, '\0');
  uint32_t state = seed * 2654435761u + 1;
  for (char& byte : pattern) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<char>(state >> 24);
  }
  return pattern;
}

}  // namespace pelton::testing
