#include "io/socket_busy_poll.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/sockets.h"

namespace pelton::io {
namespace {

class AnOperation final : public Operation {
 public:
  AnOperation(OperationKind kind, int fd) : Operation(kind) { descriptor = fd; }
  void OnCompletion(const Completion&) override {}
};

// What a socket was told; -1 when it cannot be asked.
int BusyPollOf(int fd) {
  int microseconds = -1;
  socklen_t size = sizeof(microseconds);
  return ::getsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &microseconds, &size) == 0 ? microseconds : -1;
}

// Whether the kernel lets this process ask for more than sysctl net.core.busy_read.
bool MayAsk() {
  testing::SocketPair pair = testing::TcpPair();
  const int one = 1;
  return ::setsockopt(pair.ours.get(), SOL_SOCKET, SO_BUSY_POLL, &one, sizeof(one)) == 0;
}

TEST(SocketBusyPollTest, IsOffAtZero) { EXPECT_FALSE(SocketBusyPoll(0).on()); }

TEST(SocketBusyPollTest, SetsEachSocketOnceInItsLife) {
  if (!MayAsk()) GTEST_SKIP() << "needs CAP_NET_ADMIN";
  SocketBusyPoll busy_poll(25);
  testing::SocketPair pair = testing::TcpPair();
  AnOperation receive(OperationKind::kReceiveChunk, pair.ours.get());
  AnOperation send(OperationKind::kSend, pair.ours.get());
  busy_poll.OnStart(receive);
  busy_poll.OnStart(send);
  EXPECT_EQ(busy_poll.sockets(), 1u);
  EXPECT_EQ(BusyPollOf(pair.ours.get()), 25);
  EXPECT_NE(BusyPollOf(pair.theirs.get()), 25);
  busy_poll.OnStart(AnOperation(OperationKind::kClose, pair.ours.get()));
  busy_poll.OnStart(receive);
  EXPECT_EQ(busy_poll.sockets(), 2u) << "the number is another socket's now";
}

TEST(SocketBusyPollTest, LeavesAloneWhatIsNoSocketOrNoOperationOfSockets) {
  SocketBusyPoll busy_poll(25);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  testing::Descriptor reader(ends[0]);
  testing::Descriptor writer(ends[1]);
  testing::SocketPair pair = testing::TcpPair();
  busy_poll.OnStart(AnOperation(OperationKind::kReceive, reader.get()));
  busy_poll.OnStart(AnOperation(OperationKind::kReceive, -1));
  busy_poll.OnStart(AnOperation(OperationKind::kPoll, pair.ours.get()));
  busy_poll.OnStart(AnOperation(OperationKind::kNop, pair.ours.get()));
  EXPECT_EQ(busy_poll.sockets(), 0u);
  EXPECT_TRUE(busy_poll.on());
}

TEST(SocketBusyPollTest, ARefusalIsOneLineThatSaysHowToMendIt) {
  if (MayAsk()) GTEST_SKIP() << "needs to be without CAP_NET_ADMIN";
  SocketBusyPoll busy_poll(25);
  testing::SocketPair pair = testing::TcpPair();
  ::testing::internal::CaptureStderr();
  busy_poll.OnStart(AnOperation(OperationKind::kReceive, pair.ours.get()));
  const std::string line = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(line.find("EPERM"), std::string::npos) << line;
  EXPECT_NE(line.find("sysctl -w net.core.busy_read=25"), std::string::npos) << line;
  EXPECT_FALSE(busy_poll.on()) << "nothing is gained by asking again";
}

}  // namespace
}  // namespace pelton::io
