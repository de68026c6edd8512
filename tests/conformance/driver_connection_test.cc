// Accepting and connecting, at the driver's seam.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "tests/conformance/driver_under_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

using io::OperationKind;

// Accepts until it is cancelled, or fails, and keeps what it accepted. Starts again where the
// kernel has no multishot accept.
class Acceptor final : public RecordedOperation {
 public:
  Acceptor(io::Reactor& reactor, int fd, bool many)
      : RecordedOperation(OperationKind::kAccept, fd), reactor_(reactor), goes_on_(many) {
    multishot = many;
  }

  void OnCompletion(const io::Completion& completion) override {
    RecordedOperation::OnCompletion(completion);
    if (completion.result >= 0) {
      accepted_.emplace_back(completion.result);
      if (!completion.more && goes_on_) reactor_.Start(*this);
    }
  }
  const std::vector<Descriptor>& accepted() const { return accepted_; }

 private:
  io::Reactor& reactor_;
  const bool goes_on_;
  std::vector<Descriptor> accepted_;
};

class Connect final : public RecordedOperation {
 public:
  Connect(int fd, const SocketAddress& address)
      : RecordedOperation(OperationKind::kConnect, fd), target_(address) {
    Operation::address = const_cast<sockaddr*>(target_.data());
    length = target_.size();
  }

 private:
  const SocketAddress target_;
};

class DriverConnectionTest : public DriverTest {
 protected:
  void CancelAndFinish(RecordedOperation& operation) {
    reactor().Cancel(operation);
    ASSERT_TRUE(harness().TurnUntil([&] { return operation.idle(); }));
    EXPECT_EQ(operation.result(), -ECANCELED);
  }
};

TEST_F(DriverConnectionTest, AnAcceptTakesAConnectionThatIsThere) {
  Listener listener = ListenOnLoopback();
  Descriptor client = ConnectTo(listener.address);
  Acceptor accept(reactor(), listener.descriptor.get(), /*many=*/false);
  reactor().Start(accept);
  ASSERT_TRUE(harness().TurnUntil([&] { return accept.done(); }));
  ASSERT_EQ(accept.accepted().size(), 1u);
  const int fd = accept.accepted()[0].get();
  EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  SendAll(fd, "welcome");
  EXPECT_EQ(ReceiveExactly(client.get(), 7), "welcome");
}

TEST_F(DriverConnectionTest, AnAcceptWaitsForAConnectionAndTakesOne) {
  Listener listener = ListenOnLoopback();
  Acceptor accept(reactor(), listener.descriptor.get(), /*many=*/false);
  reactor().Start(accept);
  harness().Turn();
  ASSERT_FALSE(accept.done());
  const Descriptor first = ConnectTo(listener.address);
  const Descriptor second = ConnectTo(listener.address);
  ASSERT_TRUE(harness().TurnUntil([&] { return accept.done(); }));
  EXPECT_EQ(accept.accepted().size(), 1u);
  EXPECT_EQ(accept.finals(), 1);
}

TEST_F(DriverConnectionTest, AMultishotAcceptTakesAllThatCome) {
  // More than a turn may accept, in two waves: the rest of the first wave needs no new event.
  constexpr size_t kWave = 200;
  Listener listener = ListenOnLoopback(2 * kWave);
  Acceptor accept(reactor(), listener.descriptor.get(), /*many=*/true);
  std::vector<Descriptor> clients;
  for (size_t i = 0; i < kWave; ++i) clients.push_back(ConnectTo(listener.address));
  reactor().Start(accept);
  ASSERT_TRUE(harness().TurnUntil([&] { return accept.accepted().size() == kWave; }));
  for (size_t i = 0; i < kWave; ++i) clients.push_back(ConnectTo(listener.address));
  ASSERT_TRUE(harness().TurnUntil([&] { return accept.accepted().size() == 2 * kWave; }));
  CancelAndFinish(accept);
}

TEST_F(DriverConnectionTest, AMultishotAcceptIsCancelledAmidAFlood) {
  constexpr size_t kWave = 300;
  Listener listener = ListenOnLoopback(kWave);
  Acceptor accept(reactor(), listener.descriptor.get(), /*many=*/true);
  std::vector<Descriptor> clients;
  for (size_t i = 0; i < kWave; ++i) clients.push_back(ConnectTo(listener.address));
  reactor().Start(accept);
  ASSERT_TRUE(harness().TurnUntil([&] { return !accept.accepted().empty(); }));
  reactor().Cancel(accept);
  ASSERT_TRUE(harness().TurnUntil([&] { return accept.idle(); }));
  EXPECT_LE(accept.accepted().size(), kWave);
  // Those that were not accepted wait for the next one.
  Acceptor rest(reactor(), listener.descriptor.get(), /*many=*/true);
  reactor().Start(rest);
  ASSERT_TRUE(harness().TurnUntil(
      [&] { return accept.accepted().size() + rest.accepted().size() == kWave; }));
  CancelAndFinish(rest);
}

TEST_F(DriverConnectionTest, WhatDoesNotListenIsRefused) {
  Descriptor socket = TcpSocket();
  for (const bool many : {false, true}) {
    Acceptor accept(reactor(), socket.get(), many);
    reactor().Start(accept);
    ASSERT_TRUE(harness().TurnUntil([&] { return accept.done(); }));
    EXPECT_EQ(accept.result(), -EINVAL);
    Acceptor nothing(reactor(), -1, many);
    reactor().Start(nothing);
    ASSERT_TRUE(harness().TurnUntil([&] { return nothing.done(); }));
    EXPECT_EQ(nothing.result(), -EBADF);
  }
}

// Leaves this process no descriptor to spare while it lives.
class NoSpareDescriptors {
 public:
  NoSpareDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const Descriptor next(::dup(0));  // the lowest free number
    const rlimit none = {.rlim_cur = static_cast<rlim_t>(next.get()), .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoSpareDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_ = {};
};

TEST_F(DriverConnectionTest, AnAcceptWithoutSpareDescriptorsFailsAndLosesNothing) {
  Listener listener = ListenOnLoopback();
  const Descriptor client = ConnectTo(listener.address);
  for (const bool many : {false, true}) {
    Acceptor accept(reactor(), listener.descriptor.get(), many);
    const NoSpareDescriptors none;
    reactor().Start(accept);
    ASSERT_TRUE(harness().TurnUntil([&] { return accept.done(); }));
    EXPECT_EQ(accept.result(), -EMFILE);
  }
  Acceptor accept(reactor(), listener.descriptor.get(), /*many=*/true);
  reactor().Start(accept);
  ASSERT_TRUE(harness().TurnUntil([&] { return accept.accepted().size() == 1; }));
  CancelAndFinish(accept);
}

TEST_F(DriverConnectionTest, AConnectReachesAListener) {
  Listener listener = ListenOnLoopback();
  Descriptor socket = TcpSocket();
  Connect connect(socket.get(), listener.address);
  reactor().Start(connect);
  ASSERT_TRUE(harness().TurnUntil([&] { return connect.done(); }));
  EXPECT_EQ(connect.result(), 0);
  EXPECT_EQ(connect.finals(), 1);
  EXPECT_TRUE(PeerAddressOf(socket.get()).ok());
}

TEST_F(DriverConnectionTest, AConnectThatIsRefusedSaysSo) {
  const Listener nobody = BindOnLoopback();
  Descriptor socket = TcpSocket();
  Connect connect(socket.get(), nobody.address);
  reactor().Start(connect);
  ASSERT_TRUE(harness().TurnUntil([&] { return connect.done(); }));
  EXPECT_EQ(connect.result(), -ECONNREFUSED);
}

TEST_F(DriverConnectionTest, AConnectOfNoDescriptorFails) {
  Connect connect(-1, SocketAddress::Loopback(1));
  reactor().Start(connect);
  ASSERT_TRUE(harness().TurnUntil([&] { return connect.done(); }));
  EXPECT_EQ(connect.result(), -EBADF);
}

TEST_F(DriverConnectionTest, AConnectThatTakesLongIsCancelled) {
  const StallingListener listener;
  Descriptor socket = TcpSocket();
  Connect connect(socket.get(), listener.address());
  reactor().Start(connect);
  harness().Turn();
  harness().Turn();
  ASSERT_FALSE(connect.done());
  CancelAndFinish(connect);
}

TEST_F(DriverConnectionTest, ConnectsAndAcceptsOfOneShardMeet) {
  constexpr size_t kConnections = 100;
  Listener listener = ListenOnLoopback(kConnections);
  Acceptor accept(reactor(), listener.descriptor.get(), /*many=*/true);
  reactor().Start(accept);
  std::vector<Descriptor> sockets;
  std::vector<std::unique_ptr<Connect>> connects;
  for (size_t i = 0; i < kConnections; ++i) {
    sockets.push_back(TcpSocket());
    connects.push_back(std::make_unique<Connect>(sockets.back().get(), listener.address));
    reactor().Start(*connects.back());
  }
  ASSERT_TRUE(harness().TurnUntil(
      [&] { return accept.accepted().size() == kConnections && reactor().in_flight() == 1; }));
  for (const auto& connect : connects) EXPECT_EQ(connect->result(), 0);
  CancelAndFinish(accept);
}

}  // namespace
}  // namespace pelton::testing
