#include "bench/echo/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "gtest/gtest.h"

namespace pelton::bench {
namespace {

// Answers one connection, on a thread of its own, with what `answer` makes of each read and of the
// number of bytes that came before it; ends when the client closes, or when the answer is kClose.
class OneConnectionServer {
 public:
  using Answer = std::function<std::string(uint64_t bytes_before, std::string received)>;
  static inline const std::string kClose = "close the connection";

  explicit OneConnectionServer(Answer answer)
      : answer_(std::move(answer)), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        listen(listener_, 1) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }

  ~OneConnectionServer() {
    thread_.join();
    close(listener_);
  }

  uint16_t port() const { return port_; }

 private:
  void Serve() {
    const int connection = accept(listener_, nullptr, nullptr);
    uint64_t seen = 0;
    std::string buffer(65536, '\0');
    for (;;) {
      const ssize_t received = recv(connection, buffer.data(), buffer.size(), 0);
      if (received <= 0) break;
      const std::string reply = answer_(seen, buffer.substr(0, static_cast<size_t>(received)));
      seen += static_cast<uint64_t>(received);
      if (reply == kClose) break;
      if (send(connection, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) break;
    }
    close(connection);
  }

  const Answer answer_;
  const int listener_;
  uint16_t port_ = 0;
  std::thread thread_;
};

struct Outcome {
  uint64_t replies;
  uint64_t bytes;
  uint64_t errors;
};

// Loads a server that answers with `answer` for 50 ms over one connection.
Outcome Load(OneConnectionServer::Answer answer, ClientOptions options = {}) {
  OneConnectionServer server(std::move(answer));
  options.port = server.port();
  Client client(options);  // dies first, which ends the server's connection
  client.Connect();
  client.StartWindow();
  client.RunUntil(Client::Now() + 50'000'000);
  client.Finish();
  return {client.replies(), client.received_bytes(), client.errors()};
}

std::string Echo(uint64_t, std::string received) { return received; }

TEST(ClientTest, FindsNoErrorInAnHonestEcho) {
  const Outcome outcome = Load(Echo);
  EXPECT_EQ(outcome.errors, 0u);
  EXPECT_GT(outcome.replies, 0u);
  EXPECT_EQ(outcome.bytes, outcome.replies * 64);
}

TEST(ClientTest, FindsNoErrorInMessagesLargerThanTheSocketTakes) {
  const Outcome outcome = Load(Echo, {.message_bytes = 3'000'000, .depth = 2});
  EXPECT_EQ(outcome.errors, 0u);
  EXPECT_GT(outcome.replies, 0u);
}

TEST(ClientTest, KeepsAsManyMessagesInFlightAsItIsTold) {
  size_t most = 0;
  const Outcome outcome = Load(
      [&most](uint64_t, std::string received) {
        most = std::max(most, received.size());
        return received;
      },
      {.depth = 16});
  EXPECT_EQ(outcome.errors, 0u);
  EXPECT_EQ(most, 16u * 64);
}

TEST(ClientTest, SendsAtItsRateInAnOpenLoop) {
  const Outcome outcome = Load(Echo, {.rate = 1000});
  EXPECT_EQ(outcome.errors, 0u);
  EXPECT_LE(outcome.replies, 52u);  // fifty in 50 ms, and the first at once
  EXPECT_GE(outcome.replies, 10u);  // on a machine that is busy with other things
}

TEST(ClientTest, CountsFromTheMomentAMessageWasDueWhenTheServerStalls) {
  // The reply to the first message of the load takes 20 ms, so the twenty that were due meanwhile
  // have waited as well. A client that counted from the moment of sending would find one slow
  // message.
  const int64_t stall_ns = 20'000'000;
  OneConnectionServer server([](uint64_t before, std::string received) {
    const int64_t until = Client::Now() + (before == 64 ? stall_ns : 0);
    while (Client::Now() < until) continue;
    return received;
  });
  Client client({.port = server.port(), .rate = 1000});
  client.Connect();
  client.StartWindow();
  client.RunUntil(Client::Now() + 50'000'000);
  client.Finish();
  EXPECT_EQ(client.errors(), 0u);
  // About 15 of 50 were due in the first 15 ms of the stall and so were at least 5 ms late.
  EXPECT_GT(client.latencies_ns().Quantile(0.75), 5'000'000u);
}

TEST(ClientTest, NoticesAFlippedBit) {
  const Outcome outcome = Load([](uint64_t before, std::string received) {
    if (before > 0) received[0] = static_cast<char>(received[0] ^ 1);
    return received;
  });
  EXPECT_GT(outcome.errors, 0u);
}

TEST(ClientTest, NoticesThatAMessageIsRepeated) {
  const Outcome outcome = Load([](uint64_t before, std::string received) {
    return before == 640 ? received + received : received;
  });
  EXPECT_GT(outcome.errors, 0u);
}

TEST(ClientTest, NoticesThatAMessageIsLost) {
  const Outcome outcome = Load([](uint64_t before, std::string received) {
    return before == 640 ? std::string() : received;
  });
  EXPECT_EQ(outcome.errors, 1u);
}

TEST(ClientTest, NoticesThatTheServerCloses) {
  const Outcome outcome = Load([](uint64_t before, std::string received) {
    return before >= 640 ? OneConnectionServer::kClose : received;
  });
  EXPECT_GT(outcome.errors, 0u);
}

}  // namespace
}  // namespace pelton::bench
