// A bulk transfer by readiness, without layers: level-triggered epoll and 64 KiB a call. A client's
// first byte says whether the server receives ('r', 'c') or sends ('s').

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "bench/peers/peer.h"

namespace pelton::peers {
namespace {

constexpr size_t kBlockBytes = 64 * 1024;
constexpr int kEvents = 64;

struct Connection {
  int descriptor;
  bool asked = false;
  bool sends = false;
};

class Transfer {
 public:
  Transfer(int listener, int stop_signals)
      : listener_(listener), epoll_(epoll_create1(EPOLL_CLOEXEC)), block_(kBlockBytes, 'x') {
    if (epoll_ < 0) Die("epoll_create1", errno);
    Watch(EPOLL_CTL_ADD, listener, EPOLLIN, &listener_);
    Watch(EPOLL_CTL_ADD, stop_signals, EPOLLIN, &stopped_);
  }

  void Run() {
    epoll_event events[kEvents];
    while (!stopped_) {
      const int count = epoll_wait(epoll_, events, kEvents, -1);
      if (count < 0 && errno != EINTR) Die("epoll_wait", errno);
      for (int i = 0; i < count; ++i) Handle(events[i].data.ptr);
    }
  }

 private:
  void Watch(int operation, int descriptor, uint32_t interest, void* data) {
    epoll_event event = {.events = interest, .data = {.ptr = data}};
    if (epoll_ctl(epoll_, operation, descriptor, &event) != 0) Die("epoll_ctl", errno);
  }

  void Handle(void* data) {
    if (data == &stopped_) {
      stopped_ = true;
    } else if (data == &listener_) {
      const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (descriptor >= 0) {
        Watch(EPOLL_CTL_ADD, descriptor, EPOLLIN, new Connection{descriptor});
      }
    } else {
      Advance(*static_cast<Connection*>(data));
    }
  }

  void Advance(Connection& connection) {
    const int fd = connection.descriptor;
    const ssize_t result = connection.sends
                               ? send(fd, block_.data(), kBlockBytes, MSG_NOSIGNAL)
                               : recv(fd, block_.data(), connection.asked ? kBlockBytes : 1, 0);
    if (result == 0 || (result < 0 && errno != EAGAIN && errno != EINTR)) {
      close(fd);
      delete &connection;
      return;
    }
    if (connection.asked || result < 0) return;
    connection.asked = true;
    connection.sends = block_[0] == 's';
    if (connection.sends) Watch(EPOLL_CTL_MOD, fd, EPOLLOUT, &connection);
  }

  int listener_;
  const int epoll_;
  std::vector<char> block_;
  bool stopped_ = false;
};

}  // namespace
}  // namespace pelton::peers

int main(int argc, char** argv) {
  using namespace pelton::peers;
  Begin(argc, argv);
  const int listener = ListenOnLoopback();
  Transfer server(listener, StopSignals());
  Announce(PortOf(listener), "raw-epoll");
  server.Run();
  return 0;
}
