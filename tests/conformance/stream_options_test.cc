// SocketOptions and TcpInfo, on streams, on listeners for what they accept, and for connecting.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "io/stream/socket_options.h"
#include "io/stream/tcp_info.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

class StreamOptionsTest : public TcpTest {};
INSTANTIATE_TEST_SUITE_P(Modes, StreamOptionsTest, ::testing::Bool(), NameOfMode);

int Option(const SocketStream& stream, int level, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(::getsockopt(stream.descriptor(), level, option, &value, &size), 0);
  return value;
}

std::string CongestionControl(const SocketStream& stream) {
  char name[16] = {};
  socklen_t size = sizeof(name);
  EXPECT_EQ(::getsockopt(stream.descriptor(), IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
  return name;
}

// What is set here and looked for there.
SocketOptions Many() {
  return {
      .send_buffer = 100'000,
      .receive_buffer = 50'000,
      .linger = absl::Seconds(3),
      .no_delay = true,
      .keep_alive =
          KeepAlive{.idle = absl::Seconds(31), .interval = absl::Milliseconds(6500), .count = 5},
      .user_timeout = absl::Milliseconds(12'345),
      .congestion_control = "reno"};
}

void ExpectMany(const SocketStream& stream) {
  EXPECT_EQ(Option(stream, SOL_SOCKET, SO_SNDBUF), 200'000);
  EXPECT_EQ(Option(stream, SOL_SOCKET, SO_RCVBUF), 100'000);
  EXPECT_EQ(Option(stream, IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(Option(stream, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(Option(stream, IPPROTO_TCP, TCP_KEEPIDLE), 31);
  EXPECT_EQ(Option(stream, IPPROTO_TCP, TCP_KEEPINTVL), 7) << "rounded up";
  EXPECT_EQ(Option(stream, IPPROTO_TCP, TCP_KEEPCNT), 5);
  EXPECT_EQ(Option(stream, IPPROTO_TCP, TCP_USER_TIMEOUT), 12'345);
  EXPECT_EQ(CongestionControl(stream), "reno");
  linger lingers = {};
  socklen_t size = sizeof(lingers);
  EXPECT_EQ(::getsockopt(stream.descriptor(), SOL_SOCKET, SO_LINGER, &lingers, &size), 0);
  EXPECT_EQ(lingers.l_onoff, 1);
  EXPECT_EQ(lingers.l_linger, 3);
}

TEST_P(StreamOptionsTest, SetsWhatIsMentionedAndNothingElse) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    const int before = Option(pair.stream, IPPROTO_TCP, TCP_KEEPIDLE);
    PELTON_CO_RETURN_IF_ERROR(pair.stream.SetOptions({.priority = 4, .no_delay = true}));
    EXPECT_EQ(Option(pair.stream, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(Option(pair.stream, SOL_SOCKET, SO_PRIORITY), 4);
    EXPECT_EQ(Option(pair.stream, IPPROTO_TCP, TCP_KEEPIDLE), before);
    EXPECT_EQ(Option(pair.stream, SOL_SOCKET, SO_KEEPALIVE), 0);
    PELTON_CO_RETURN_IF_ERROR(pair.stream.SetOptions(Many()));
    ExpectMany(pair.stream);
    PELTON_CO_RETURN_IF_ERROR(pair.stream.SetOptions(
        {.cork = true, .quick_ack = true, .keep_alive = KeepAlive{.enabled = false}}));
    EXPECT_EQ(Option(pair.stream, IPPROTO_TCP, TCP_CORK), 1);
    EXPECT_EQ(Option(pair.stream, IPPROTO_TCP, TCP_QUICKACK), 1);
    EXPECT_EQ(Option(pair.stream, SOL_SOCKET, SO_KEEPALIVE), 0);
    co_return absl::OkStatus();
  });
}

TEST_P(StreamOptionsTest, AListenerHandsThemDownAndAConnectionIsMadeWithThem) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(
        TcpListener listener,
        TcpListener::Bind("127.0.0.1:0", {.fast_open = 16, .accepted = Many()}));
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream client,
                               co_await TcpStream::Connect(listener.address(), {.socket = Many()}));
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream server, co_await listener.Accept());
    ExpectMany(client);
    ExpectMany(server);
    co_return absl::OkStatus();
  });
}

TEST_P(StreamOptionsTest, ErrorsNameOptionAndPeer) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    const std::string peer = pair.stream.peer_address().ToString();
    const absl::Status unknown = pair.stream.SetOptions({.congestion_control = "no_such"});
    EXPECT_EQ(GetErrno(unknown), ENOENT) << unknown;
    EXPECT_NE(unknown.ToString().find("TCP_CONGESTION"), std::string::npos);
    EXPECT_NE(unknown.ToString().find(peer), std::string::npos);
    const absl::Status negative = pair.stream.SetOptions({.user_timeout = absl::Milliseconds(-1)});
    EXPECT_TRUE(absl::IsInvalidArgument(negative)) << negative;
    EXPECT_NE(negative.ToString().find("TCP_USER_TIMEOUT"), std::string::npos);
    EXPECT_NE(negative.ToString().find(peer), std::string::npos);
    EXPECT_TRUE(
        absl::IsInvalidArgument(pair.stream.SetOptions({.linger = absl::InfiniteDuration()})));
    EXPECT_TRUE(absl::IsInvalidArgument(
        TcpListener::Bind("127.0.0.1:0", {.accepted = {.quick_ack = true}}).status()));
    co_return absl::OkStatus();
  });
}

TEST_P(StreamOptionsTest, ConnectsFromTheSourceAddressThatIsWanted) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
    PELTON_CO_ASSIGN_OR_RETURN(const SocketAddress source, SocketAddress::Parse("127.0.0.9:0"));
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream client,
                               co_await TcpStream::Connect(listener.address(), {.source = source}));
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream server, co_await listener.Accept());
    EXPECT_EQ(server.peer_address().WithPort(0), source);
    PELTON_CO_ASSIGN_OR_RETURN(const SocketAddress foreign, SocketAddress::Parse("192.0.2.1:0"));
    const absl::Status refused =
        (co_await TcpStream::Connect(listener.address(), {.source = foreign})).status();
    EXPECT_EQ(GetErrno(refused), EADDRNOTAVAIL) << refused;
    EXPECT_NE(refused.ToString().find("192.0.2.1"), std::string::npos);
    co_return absl::OkStatus();
  });
}

TEST_P(StreamOptionsTest, FastOpenDeliversWhatIsWrittenFirst) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener,
                               TcpListener::Bind("127.0.0.1:0", {.fast_open = 16}));
    for (int i = 0; i < 3; ++i) {  // the first one fetches the cookie
      PELTON_CO_ASSIGN_OR_RETURN(
          TcpStream client, co_await TcpStream::Connect(listener.address(), {.fast_open = true}));
      PELTON_CO_RETURN_IF_ERROR(co_await client.Write("hello"));
      PELTON_CO_ASSIGN_OR_RETURN(TcpStream server, co_await listener.Accept());
      char text[5];
      PELTON_CO_RETURN_IF_ERROR(co_await server.ReadExactly(text));
      EXPECT_EQ(std::string_view(text, 5), "hello");
    }
    co_return absl::OkStatus();
  });
}

TEST_P(StreamOptionsTest, ADeferredConnectionIsAcceptedWhenItHasBytes) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(
        TcpListener listener,
        TcpListener::Bind("127.0.0.1:0", {.defer_accept = absl::Seconds(30)}));
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream silent, co_await TcpStream::Connect(listener.address()));
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream client, co_await TcpStream::Connect(listener.address()));
    PELTON_CO_RETURN_IF_ERROR(co_await client.Write("x"));
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream server, co_await listener.Accept());
    PELTON_CO_ASSIGN_OR_RETURN(const SocketAddress address, client.local_address());
    EXPECT_EQ(server.peer_address(), address);
    co_return absl::OkStatus();
  });
}

TEST_P(StreamOptionsTest, TheKernelTellsWhatItKnowsOfAConnection) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.Write("12345"));
    EXPECT_EQ(ReceiveExactly(pair.peer.get(), 5), "12345");
    SendAll(pair.peer.get(), "123");
    char target[3];
    PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.ReadExactly(target));
    PELTON_CO_ASSIGN_OR_RETURN(const TcpInfo info, pair.stream.Info());
    EXPECT_EQ(info.state, TcpInfo::State::kEstablished);
    EXPECT_EQ(info.bytes_sent, 5u);
    EXPECT_EQ(info.bytes_received, 3u);
    EXPECT_EQ(info.retransmitted_segments, 0u);
    EXPECT_GT(info.round_trip_time, absl::ZeroDuration());
    EXPECT_LT(info.round_trip_time, absl::Seconds(1));
    EXPECT_GT(info.congestion_window, 0u);
    EXPECT_GT(info.segment_bytes, 500u);
    EXPECT_GT(info.peer_window_bytes, 0u);
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
