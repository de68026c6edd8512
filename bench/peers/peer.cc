#include "bench/peers/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"

ABSL_FLAG(int, port, 0, "TCP port on 127.0.0.1; 0 lets the kernel choose");
ABSL_FLAG(int, cpu, -1, "the core to run on; -1 leaves it to the kernel");
ABSL_FLAG(int, buffer_size, 2048, "bytes of the receive buffers");

namespace pelton::peers {

void Begin(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  if (absl::GetFlag(FLAGS_buffer_size) < 1) Die("--buffer_size", EINVAL);
  signal(SIGPIPE, SIG_IGN);
  if (const int cpu = absl::GetFlag(FLAGS_cpu); cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) Die("--cpu", errno);
  }
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) Die("getrlimit", errno);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) Die("setrlimit", errno);
}

int Port() { return absl::GetFlag(FLAGS_port); }

size_t BufferSize() { return static_cast<size_t>(absl::GetFlag(FLAGS_buffer_size)); }

int ListenOnLoopback() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0) Die("socket", errno);
  const int on = 1;
  if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
    Die("setsockopt", errno);
  }
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(Port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    Die("bind", errno);
  }
  if (listen(listener, SOMAXCONN) != 0) Die("listen", errno);
  return listener;
}

int PortOf(int descriptor) {
  sockaddr_in address = {};
  socklen_t length = sizeof(address);
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    Die("getsockname", errno);
  }
  return ntohs(address.sin_port);
}

int StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (sigprocmask(SIG_BLOCK, &set, nullptr) != 0) Die("sigprocmask", errno);
  const int descriptor = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (descriptor < 0) Die("signalfd", errno);
  return descriptor;
}

void Announce(int port, std::string_view driver) {
  std::printf("listening on 127.0.0.1:%d shards=1 driver=%.*s\n", port,
              static_cast<int>(driver.size()), driver.data());
  std::fflush(stdout);
}

void Die(std::string_view what, int error_number) {
  std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(what.size()), what.data(),
               std::strerror(error_number));
  std::exit(1);
}

}  // namespace pelton::peers
