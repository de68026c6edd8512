// The best readiness loop that we can write by hand: one thread, edge-triggered epoll by default
// (--trigger=level for the other way), one read buffer for all connections, each message written
// back as soon as it is read.
//
// A connection owns memory only while its peer does not read: then what could not be written waits
// in `backlog`, and the connection is not read from.

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "bench/peers/peer.h"

ABSL_FLAG(std::string, trigger, "edge", "how epoll reports readiness: edge or level");

namespace pelton::peers {
namespace {

constexpr int kEventsPerTurn = 512;

struct Connection {
  int descriptor;
  std::string backlog;  // read, and not yet written
};

class EpollEcho {
 public:
  EpollEcho(int listener, int stop_signals, bool edge)
      : listener_(listener),
        edge_(edge),
        buffer_(BufferSize()),
        epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) Die("epoll_create1", errno);
    Watch(EPOLL_CTL_ADD, listener, EPOLLIN, &listener_);
    Watch(EPOLL_CTL_ADD, stop_signals, EPOLLIN, &stopped_);
  }

  void Run() {
    std::vector<epoll_event> events(kEventsPerTurn);
    while (!stopped_) {
      const int count = epoll_wait(epoll_, events.data(), kEventsPerTurn, -1);
      if (count < 0 && errno != EINTR) Die("epoll_wait", errno);
      for (int i = 0; i < count; ++i) Handle(events[static_cast<size_t>(i)]);
    }
  }

 private:
  void Handle(const epoll_event& event) {
    if (event.data.ptr == &listener_) {
      AcceptAll();
    } else if (event.data.ptr == &stopped_) {
      stopped_ = true;
    } else {
      auto& connection = *static_cast<Connection*>(event.data.ptr);
      if (!WriteBacklog(connection) || !Echo(connection, event.events)) Close(connection);
    }
  }

  void AcceptAll() {
    for (;;) {
      const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (descriptor >= 0) {
        Watch(EPOLL_CTL_ADD, descriptor, ReadInterest(), new Connection{descriptor, {}});
        continue;
      }
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EMFILE || errno == ENFILE) {
        // Listening on would report the waiting peer again at once; Close() resumes it.
        Watch(EPOLL_CTL_MOD, listener_, 0, &listener_);
        accepting_ = false;
      } else if (errno != EAGAIN) {
        Die("accept4", errno);
      }
      return;
    }
  }

  // Reads and writes back until the socket is empty, as far as epoll would not report it again.
  // False: close.
  bool Echo(Connection& connection, uint32_t events) {
    const bool ending = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    while (connection.backlog.empty()) {
      const ssize_t received = recv(connection.descriptor, buffer_.data(), buffer_.size(), 0);
      if (received == 0) return false;
      if (received < 0) {
        if (errno == EINTR) continue;
        return errno == EAGAIN;
      }
      if (!Write(connection, buffer_.data(), static_cast<size_t>(received))) return false;
      // A short read emptied the socket, and what comes later is a new edge. The end of the stream
      // is none when it lay behind the data; level-triggered, epoll reports whatever is left.
      if (!ending && (!edge_ || static_cast<size_t>(received) < buffer_.size())) return true;
    }
    return true;
  }

  // Writes what the socket takes and keeps the rest as backlog. False: the connection is broken.
  bool Write(Connection& connection, const char* data, size_t size) {
    while (size > 0) {
      const ssize_t sent = send(connection.descriptor, data, size, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno != EAGAIN) return false;
      if (sent < 0) {
        connection.backlog.assign(data, size);
        Watch(EPOLL_CTL_MOD, connection.descriptor, EPOLLOUT, &connection);
        return true;
      }
      data += sent;
      size -= static_cast<size_t>(sent);
    }
    return true;
  }

  bool WriteBacklog(Connection& connection) {
    if (connection.backlog.empty()) [[likely]]
      return true;
    const std::string backlog = std::exchange(connection.backlog, {});
    if (!Write(connection, backlog.data(), backlog.size())) return false;
    if (connection.backlog.empty()) {
      Watch(EPOLL_CTL_MOD, connection.descriptor, ReadInterest(), &connection);
    }
    return true;
  }

  void Close(Connection& connection) {
    close(connection.descriptor);
    delete &connection;
    if (!accepting_) {
      accepting_ = true;
      Watch(EPOLL_CTL_MOD, listener_, EPOLLIN, &listener_);
    }
  }

  uint32_t ReadInterest() const {
    return EPOLLIN | (edge_ ? static_cast<uint32_t>(EPOLLET | EPOLLRDHUP) : 0);
  }

  void Watch(int operation, int descriptor, uint32_t events, void* tag) {
    epoll_event event = {};
    event.events = events;
    event.data.ptr = tag;
    if (epoll_ctl(epoll_, operation, descriptor, &event) != 0) Die("epoll_ctl", errno);
  }

  int listener_;
  const bool edge_;
  bool stopped_ = false;
  bool accepting_ = true;
  std::vector<char> buffer_;
  const int epoll_;
};

}  // namespace
}  // namespace pelton::peers

int main(int argc, char** argv) {
  using namespace pelton::peers;
  Begin(argc, argv);
  const std::string trigger = absl::GetFlag(FLAGS_trigger);
  if (trigger != "edge" && trigger != "level") Die("--trigger", EINVAL);
  const int listener = ListenOnLoopback();
  EpollEcho server(listener, StopSignals(), trigger == "edge");
  Announce(PortOf(listener), "raw-epoll");
  server.Run();
  return 0;
}
