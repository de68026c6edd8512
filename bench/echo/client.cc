#include "bench/echo/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace pelton::bench {
namespace {

constexpr int kEventsPerTurn = 512;
constexpr int64_t kSecond = 1'000'000'000;
// How long Finish() waits for what is in flight.
constexpr int64_t kPatience = kSecond;

[[noreturn]] void Die(const char* what, int error_number) {
  std::fprintf(stderr, "load_generator: %s: %s\n", what, std::strerror(error_number));
  std::exit(1);
}

}  // namespace

Client::Client(const ClientOptions& options)
    : options_(options),
      depth_(options.rate > 0 ? kOpenLoopDepth : options.depth),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      connections_(options.connections),
      events_(kEventsPerTurn),
      buffer_(StreamPattern::kMaxRun) {
  if (epoll_ < 0) Die("epoll_create1", errno);
}

Client::~Client() {
  for (const Connection& connection : connections_) {
    if (connection.descriptor >= 0) close(connection.descriptor);
  }
  close(epoll_);
}

int64_t Client::Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return kSecond * now.tv_sec + now.tv_nsec;
}

int Client::OpenSocket() const {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) Die("socket", errno);
  const int on = 1;
  if (setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
    Die("TCP_NODELAY", errno);
  }
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  if (inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr) != 1) Die("--address", EINVAL);
  if (connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    Die("connect", errno);
  }
  return descriptor;
}

void Client::Connect() {
  for (size_t i = 0; i < connections_.size(); ++i) {
    Connection& connection = connections_[i];
    connection.descriptor = OpenSocket();
    connection.start = StreamPattern::StartOf(i);
    connection.due_times = std::make_unique<int64_t[]>(depth_);
    EchoOnce(connection);
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP;
    event.data.ptr = &connection;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.descriptor, &event) != 0) {
      Die("epoll_ctl", errno);
    }
  }
}

// On a socket that still blocks as far as no call says otherwise.
void Client::EchoOnce(Connection& connection) {
  SendMessages(connection, 1, Now());
  while (connection.in_flight() > 0 && connection.descriptor >= 0) {
    Flush(connection);
    char byte;
    if (recv(connection.descriptor, &byte, 1, MSG_PEEK) <= 0) return Break(connection);
    Receive(connection, false);
  }
}

void Client::SendMessages(Connection& connection, uint64_t count, int64_t due_ns) {
  for (uint64_t i = 0; i < count; ++i) {
    connection.due_times[connection.sent_messages++ % depth_] = due_ns;
  }
  connection.wanted_bytes += count * options_.message_bytes;
  Flush(connection);
}

void Client::Flush(Connection& connection) {
  while (connection.sent_bytes < connection.wanted_bytes) {
    const char* data = pattern_.At(connection.start + connection.sent_bytes);
    const size_t size =
        std::min(connection.wanted_bytes - connection.sent_bytes, StreamPattern::kMaxRun);
    const ssize_t sent = send(connection.descriptor, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      connection.sent_bytes += static_cast<uint64_t>(sent);
    } else if (errno == EAGAIN) {
      return;  // epoll tells when there is room
    } else if (errno != EINTR) {
      return Break(connection);
    }
  }
}

// Reads until the socket is empty, which a short read shows, or to the end of the stream when epoll
// has announced that.
void Client::Receive(Connection& connection, bool ending) {
  for (;;) {
    const ssize_t received =
        recv(connection.descriptor, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0 && errno == EAGAIN) return;
    if (received <= 0) return Break(connection);
    const auto bytes = static_cast<size_t>(received);
    const uint64_t offset = connection.start + connection.received_bytes;
    if (!pattern_.Matches(offset, buffer_.data(), bytes)) ++errors_;
    CountReplies(connection, bytes, Now());
    if (connection.descriptor < 0 || (bytes < buffer_.size() && !ending)) return;
  }
}

void Client::CountReplies(Connection& connection, size_t bytes, int64_t now) {
  connection.received_bytes += bytes;
  received_bytes_ += bytes;
  const uint64_t complete = connection.received_bytes / options_.message_bytes;
  if (complete > connection.sent_messages) {  // more came back than was sent
    ++errors_;
    return Break(connection);
  }
  const uint64_t replies = complete - connection.replied_messages;
  for (uint64_t i = 0; i < replies; ++i) {
    const int64_t due = connection.due_times[connection.replied_messages++ % depth_];
    latencies_ns_.Record(static_cast<uint64_t>(now - due));
  }
  if (sending_ && options_.rate == 0 && replies > 0) SendMessages(connection, replies, now);
}

// The connection is out of the game; its loss is one error.
void Client::Break(Connection& connection) {
  ++errors_;
  close(connection.descriptor);
  connection.descriptor = -1;
  connection.sent_messages = connection.replied_messages;
  connection.wanted_bytes = connection.sent_bytes;
}

// Open loop: sends what is due. When every connection is full, the rest stays due.
void Client::SendDue(int64_t now) {
  size_t full = 0;
  while (next_due_ns_ <= now && full < connections_.size()) {
    Connection& connection = connections_[next_connection_];
    next_connection_ = (next_connection_ + 1) % connections_.size();
    if (connection.descriptor < 0 || connection.in_flight() == depth_) {
      ++full;
      continue;
    }
    full = 0;
    SendMessages(connection, 1, next_due_ns_);
    next_due_exact_ns_ += static_cast<double>(kSecond) / options_.rate;
    next_due_ns_ = static_cast<int64_t>(next_due_exact_ns_);
  }
}

// Waits for events until `until_ns` at the latest, and handles them.
void Client::Turn(int64_t until_ns) {
  const int64_t wait_ns = options_.spin ? 0 : std::max<int64_t>(0, until_ns - Now());
  const timespec timeout = {.tv_sec = wait_ns / kSecond, .tv_nsec = wait_ns % kSecond};
  const int count = epoll_pwait2(epoll_, events_.data(), kEventsPerTurn, &timeout, nullptr);
  if (count < 0 && errno != EINTR) Die("epoll_pwait2", errno);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events_[static_cast<size_t>(i)];
    auto& connection = *static_cast<Connection*>(event.data.ptr);
    if (connection.sent_bytes < connection.wanted_bytes) Flush(connection);
    const bool ending = (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    const bool readable = ending || (event.events & EPOLLIN) != 0;
    if (readable && connection.descriptor >= 0) Receive(connection, ending);
  }
}

void Client::RunUntil(int64_t deadline_ns) {
  sending_ = true;
  int64_t now = Now();
  if (options_.rate == 0) {
    for (Connection& connection : connections_) {
      if (connection.descriptor < 0 || connection.in_flight() == depth_) continue;
      SendMessages(connection, depth_ - connection.in_flight(), now);
    }
  } else if (next_due_ns_ == 0) {
    next_due_ns_ = now;
    next_due_exact_ns_ = static_cast<double>(now);
  }
  for (; now < deadline_ns; now = Now()) {
    if (options_.rate > 0) SendDue(now);
    Turn(options_.rate > 0 ? std::min(deadline_ns, next_due_ns_) : deadline_ns);
  }
}

void Client::StartWindow() {
  latencies_ns_.Reset();
  received_bytes_ = 0;
}

void Client::Finish() {
  sending_ = false;
  const auto in_flight = [this] {
    uint64_t sum = 0;
    for (const Connection& connection : connections_) sum += connection.in_flight();
    return sum;
  };
  const int64_t deadline = Now() + kPatience;
  while (in_flight() > 0 && Now() < deadline) Turn(deadline);
  errors_ += in_flight();
}

}  // namespace pelton::bench
