// UnixMessageSocket and UnixMessageListener: messages, ends, descriptors, credentials, socket files.

#include "io/datagram/unix_message_socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

using ::testing::HasSubstr;
using Type = UnixMessageSocket::Type;

class UnixMessageSocketTest : public TcpTest {
 protected:
  void SetUp() override {
    std::string name = "/tmp/pelton_XXXXXX";  // short: a path of a socket has 107 bytes at most
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    TcpTest::SetUp();
  }
  void TearDown() override {
    TcpTest::TearDown();
    std::filesystem::remove_all(folder_);
  }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  static OwnedDescriptor OpenNull() {
    return OwnedDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }

  std::string folder_;
};
INSTANTIATE_TEST_SUITE_P(Modes, UnixMessageSocketTest, ::testing::Bool(), NameOfMode);

TEST_P(UnixMessageSocketTest, DatagramsGoBetweenNamesOfEveryKind) {
  Run([&]() -> Task<absl::Status> {
    for (const std::string& name : {Path("server"), "@" + Path("abstract"), std::string()}) {
      PELTON_CO_ASSIGN_OR_RETURN(UnixMessageSocket server, UnixMessageSocket::Bind(name));
      PELTON_CO_ASSIGN_OR_RETURN(const UnixAddress address, server.local_address());
      PELTON_CO_ASSIGN_OR_RETURN(UnixMessageSocket client, UnixMessageSocket::Bind(Path("client")));
      PELTON_CO_RETURN_IF_ERROR(client.TrySendTo("query", address));
      PELTON_CO_RETURN_IF_ERROR(client.ConnectTo(address));
      PELTON_CO_RETURN_IF_ERROR(co_await client.Send(""));
      PELTON_CO_ASSIGN_OR_RETURN(LocalMessage query, co_await server.Receive());
      EXPECT_EQ(query.text(), "query");
      EXPECT_EQ(query.sender().name(), Path("client"));
      PELTON_CO_ASSIGN_OR_RETURN(LocalMessage empty, co_await server.Receive());
      EXPECT_EQ(empty.text(), "");
      EXPECT_FALSE(empty.is_end());
      PELTON_CO_RETURN_IF_ERROR(server.TrySendTo("reply", query.sender()));
      PELTON_CO_ASSIGN_OR_RETURN(LocalMessage reply, co_await client.Receive());
      EXPECT_EQ(reply.text(), "reply");
      // Their files go with them.
      server = UnixMessageSocket();
      client = UnixMessageSocket();
      while (!std::filesystem::is_empty(folder_) && !StopRequested()) co_await NextTurn();
      co_await LetOthersRun();
    }
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_P(UnixMessageSocketTest, ConnectionsHaveMessagesAndAnEnd) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UnixMessageListener listener,
                               UnixMessageListener::Bind(Path("listener")));
    PELTON_CO_ASSIGN_OR_RETURN(UnixMessageSocket client, co_await UnixMessageSocket::Connect(
                                                             listener.address(), Type::kSeqpacket));
    PELTON_CO_ASSIGN_OR_RETURN(UnixMessageSocket server, co_await listener.Accept());
    PELTON_CO_ASSIGN_OR_RETURN(const PeerCredentials peer, server.peer_credentials());
    EXPECT_EQ(peer.process, ::getpid());
    for (const char* text : {"one", "", "three"}) {
      PELTON_CO_RETURN_IF_ERROR(co_await client.Send(text));
      PELTON_CO_ASSIGN_OR_RETURN(LocalMessage message, co_await server.Receive());
      EXPECT_FALSE(message.is_end());
      EXPECT_EQ(message.text(), text);
      EXPECT_EQ(message.credentials()->process, ::getpid());
    }
    PELTON_CO_RETURN_IF_ERROR(co_await client.Send("last words"));
    client = UnixMessageSocket();
    PELTON_CO_ASSIGN_OR_RETURN(LocalMessage last, co_await server.Receive());
    EXPECT_EQ(last.text(), "last words");
    for (int i = 0; i < 2; ++i) {
      PELTON_CO_ASSIGN_OR_RETURN(LocalMessage end, co_await server.Receive());
      EXPECT_TRUE(end.is_end());
    }
    EXPECT_EQ(GetErrno(co_await server.Send("too late")), EPIPE);
    co_return absl::OkStatus();
  });
}

TEST_P(UnixMessageSocketTest, DescriptorsArriveAndNoneLeaks) {
  Run([&]() -> Task<absl::Status> {
    int next_free;
    {
      PELTON_CO_ASSIGN_OR_RETURN(auto pair, UnixMessageSocket::Pair({.most_descriptors = 2}));
      std::vector<OwnedDescriptor> files(5);
      // pelton: bounded: what a test makes
      // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
      for (OwnedDescriptor& file : files) file = OpenNull();
      // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
      next_free = OpenNull().get();
      const std::span<const OwnedDescriptor> all(files);
      PELTON_CO_RETURN_IF_ERROR(co_await pair.first.Send("two", all.first(2)));
      PELTON_CO_RETURN_IF_ERROR(co_await pair.first.Send("five", all));
      PELTON_CO_RETURN_IF_ERROR(co_await pair.first.Send("unread", all.first(2)));
      {
        PELTON_CO_ASSIGN_OR_RETURN(LocalMessage two, co_await pair.second.Receive());
        EXPECT_EQ(two.descriptors().size(), 2u);
        EXPECT_FALSE(two.descriptors_lost());
        // pelton: bounded: what a test makes
        for (const OwnedDescriptor& descriptor : two.descriptors()) {
          EXPECT_EQ(::fcntl(descriptor.get(), F_GETFD), FD_CLOEXEC);
        }
        PELTON_CO_ASSIGN_OR_RETURN(LocalMessage five, co_await pair.second.Receive());
        EXPECT_EQ(five.text(), "five");
        EXPECT_TRUE(five.descriptors_lost());
        EXPECT_LT(five.descriptors().size(), 5u);
      }
      co_await LetOthersRun();
    }
    co_await LetOthersRun(30);
    // All is closed again: the pair's and the files', too.
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_LT(OpenNull().get(), next_free);
    co_return absl::OkStatus();
  });
}

TEST_P(UnixMessageSocketTest, ADescriptorThatIsNoneIsRefused) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(auto pair, UnixMessageSocket::Pair());
    const OwnedDescriptor none;
    const absl::Status status = co_await pair.first.Send("x", {&none, 1});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(UnixMessageSocket::Pair({.most_descriptors = 254}).status().code(),
              absl::StatusCode::kInvalidArgument);
    co_return absl::OkStatus();
  });
}

TEST_P(UnixMessageSocketTest, ASenderWaitsForASlowReaderAndNothingIsLost) {
  for (const size_t largest : {0, 30'000}) {
    Run([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(
          auto pair, UnixMessageSocket::Pair({.largest_message = largest, .unread_limit = 2}));
      TaskScope scope;
      size_t sent = 0;
      constexpr size_t kMessages = 1000;
      scope.Spawn([&]() -> Task<absl::Status> {
        for (; sent < kMessages; ++sent) {
          PELTON_CO_RETURN_IF_ERROR(co_await pair.first.Send(std::to_string(sent)));
        }
        co_return absl::OkStatus();
      });
      co_await LetOthersRun();
      for (size_t i = 0; i < kMessages; ++i) {
        PELTON_CO_ASSIGN_OR_RETURN(LocalMessage message, co_await pair.second.Receive());
        EXPECT_EQ(message.text(), std::to_string(i));
      }
      co_return co_await scope.Join();
    });
  }
}

TEST_P(UnixMessageSocketTest, AFullQueueIsAnErrorOfSendingToAName) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UnixMessageSocket server, UnixMessageSocket::Bind(""));
    PELTON_CO_ASSIGN_OR_RETURN(UnixMessageSocket client, UnixMessageSocket::Bind(""));
    PELTON_CO_ASSIGN_OR_RETURN(const UnixAddress address, server.local_address());
    size_t sent = 0;
    absl::Status status;
    // pelton: bounded: what a test makes
    while (sent < 100'000 && (status = client.TrySendTo("x", address)).ok()) ++sent;
    EXPECT_EQ(GetErrno(status), EAGAIN) << status;
    for (size_t i = 0; i < sent; ++i) {
      PELTON_CO_RETURN_IF_ERROR((co_await server.Receive()).status());
    }
    co_return client.TrySendTo("x", address);
  });
}

TEST_P(UnixMessageSocketTest, ErrorsNameThePeer) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(const UnixAddress nowhere, UnixAddress::OfPath(Path("nowhere")));
    for (const Type type : {Type::kDatagram, Type::kSeqpacket}) {
      const absl::Status status = (co_await UnixMessageSocket::Connect(nowhere, type)).status();
      EXPECT_EQ(GetErrno(status), ENOENT) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("/nowhere"));
    }
    PELTON_CO_ASSIGN_OR_RETURN(UnixMessageSocket socket, UnixMessageSocket::Bind(Path("a")));
    EXPECT_EQ(GetErrno(UnixMessageSocket::Bind(Path("a")).status()), EADDRINUSE);
    PELTON_CO_RETURN_IF_ERROR(socket.ConnectTo(*socket.local_address()));
    const absl::Status status = co_await socket.Send(std::string(8 << 20, 'x'));
    EXPECT_EQ(GetErrno(status), EMSGSIZE) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("8388608 bytes"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("takes at most"));
    co_return absl::OkStatus();
  });
}

TEST_P(UnixMessageSocketTest, StoppedWaitsEndAndALongMessageIsCutOff) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(auto pair, UnixMessageSocket::Pair());
    PELTON_CO_ASSIGN_OR_RETURN(UnixMessageListener listener,
                               UnixMessageListener::Bind("@" + Path("listener")));
    EXPECT_TRUE(absl::IsDeadlineExceeded(
        (co_await WithTimeout(absl::Milliseconds(1), pair.first.Receive())).status()));
    EXPECT_TRUE(absl::IsDeadlineExceeded(
        (co_await WithTimeout(absl::Milliseconds(1), listener.Accept())).status()));
    PELTON_CO_RETURN_IF_ERROR(co_await pair.second.Send(std::string(20'000, 'x')));
    PELTON_CO_ASSIGN_OR_RETURN(LocalMessage message, co_await pair.first.Receive());
    EXPECT_TRUE(message.truncated());
    EXPECT_GE(message.text().size(), 16'000u);
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
