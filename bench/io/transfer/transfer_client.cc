// Measures one transfer of bench/io/transfer/run: asks a server for it, takes part for a while with
// blocking calls, and prints `bytes_per_second=N operations_per_second=N`.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "bench/peers/peer.h"

ABSL_FLAG(std::string, transfer, "r", "what the server does: r or c receive, s send, e echo");
ABSL_FLAG(double, seconds, 0.3, "measured, after a sixth of that");
ABSL_FLAG(bool, local, false, "connect to @pelton-transfer-PORT instead of the TCP port");
ABSL_FLAG(int, server_port, 0, "the server's port");
ABSL_FLAG(int, block_bytes, 64 * 1024, "bytes of each call");

namespace pelton::peers {
namespace {

int ConnectToServer() {
  const int port = absl::GetFlag(FLAGS_server_port);
  if (absl::GetFlag(FLAGS_local)) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    const std::string name = "pelton-transfer-" + std::to_string(port);
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) Die("connect", errno);
    return fd;
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
      connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    Die("connect", errno);
  }
  return fd;
}

double Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

size_t Moved(ssize_t result) {
  if (result > 0) return static_cast<size_t>(result);
  Die("the server ended the transfer", result == 0 ? ECONNRESET : errno);
}

// One call, or for an echo as many as it takes. Returns bytes.
size_t Once(int fd, char transfer, std::vector<char>& block) {
  if (transfer == 's') return Moved(recv(fd, block.data(), block.size(), 0));
  const size_t sent = Moved(send(fd, block.data(), block.size(), MSG_NOSIGNAL));
  if (transfer != 'e') return sent;
  for (size_t back = 0; back < sent;) back += Moved(recv(fd, block.data(), sent - back, 0));
  return sent;
}

void Measure() {
  const int fd = ConnectToServer();
  const std::string transfer = absl::GetFlag(FLAGS_transfer);
  if (transfer.size() != 1) Die("--transfer", EINVAL);
  Moved(send(fd, transfer.data(), 1, MSG_NOSIGNAL));
  std::vector<char> block(static_cast<size_t>(absl::GetFlag(FLAGS_block_bytes)), 'x');
  const double seconds = absl::GetFlag(FLAGS_seconds);
  const double warm = Now() + seconds / 6;
  while (Now() < warm) Once(fd, transfer[0], block);
  const double begin = Now();
  double now = begin;
  double bytes = 0;
  double operations = 0;
  for (; now < begin + seconds; now = Now()) {
    bytes += static_cast<double>(Once(fd, transfer[0], block));
    ++operations;
  }
  std::printf("bytes_per_second=%.0f operations_per_second=%.0f\n", bytes / (now - begin),
              operations / (now - begin));
  close(fd);
}

}  // namespace
}  // namespace pelton::peers

int main(int argc, char** argv) {
  pelton::peers::Begin(argc, argv);
  pelton::peers::Measure();
  return 0;
}
