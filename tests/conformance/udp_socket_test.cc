// UdpSocket: what arrives, what is told of it, and what goes wrong.

#include "io/datagram/udp_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/datagram_test.h"

namespace pelton::testing {
namespace {

using ::testing::HasSubstr;

class UdpSocketTest : public DatagramTest {};
INSTANTIATE_TEST_SUITE_P(Modes, UdpSocketTest, ::testing::Bool(), NameOfMode);

TEST_P(UdpSocketTest, ExchangesDatagramsWithAnyPeer) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket server, Bind());
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, Bind());
    for (int round = 0; round < 50; ++round) {
      const std::string text = Pattern(100, static_cast<uint32_t>(round));
      PELTON_CO_RETURN_IF_ERROR(co_await client.SendTo(text, server.address()));
      PELTON_CO_ASSIGN_OR_RETURN(Datagram query, co_await server.Receive());
      EXPECT_EQ(query.text(), text);
      EXPECT_EQ(query.sender(), client.address());
      EXPECT_FALSE(query.truncated());
      EXPECT_EQ(query.segment_bytes(), 0u);
      PELTON_CO_RETURN_IF_ERROR(co_await server.Send(ReplyTo(query)));
      PELTON_CO_ASSIGN_OR_RETURN(Datagram reply, co_await client.Receive());
      EXPECT_EQ(reply.text(), text);
      EXPECT_EQ(reply.sender(), server.address());
    }
    co_return absl::OkStatus();
  });
}

TEST_P(UdpSocketTest, AConnectedSocketHearsItsPeerAlone) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket server, Bind());
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket stranger, Bind());
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, UdpSocket::Connect(server.address()));
    EXPECT_EQ(client.peer_address(), server.address());
    EXPECT_NE(client.address().port(), 0);
    PELTON_CO_RETURN_IF_ERROR(co_await stranger.SendTo("noise", client.address()));
    PELTON_CO_RETURN_IF_ERROR(co_await client.Send("query"));
    PELTON_CO_ASSIGN_OR_RETURN(Datagram query, co_await server.Receive());
    EXPECT_EQ(query.text(), "query");
    PELTON_CO_RETURN_IF_ERROR(co_await server.SendTo("reply", query.sender()));
    PELTON_CO_ASSIGN_OR_RETURN(Datagram reply, co_await client.Receive());
    EXPECT_EQ(reply.text(), "reply");
    PELTON_CO_RETURN_IF_ERROR(client.Disconnect());
    EXPECT_EQ(GetErrno(co_await client.Send("to nobody")), EDESTADDRREQ);
    PELTON_CO_RETURN_IF_ERROR(client.ConnectTo(stranger.address()));
    PELTON_CO_RETURN_IF_ERROR(co_await client.Send("hello"));
    PELTON_CO_ASSIGN_OR_RETURN(Datagram hello, co_await stranger.Receive());
    EXPECT_EQ(hello.text(), "hello");
    co_return absl::OkStatus();
  });
}

TEST_P(UdpSocketTest, SpeaksIpv6AndTakesIpv4SendersThere) {
  Run([&]() -> Task<absl::Status> {
    absl::StatusOr<UdpSocket> server = UdpSocket::Bind(
        "[::]:0", {.every_shard = false, .receive_local_address = true, .receive_hop_limit = true});
    if (GetErrno(server.status()) == EAFNOSUPPORT) co_return absl::OkStatus();
    PELTON_CO_RETURN_IF_ERROR(server.status());
    for (const char* host : {"127.0.0.1", "[::1]"}) {
      PELTON_CO_ASSIGN_OR_RETURN(
          SocketAddress there,
          SocketAddress::Parse(std::string(host) + ":" + std::to_string(server->address().port())));
      absl::StatusOr<UdpSocket> client = UdpSocket::Connect(there);
      if (GetErrno(client.status()) == EADDRNOTAVAIL) continue;  // no IPv6 on loopback
      PELTON_CO_RETURN_IF_ERROR(client.status());
      PELTON_CO_RETURN_IF_ERROR(co_await client->Send("six"));
      PELTON_CO_ASSIGN_OR_RETURN(Datagram query, co_await server->Receive());
      EXPECT_EQ(query.text(), "six");
      EXPECT_TRUE(query.sender().IsIpv6());
      EXPECT_TRUE(query.local_address().has_value());
      EXPECT_TRUE(query.hop_limit().has_value());
      OutgoingDatagram reply = ReplyTo(query);
      const SocketAddress source = query.local_address().value_or(SocketAddress());
      reply.source = &source;
      PELTON_CO_RETURN_IF_ERROR(co_await server->Send(reply));
      PELTON_CO_ASSIGN_OR_RETURN(Datagram back, co_await client->Receive());
      EXPECT_EQ(back.text(), "six");
      EXPECT_EQ(back.sender(), there);
    }
    co_return absl::OkStatus();
  });
}

TEST_P(UdpSocketTest, TellsWhatItWasAskedFor) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, Bind());
    PELTON_CO_RETURN_IF_ERROR(client.SetHopLimit(33));
    PELTON_CO_RETURN_IF_ERROR(client.SetCongestion(Datagram::Congestion::kCapable0));
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket server, Bind({.receive_local_address = true,
                                                       .receive_congestion = true,
                                                       .receive_hop_limit = true,
                                                       .receive_time = true}));
    PELTON_CO_RETURN_IF_ERROR(co_await client.SendTo("x", server.address()));
    PELTON_CO_ASSIGN_OR_RETURN(Datagram query, co_await server.Receive());
    EXPECT_EQ(query.local_address(), SocketAddress::Loopback(0));
    EXPECT_NE(query.interface_index(), 0u);
    EXPECT_EQ(query.congestion(), Datagram::Congestion::kCapable0);
    EXPECT_EQ(query.hop_limit(), 33);
    EXPECT_GT(query.received_at().value_or(absl::UnixEpoch()), absl::UnixEpoch());
    // What was not asked for is not told.
    PELTON_CO_RETURN_IF_ERROR(co_await server.SendTo("y", client.address()));
    PELTON_CO_ASSIGN_OR_RETURN(Datagram reply, co_await client.Receive());
    EXPECT_FALSE(reply.local_address().has_value());
    EXPECT_EQ(reply.interface_index(), 0u);
    EXPECT_FALSE(reply.congestion().has_value());
    EXPECT_FALSE(reply.hop_limit().has_value());
    EXPECT_FALSE(reply.received_at().has_value());
    co_return absl::OkStatus();
  });
}

TEST_P(UdpSocketTest, DatagramsWithoutPayloadArriveBetweenOthers) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket server, Bind());
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, UdpSocket::Connect(server.address()));
    const std::array<std::string_view, 6> texts = {"a", "", "", "b", "", "c"};
    for (const std::string_view text : texts) {
      PELTON_CO_RETURN_IF_ERROR(co_await client.Send(text));
    }
    for (const std::string_view text : texts) {
      PELTON_CO_ASSIGN_OR_RETURN(Datagram datagram, co_await server.Receive());
      EXPECT_EQ(datagram.text(), text);
      EXPECT_EQ(datagram.sender(), client.address());
    }
    co_return absl::OkStatus();
  });
}

TEST_P(UdpSocketTest, SaysWhenADatagramWasCutOff) {
  Run([&]() -> Task<absl::Status> {
    const std::string text = Pattern(60'000);
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket small, Bind());
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket large, Bind({.largest_datagram = 60'000}));
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, Bind());
    PELTON_CO_RETURN_IF_ERROR(co_await client.SendTo(text, small.address()));
    PELTON_CO_RETURN_IF_ERROR(co_await client.SendTo(text, large.address()));
    PELTON_CO_ASSIGN_OR_RETURN(Datagram cut, co_await small.Receive());
    EXPECT_TRUE(cut.truncated());
    EXPECT_GE(cut.size(), 16'000u);
    EXPECT_TRUE(cut.text() == std::string_view(text).substr(0, cut.size()));
    PELTON_CO_ASSIGN_OR_RETURN(Datagram whole, co_await large.Receive());
    EXPECT_FALSE(whole.truncated());
    EXPECT_TRUE(whole.text() == text);
    co_return absl::OkStatus();
  });
}

TEST_P(UdpSocketTest, ADatagramThatIsTooLongIsRefusedWithSizeAndLimit) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket socket, Bind());
    const std::string text(65'508, 'x');
    const absl::Status status = co_await socket.SendTo(text, socket.address());
    EXPECT_EQ(GetErrno(status), EMSGSIZE);
    EXPECT_THAT(std::string(status.message()), HasSubstr("65508 bytes"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("at most 65507"));
    EXPECT_THAT(std::string(status.message()), HasSubstr(socket.address().ToString()));
    co_return absl::OkStatus();
  });
}

TEST_P(UdpSocketTest, APortThatNobodyListensOnIsAnErrorThatEndsNothing) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket gone, Bind());
    const SocketAddress address = gone.address();
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, UdpSocket::Connect(address));
    gone = UdpSocket();
    co_await LetOthersRun();
    for (int round = 0; round < 3; ++round) {
      PELTON_CO_RETURN_IF_ERROR(co_await client.Send("anybody there?"));
      const absl::StatusOr<Datagram> reply = co_await client.Receive();
      EXPECT_EQ(GetErrno(reply.status()), ECONNREFUSED) << reply.status();
      EXPECT_THAT(std::string(reply.status().message()), HasSubstr(address.ToString()));
    }
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket back,
                               UdpSocket::Bind(address.ToString(), {.every_shard = false}));
    PELTON_CO_RETURN_IF_ERROR(co_await client.Send("anybody there?"));
    PELTON_CO_ASSIGN_OR_RETURN(Datagram query, co_await back.Receive());
    PELTON_CO_RETURN_IF_ERROR(co_await back.Send(ReplyTo(query)));
    PELTON_CO_ASSIGN_OR_RETURN(Datagram reply, co_await client.Receive());
    EXPECT_EQ(reply.text(), "anybody there?");
    co_return absl::OkStatus();
  });
}

TEST_P(UdpSocketTest, WhatIsWrongWithABindIsNamed) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket socket, Bind());
    const std::string taken = socket.address().ToString();
    const absl::Status status = UdpSocket::Bind(taken).status();
    EXPECT_EQ(GetErrno(status), EADDRINUSE);
    EXPECT_THAT(std::string(status.message()), HasSubstr(taken));
    EXPECT_EQ(UdpSocket::Bind("nonsense").status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(Bind({.largest_datagram = 70'000}).status().message()),
                HasSubstr("at most 65535"));
    EXPECT_THAT(std::string(Bind({.unread_limit = 0}).status().message()),
                HasSubstr("unread_limit"));
    co_return absl::OkStatus();
  });
}

TEST_P(UdpSocketTest, AGroupHearsWhatIsSentToIt) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket member,
                               UdpSocket::Bind("0.0.0.0:0", {.every_shard = false}));
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket sender, Bind());
    const SocketAddress group =
        *SocketAddress::Parse("239.255.77.77:" + std::to_string(member.address().port()));
    PELTON_CO_RETURN_IF_ERROR(member.JoinGroup(group, "lo"));
    PELTON_CO_RETURN_IF_ERROR(sender.SetMulticastInterface("lo"));
    PELTON_CO_RETURN_IF_ERROR(sender.SetMulticastHops(1));
    PELTON_CO_RETURN_IF_ERROR(sender.SetMulticastLoop(true));
    PELTON_CO_RETURN_IF_ERROR(sender.SetBroadcast(true));
    PELTON_CO_RETURN_IF_ERROR(co_await sender.SendTo("all", group));
    PELTON_CO_ASSIGN_OR_RETURN(Datagram heard, co_await member.Receive());
    EXPECT_EQ(heard.text(), "all");
    PELTON_CO_RETURN_IF_ERROR(member.LeaveGroup(group, "lo"));
    EXPECT_EQ(GetErrno(member.LeaveGroup(group, "lo")), EADDRNOTAVAIL);
    EXPECT_EQ(member.JoinGroup(SocketAddress::Loopback(1)).code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(member.JoinGroup(group, "no_such").code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(sender.SetMulticastInterface("no_such").code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(GetErrno(sender.SetHopLimit(1000)), EINVAL);
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
