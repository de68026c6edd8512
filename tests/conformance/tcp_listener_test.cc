// TcpListener: accepting, draining, and running out.

#include "io/tcp_listener.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

class TcpListenerTest : public TcpTest {};
INSTANTIATE_TEST_SUITE_P(Modes, TcpListenerTest, ::testing::Bool(), NameOfMode);

// Sends `message` to an echo server and returns what comes back.
Task<absl::StatusOr<std::string>> EchoOnce(SocketAddress address, std::string_view message) {
  PELTON_CO_ASSIGN_OR_RETURN(TcpStream stream, co_await TcpStream::Connect(address));
  PELTON_CO_RETURN_IF_ERROR(co_await stream.Write(message));
  co_return co_await ReadExactly(stream, message.size());
}

// Runs `listener.ForEach(connections, Echo)`.
Task<absl::Status> ServeEcho(TcpListener& listener, TaskScope& connections) {
  co_return co_await listener.ForEach(connections, Echo);
}

TEST_P(TcpListenerTest, AcceptsAConnectionAndKnowsItsPeer) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
    EXPECT_NE(listener.address().port(), 0);
    Descriptor client = ConnectTo(listener.address());
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream stream, co_await listener.Accept());
    EXPECT_EQ(stream.peer_address(), *LocalAddressOf(client.get()));
    SendAll(client.get(), "hello");
    PELTON_CO_ASSIGN_OR_RETURN(std::string text, co_await ReadExactly(stream, 5));
    EXPECT_EQ(text, "hello");
    co_return absl::OkStatus();
  });
}

TEST_P(TcpListenerTest, ServesConnectionsUntilItIsDrained) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
    const SocketAddress address = listener.address();
    TaskScope server;
    TaskScope connections;
    server.Spawn(ServeEcho, std::ref(listener), std::ref(connections));
    for (int i = 0; i < 50; ++i) {
      const std::string message = Pattern(100, static_cast<uint32_t>(i));
      PELTON_CO_ASSIGN_OR_RETURN(std::string echo, co_await EchoOnce(address, message));
      EXPECT_TRUE(echo == message);
    }
    server.Stop(StopPhase::kAccepting, StopReason::kDraining);
    const absl::Status served = co_await server.Join();
    co_await LetOthersRun();  // the socket closes behind the listener's back
    const absl::StatusOr<TcpStream> late = co_await TcpStream::Connect(address);
    EXPECT_EQ(GetErrno(late.status()), ECONNREFUSED) << late.status();
    co_return served;
  });
}

TEST_P(TcpListenerTest, AThousandConnectionsAtOnce) {
  constexpr size_t kConnections = 1000;
  rlimit files;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  if (files.rlim_cur < 2 * kConnections + 100) {
    GTEST_SKIP() << "the limit of open files is " << files.rlim_cur;
  }
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
    const SocketAddress address = listener.address();
    TaskScope server;
    TaskScope connections;
    server.Spawn(ServeEcho, std::ref(listener), std::ref(connections));
    std::vector<TcpStream> clients;
    for (size_t i = 0; i < kConnections; ++i) {
      PELTON_CO_ASSIGN_OR_RETURN(TcpStream client, co_await TcpStream::Connect(address));
      clients.push_back(std::move(client));
    }
    for (int round = 0; round < 3; ++round) {
      for (TcpStream& client : clients) {
        PELTON_CO_RETURN_IF_ERROR(co_await client.Write("ping"));
      }
      for (TcpStream& client : clients) {
        PELTON_CO_ASSIGN_OR_RETURN(std::string echo, co_await ReadExactly(client, 4));
        if (echo != "ping") co_return absl::DataLossError(echo);
      }
    }
    EXPECT_EQ(connections.live(), kConnections);
    clients.clear();
    server.Stop(StopPhase::kAccepting, StopReason::kDraining);
    co_return co_await server.Join();
  });
  EXPECT_EQ(reactor().statistics().connections_opened, 2 * kConnections);
  EXPECT_EQ(reactor().statistics().connections_closed, 2 * kConnections);
}

TEST_P(TcpListenerTest, ServesIpv6) {
  Run([&]() -> Task<absl::Status> {
    absl::StatusOr<TcpListener> listener = TcpListener::Bind("[::1]:0");
    if (GetErrno(listener.status()) == EADDRNOTAVAIL ||
        GetErrno(listener.status()) == EAFNOSUPPORT) {
      co_return absl::OkStatus();  // a machine without IPv6
    }
    PELTON_CO_RETURN_IF_ERROR(listener.status());
    TaskScope server;
    TaskScope connections;
    const SocketAddress address = listener->address();
    EXPECT_TRUE(address.IsIpv6());
    server.Spawn(ServeEcho, std::ref(*listener), std::ref(connections));
    PELTON_CO_ASSIGN_OR_RETURN(std::string echo, co_await EchoOnce(address, "six"));
    EXPECT_EQ(echo, "six");
    server.Stop(StopPhase::kAccepting, StopReason::kDraining);
    co_return co_await server.Join();
  });
}

TEST_P(TcpListenerTest, ADrainInterruptsAnAcceptAndACancellationToo) {
  for (const StopReason reason : {StopReason::kDraining, StopReason::kCancelled}) {
    Run([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
      TaskScope scope;
      absl::Status accepted;
      scope.Spawn([&]() -> Task<absl::Status> {
        accepted = (co_await listener.Accept()).status();
        co_return absl::OkStatus();
      });
      co_await LetOthersRun();
      EXPECT_EQ(scope.live(), 1u);
      scope.Stop(StopPhase::kAccepting, reason);
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
      EXPECT_EQ(accepted.code(), reason == StopReason::kDraining ? absl::StatusCode::kUnavailable
                                                                 : absl::StatusCode::kCancelled)
          << accepted;
      // The listener is still good.
      const Descriptor client = ConnectTo(listener.address());
      PELTON_CO_RETURN_IF_ERROR(co_await listener.Accept());
      co_return absl::OkStatus();
    });
  }
}

TEST_P(TcpListenerTest, ADrainServesThoseWhoseHandshakeIsDone) {
  constexpr size_t kClients = 20;
  for (const bool accepted_by_the_kernel : {false, true}) {
    Run([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
      const SocketAddress address = listener.address();
      TaskScope server;
      TaskScope connections;
      server.Spawn(ServeEcho, std::ref(listener), std::ref(connections));
      co_await LetOthersRun();
      std::vector<Descriptor> clients;
      for (size_t i = 0; i < kClients; ++i) clients.push_back(ConnectTo(address));
      // A multishot accept may have taken them already, so that their completions are on the way.
      if (accepted_by_the_kernel) driver().Wait(0);
      server.Stop(StopPhase::kAccepting, StopReason::kDraining);
      // pelton: bounded: kClients
      for (const Descriptor& client : clients) SendAll(client.get(), "still served");
      for (Descriptor& client : clients) {
        while (UnreadBytes(client.get()) < 12 && server.live() > 0) co_await NextTurn();
        EXPECT_EQ(ReceiveNow(client.get()), "still served");
        client.Reset();
      }
      co_return co_await server.Join();
    });
  }
}

TEST_P(TcpListenerTest, ConnectionsThatNobodyTookAreClosedWithTheListener) {
  Run([&]() -> Task<absl::Status> {
    std::vector<Descriptor> clients;
    {
      PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
      for (int i = 0; i < 10; ++i) clients.push_back(ConnectTo(listener.address()));
      PELTON_CO_ASSIGN_OR_RETURN(TcpStream taken, co_await listener.Accept());
      co_await LetOthersRun();
    }
    co_await LetOthersRun();
    for (const Descriptor& client : clients) {  // pelton: bounded: the ten from above
      AwaitReadable(client.get());
      EXPECT_EQ(ReceiveNow(client.get()), "");
    }
    co_return absl::OkStatus();
  });
}

TEST_P(TcpListenerTest, AFullScopeMakesConnectionsWait) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
    const SocketAddress address = listener.address();
    TaskScope server;
    TaskScope connections({.max_children = 2});
    server.Spawn(ServeEcho, std::ref(listener), std::ref(connections));
    std::vector<Descriptor> clients;
    for (int i = 0; i < 5; ++i) {
      clients.push_back(ConnectTo(address));
      SendAll(clients.back().get(), "x");
    }
    for (Descriptor& client : clients) {
      while (UnreadBytes(client.get()) == 0) co_await NextTurn();
      EXPECT_LE(connections.live(), 2u);
      client.Reset();
    }
    server.Stop(StopPhase::kAccepting, StopReason::kDraining);
    co_return co_await server.Join();
  });
}

TEST_P(TcpListenerTest, RunningOutOfDescriptorsPausesAccepting) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
    Descriptor client = ConnectTo(listener.address());
    rlimit before;
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next = Descriptor(::dup(0)).get();  // the lowest free number
    const rlimit none = {.rlim_cur = static_cast<rlim_t>(next), .rlim_max = before.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    TaskScope scope;
    absl::Status accepted;
    scope.Spawn([&]() -> Task<absl::Status> {
      accepted = (co_await listener.Accept()).status();
      co_return absl::OkStatus();
    });
    while (reactor().statistics().accept_pauses == 0) co_await NextTurn();
    co_await LetOthersRun();
    EXPECT_EQ(scope.live(), 1u);
    EXPECT_EQ(reactor().statistics().accept_pauses, 1u);
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    co_return accepted;
  });
}

TEST_P(TcpListenerTest, AnAddressInUseIsNamed) {
  const Listener taken = ListenOnLoopback();
  Run([&]() -> Task<absl::Status> {
    const std::string address = taken.address.ToString();
    const absl::Status status = TcpListener::Bind(address).status();
    EXPECT_EQ(GetErrno(status), EADDRINUSE);
    EXPECT_TRUE(absl::StrContains(status.message(), address)) << status;
    EXPECT_TRUE(absl::IsInvalidArgument(TcpListener::Bind("not an address").status()));
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
