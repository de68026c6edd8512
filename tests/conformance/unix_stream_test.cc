// UnixStream and UnixListener.

#include "io/stream/unix_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "io/stream/unix_listener.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

// A directory for sockets, short enough for their addresses.
class UnixStreamTest : public TcpTest {
 protected:
  void SetUp() override {
    TcpTest::SetUp();
    if (IsSkipped()) return;
    std::string name = absl::StrCat(::testing::TempDir(), "/usXXXXXX");
    if (name.size() > 80) name = "/tmp/usXXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    if (!directory_.empty()) {
      ::unlink(path().c_str());
      ::rmdir(directory_.c_str());
    }
    TcpTest::TearDown();
  }

  std::string path() const { return directory_ + "/socket"; }

 private:
  std::string directory_;
};
INSTANTIATE_TEST_SUITE_P(Modes, UnixStreamTest, ::testing::Bool(), NameOfMode);

Task<absl::Status> EchoLocally(UnixStream peer) {
  for (;;) {
    PELTON_CO_ASSIGN_OR_RETURN(Chunk bytes, co_await peer.Read());
    if (bytes.empty()) co_return absl::OkStatus();
    PELTON_CO_RETURN_IF_ERROR(co_await peer.Write(bytes));
  }
}

Task<absl::Status> ServeEcho(UnixListener& listener, TaskScope& connections) {
  co_return co_await listener.ForEach(connections, EchoLocally);
}

Task<absl::StatusOr<std::string>> EchoOnce(std::string address, std::string message) {
  PELTON_CO_ASSIGN_OR_RETURN(UnixStream stream, co_await UnixStream::Connect(address));
  PELTON_CO_RETURN_IF_ERROR(co_await stream.Write(message));
  std::string echo(message.size(), '\0');
  PELTON_CO_RETURN_IF_ERROR(co_await stream.ReadExactly(echo));
  co_return echo;
}

TEST_P(UnixStreamTest, ServesAPathUntilItIsDrainedAndRemovesIt) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UnixListener listener, UnixListener::Bind(path()));
    EXPECT_EQ(listener.address().ToString(), path());
    TaskScope server;
    TaskScope connections;
    server.Spawn(ServeEcho, std::ref(listener), std::ref(connections));
    for (uint32_t i = 0; i < 20; ++i) {
      const std::string message = Pattern(3000, i);
      PELTON_CO_ASSIGN_OR_RETURN(std::string echo, co_await EchoOnce(path(), message));
      EXPECT_TRUE(echo == message);
    }
    server.Stop(StopPhase::kAccepting, StopReason::kDraining);
    const absl::Status served = co_await server.Join();
    EXPECT_EQ(GetErrno((co_await UnixStream::Connect(path())).status()), ENOENT);
    co_return served;
  });
}

TEST_P(UnixStreamTest, ServesAnAbstractName) {
  const std::string name = absl::StrCat("@pelton-test-", ::getpid(), "-", GetParam());
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UnixListener listener, UnixListener::Bind(name));
    TaskScope server;
    TaskScope connections;
    server.Spawn(ServeEcho, std::ref(listener), std::ref(connections));
    PELTON_CO_ASSIGN_OR_RETURN(std::string echo, co_await EchoOnce(name, "hello"));
    EXPECT_EQ(echo, "hello");
    server.Stop(StopPhase::kAccepting, StopReason::kDraining);
    co_return co_await server.Join();
  });
}

TEST_P(UnixStreamTest, TheFileOfADeadProcessIsReplacedAndThatOfALivingOneIsNot) {
  {
    const Descriptor dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    const absl::StatusOr<UnixAddress> address = UnixAddress::OfPath(path());
    ASSERT_TRUE(address.ok());
    ASSERT_EQ(::bind(dead.get(), address->data(), address->size()), 0);
  }
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UnixListener listener, UnixListener::Bind(path()));
    const absl::StatusOr<UnixListener> second = UnixListener::Bind(path());
    EXPECT_EQ(GetErrno(second.status()), EADDRINUSE) << second.status();
    EXPECT_NE(second.status().ToString().find(path()), std::string::npos);
    EXPECT_TRUE((co_await UnixStream::Connect(path())).ok());
    co_return absl::OkStatus();
  });
}

TEST_P(UnixStreamTest, TheFileOfASuccessorStays) {
  Run([&]() -> Task<absl::Status> {
    {
      PELTON_CO_ASSIGN_OR_RETURN(UnixListener listener, UnixListener::Bind(path()));
      EXPECT_EQ(::unlink(path().c_str()), 0);
      // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
      const Descriptor file(::open(path().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
      EXPECT_GE(file.get(), 0);
    }
    // The next listener is refused only if the file is still there once the first one has ended.
    co_await LetOthersRun();
    co_return absl::OkStatus();
  });
  struct stat file;
  EXPECT_EQ(::stat(path().c_str(), &file), 0);
}

TEST_P(UnixStreamTest, TheFileHasThePermissionsWanted) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UnixListener listener,
                               UnixListener::Bind(path(), {.permissions = 0620}));
    struct stat file;
    EXPECT_EQ(::stat(path().c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0620u);
    co_return absl::OkStatus();
  });
}

TEST_P(UnixStreamTest, TellsWhoIsAtTheOtherEnd) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UnixListener listener, UnixListener::Bind(path()));
    PELTON_CO_ASSIGN_OR_RETURN(UnixStream client, co_await UnixStream::Connect(path()));
    PELTON_CO_ASSIGN_OR_RETURN(UnixStream server, co_await listener.Accept());
    const PeerCredentials self = {.process = ::getpid(), .user = ::getuid(), .group = ::getgid()};
    PELTON_CO_ASSIGN_OR_RETURN(const PeerCredentials of_client, server.peer_credentials());
    PELTON_CO_ASSIGN_OR_RETURN(const PeerCredentials of_server, client.peer_credentials());
    EXPECT_EQ(of_client, self);
    EXPECT_EQ(of_server, self);
    EXPECT_EQ(client.peer_address().ToString(), path());
    EXPECT_EQ(server.peer_address().kind(), UnixAddress::Kind::kUnnamed);
    co_return absl::OkStatus();
  });
}

TEST_P(UnixStreamTest, DescriptorsTravelWithBytes) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(auto pair, UnixStream::Pair());
    auto& [sender, receiver] = pair;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) co_return ErrnoToStatus(errno, "pipe");
    std::vector<OwnedDescriptor> passed;
    passed.emplace_back(ends[0]);
    passed.emplace_back(ends[1]);
    PELTON_CO_RETURN_IF_ERROR(co_await sender.WriteWithDescriptors("two of them", passed));
    passed.clear();
    char target[64];
    PELTON_CO_ASSIGN_OR_RETURN(BytesWithDescriptors came,
                               co_await receiver.ReadWithDescriptors(target, 4));
    EXPECT_EQ(std::string_view(target, came.bytes), "two of them");
    EXPECT_EQ(came.descriptors.size(), 2u);
    if (came.descriptors.size() != 2) co_return absl::InternalError("no descriptors");
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(::write(came.descriptors[1].get(), "x", 1), 1);
    char byte;
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(::read(came.descriptors[0].get(), &byte, 1), 1);
    EXPECT_EQ(byte, 'x');
    co_return absl::OkStatus();
  });
}

TEST_P(UnixStreamTest, MoreDescriptorsThanExpectedAreAnErrorAndLeakNothing) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(auto pair, UnixStream::Pair());
    auto& [sender, receiver] = pair;
    std::vector<OwnedDescriptor> passed;
    for (int i = 0; i < 3; ++i) passed.emplace_back(::dup(STDERR_FILENO));
    const int next_free = ::dup(STDERR_FILENO);
    ::close(next_free);
    PELTON_CO_RETURN_IF_ERROR(co_await sender.WriteWithDescriptors("x", passed));
    char target[8];
    const absl::StatusOr<BytesWithDescriptors> came =
        co_await receiver.ReadWithDescriptors(target, 1);
    EXPECT_TRUE(absl::IsResourceExhausted(came.status())) << came.status();
    const int still_free = ::dup(STDERR_FILENO);
    EXPECT_EQ(still_free, next_free);
    ::close(still_free);
    co_return absl::OkStatus();
  });
}

TEST_P(UnixStreamTest, DescriptorsWithoutBytesAreRefused) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(auto pair, UnixStream::Pair());
    auto& [sender, receiver] = pair;
    EXPECT_TRUE(absl::IsInvalidArgument(co_await sender.WriteWithDescriptors("", {})));
    co_return absl::OkStatus();
  });
}

TEST_P(UnixStreamTest, AMebibyteArrivesWholeAndIsNeverSentWithoutACopy) {
  const std::string bytes = Pattern(1 << 20);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(auto pair, UnixStream::Pair());
    auto& [sender, receiver] = pair;
    std::string received(bytes.size(), '\0');
    auto [sent, read] = co_await WhenAll(
        [&]() -> Task<absl::Status> { co_return co_await sender.Write(bytes); }(),
        [&]() -> Task<absl::Status> { co_return co_await receiver.ReadExactly(received); }());
    PELTON_CO_RETURN_IF_ERROR(sent);
    PELTON_CO_RETURN_IF_ERROR(read);
    EXPECT_TRUE(received == bytes);
    co_return absl::OkStatus();
  });
  EXPECT_EQ(reactor().statistics().zero_copy_sends, 0u);
}

TEST_P(UnixStreamTest, ErrorsNameTheAddress) {
  Run([&]() -> Task<absl::Status> {
    const absl::Status missing = (co_await UnixStream::Connect(path())).status();
    EXPECT_EQ(GetErrno(missing), ENOENT);
    EXPECT_NE(missing.ToString().find(path()), std::string::npos);
    EXPECT_TRUE(absl::IsInvalidArgument((co_await UnixStream::Connect("")).status()));
    PELTON_CO_ASSIGN_OR_RETURN(auto pair, UnixStream::Pair());
    auto& [one, other] = pair;
    const absl::Status option = one.SetOptions({.no_delay = true});
    EXPECT_NE(GetErrno(option), 0);
    EXPECT_NE(option.ToString().find("TCP_NODELAY"), std::string::npos);
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
