// The client side of the echo benchmarks: one thread, edge-triggered epoll, any number of
// connections.
//
// Closed loop (rate 0): each connection keeps `depth` messages in flight; as many as a read
// completes are sent at once, in one call. Open loop (rate > 0): messages are due at a steady rate
// whatever the server does, round robin over the connections, and a latency counts from the moment
// when the message was *due*, so that a stalled server cannot hide what it delayed.
//
// Shard affinity: none; one thread. Ownership: a Client owns its sockets and closes them when it
// dies. Invariants: 1. each byte that comes back is compared with what was sent; 2. only replies
// that arrive inside the measured window are counted; 3. Finish() waits for what is in flight, and
// what does not come back is an error. Cost: two system calls a message and one for each batch of
// ready sockets; one clock reading for each read.
//
//   Client client({.port = 7000, .connections = 64});
//   client.Connect();
//   client.RunUntil(Client::Now() + warm_up_ns);
//   client.StartWindow();
//   client.RunUntil(Client::Now() + window_ns);
//   client.Finish();

#ifndef PELTON_BENCH_ECHO_CLIENT_H_
#define PELTON_BENCH_ECHO_CLIENT_H_

#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/echo/histogram.h"
#include "bench/echo/stream_pattern.h"

namespace pelton::bench {

struct ClientOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;
  size_t connections = 1;
  size_t message_bytes = 64;
  size_t depth = 1;   // messages in flight on each connection
  double rate = 0;    // messages a second over all connections; 0 is a closed loop
  bool spin = false;  // polls instead of sleeping
};

class Client {
 public:
  explicit Client(const ClientOptions& options);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Opens all connections, one after the other, and echoes one message on each.
  // ERRORS: exits the process with a message when a connection is refused.
  void Connect();

  // Applies the load until Now() reaches `deadline_ns`. REQUIRES: Connect() was called.
  void RunUntil(int64_t deadline_ns);

  // Forgets what was counted so far, except for errors.
  void StartWindow();

  // Sends nothing more, and waits for the replies to what was sent; what is missing after a second
  // counts as errors.
  void Finish();

  const Histogram& latencies_ns() const { return latencies_ns_; }
  uint64_t replies() const { return latencies_ns_.count(); }
  uint64_t received_bytes() const { return received_bytes_; }
  // Connections that ended or broke, replies that differed, replies that never came.
  uint64_t errors() const { return errors_; }

  // CLOCK_MONOTONIC in nanoseconds.
  static int64_t Now();

 private:
  struct Connection {
    int descriptor = -1;
    uint64_t start = 0;         // where it enters the pattern
    uint64_t sent_bytes = 0;    // taken by the socket
    uint64_t wanted_bytes = 0;  // to be sent in all
    uint64_t received_bytes = 0;
    uint64_t sent_messages = 0;  // begun, that is: wanted_bytes / message_bytes
    uint64_t replied_messages = 0;
    std::unique_ptr<int64_t[]>
        due_times;  // of the messages in flight, by number modulo the capacity

    uint64_t in_flight() const { return sent_messages - replied_messages; }
  };

  // The messages in flight that an open loop allows on a connection.
  static constexpr size_t kOpenLoopDepth = 1024;

  int OpenSocket() const;
  void EchoOnce(Connection& connection);
  void SendMessages(Connection& connection, uint64_t count, int64_t due_ns);
  void Flush(Connection& connection);
  void Receive(Connection& connection, bool ending);
  void CountReplies(Connection& connection, size_t bytes, int64_t now);
  void SendDue(int64_t now);
  void Turn(int64_t until_ns);
  void Break(Connection& connection);

  const ClientOptions options_;
  const size_t depth_;  // capacity of due_times
  const StreamPattern pattern_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::vector<epoll_event> events_;
  std::vector<char> buffer_;
  bool sending_ = false;
  int64_t next_due_ns_ = 0;
  double next_due_exact_ns_ = 0;
  size_t next_connection_ = 0;
  Histogram latencies_ns_;
  uint64_t received_bytes_ = 0;
  uint64_t errors_ = 0;
};

}  // namespace pelton::bench

#endif  // PELTON_BENCH_ECHO_CLIENT_H_
