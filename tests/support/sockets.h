// Raw sockets for tests: what stands at the other end of the code under test.
//
// Errors of the test's own sockets end the test program: they say nothing of the code under test.
// Shard affinity: any thread.

#ifndef PELTON_TESTS_SUPPORT_SOCKETS_H_
#define PELTON_TESTS_SUPPORT_SOCKETS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "io/socket_address.h"

namespace pelton::testing {

// A descriptor that is closed at the end of its scope.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { Reset(); }

  int get() const { return fd_; }
  // Hands the descriptor to somebody else.
  int Release() { return std::exchange(fd_, -1); }
  void Reset();

 private:
  int fd_ = -1;
};

// Two connected stream sockets. Neither blocks.
struct SocketPair {
  Descriptor ours;
  Descriptor theirs;
};

// A pair of AF_UNIX sockets.
SocketPair UnixPair();
// A TCP connection over the loopback interface.
SocketPair TcpPair();

// A listening socket on a port of 127.0.0.1 that the kernel chooses; it does not block.
struct Listener {
  Descriptor descriptor;
  SocketAddress address;
};
Listener ListenOnLoopback(int backlog = 128);

// A connection to `address`, made by blocking calls; it does not block afterwards.
Descriptor ConnectTo(const SocketAddress& address);
// An unconnected TCP socket that does not block.
Descriptor TcpSocket();
// A socket that is bound to a port of 127.0.0.1 and does not listen: connections to it are refused
// as long as it lives.
Listener BindOnLoopback();

// A listener whose queue of connections is full, so that connecting to it takes as long as the
// listener lives.
class StallingListener {
 public:
  StallingListener();
  const SocketAddress& address() const { return listener_.address; }

 private:
  Listener listener_;
  Descriptor queued_[4];
};

// Blocks until `fd` has input (or its end, or an error). Ends the program after ten seconds.
void AwaitReadable(int fd);
// Sends all of `bytes`, however long it takes the peer to make room.
void SendAll(int fd, std::string_view bytes);
// Sends until the peer's and the own buffer are full. Returns how many bytes that took.
size_t SendUntilFull(int fd);
// Receives exactly `bytes` bytes.
std::string ReceiveExactly(int fd, size_t bytes);
// What can be received at once, up to 64 KiB; empty when there is nothing, or at the end.
std::string ReceiveNow(int fd);
// Whether the peer of `fd` has closed; blocks until it says something.
bool AtEnd(int fd);
// Closes with a reset instead of a FIN.
void CloseWithReset(Descriptor descriptor);
void SetBufferSizes(int fd, int bytes);
// Bytes that were received and not read.
size_t UnreadBytes(int fd);

// Bytes that a transfer's place in the stream can be told from.
std::string Pattern(size_t bytes, uint32_t seed = 1);

}  // namespace pelton::testing

#endif  // PELTON_TESTS_SUPPORT_SOCKETS_H_
