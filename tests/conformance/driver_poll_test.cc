// Polls, messages and sends from the caller's memory, at the driver's seam.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "io/message_chunk.h"
#include "tests/conformance/driver_under_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

using io::OperationKind;

class DriverPollTest : public DriverTest {
 protected:
  // Takes turns until what has happened has been delivered.
  void Settle() {
    for (int i = 0; i < 5; ++i) harness().Turn();
  }
};

// Polls `fd` for `events`.
class Poll final : public RecordedOperation {
 public:
  Poll(int fd, short events, bool many = false) : RecordedOperation(OperationKind::kPoll, fd) {
    length = static_cast<uint32_t>(events);
    multishot = many;
  }
};

TEST_F(DriverPollTest, CompletesWhenAnEventComes) {
  SocketPair pair = UnixPair();
  Poll poll(pair.ours.get(), POLLIN);
  reactor().Start(poll);
  Settle();
  ASSERT_FALSE(poll.done());
  SendAll(pair.theirs.get(), "x");
  ASSERT_TRUE(harness().TurnUntil([&] { return poll.done(); }));
  EXPECT_EQ(poll.result() & POLLIN, POLLIN);
  Close(std::move(pair.ours));
}

TEST_F(DriverPollTest, CompletesAtOnceWhenTheEventIsThere) {
  SocketPair pair = UnixPair();
  for (int round = 0; round < 3; ++round) {
    Poll poll(pair.ours.get(), POLLOUT | POLLIN);
    reactor().Start(poll);
    ASSERT_TRUE(harness().TurnUntil([&] { return poll.done(); }));
    EXPECT_EQ(poll.result(), POLLOUT);
  }
  Close(std::move(pair.ours));
}

TEST_F(DriverPollTest, APollGetsInNobodysWay) {
  SocketPair pair = UnixPair();
  RecordedOperation receive(OperationKind::kReceive, pair.ours.get());
  char bytes[8];
  receive.address = bytes;
  receive.length = sizeof(bytes);
  Poll hang_up(pair.ours.get(), POLLRDHUP);
  reactor().Start(hang_up);
  reactor().Start(receive);
  Settle();
  SendAll(pair.theirs.get(), "x");
  ASSERT_TRUE(harness().TurnUntil([&] { return receive.done(); }));
  EXPECT_FALSE(hang_up.done());
  reactor().Start(receive);
  Settle();
  pair.theirs.Reset();
  ASSERT_TRUE(harness().TurnUntil([&] { return hang_up.done() && receive.idle(); }));
  EXPECT_NE(hang_up.result() & POLLRDHUP, 0);
  EXPECT_EQ(receive.result(), 0);
  Close(std::move(pair.ours));
}

TEST_F(DriverPollTest, OneIsCancelledAndTheOthersStay) {
  SocketPair pair = UnixPair();
  Poll first(pair.ours.get(), POLLIN);
  Poll second(pair.ours.get(), POLLIN);
  reactor().Start(first);
  reactor().Start(second);
  Settle();
  reactor().Cancel(first);
  ASSERT_TRUE(harness().TurnUntil([&] { return first.done(); }));
  EXPECT_EQ(first.result(), -ECANCELED);
  EXPECT_FALSE(second.done());
  SendAll(pair.theirs.get(), "x");
  ASSERT_TRUE(harness().TurnUntil([&] { return second.done(); }));
  EXPECT_EQ(second.result(), POLLIN);
  Close(std::move(pair.ours));
}

TEST_F(DriverPollTest, MultishotTellsOfEveryEventOrEnds) {
  Descriptor event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  Poll poll(event.get(), POLLIN, /*many=*/true);
  reactor().Start(poll);
  for (int round = 0; round < 5; ++round) {
    Settle();
    if (poll.idle()) reactor().Start(poll);  // the kernel may end it at any time
    Settle();
    const size_t before = poll.completions().size();
    ASSERT_EQ(::eventfd_write(event.get(), 1), 0);
    ASSERT_TRUE(harness().TurnUntil([&] { return poll.completions().size() > before; }));
    EXPECT_EQ(poll.result() & POLLIN, POLLIN);
    eventfd_t value;
    ASSERT_EQ(::eventfd_read(event.get(), &value), 0);
  }
  if (!poll.idle()) {
    reactor().Cancel(poll);
    ASSERT_TRUE(harness().TurnUntil([&] { return poll.idle(); }));
    EXPECT_EQ(poll.result(), -ECANCELED);
  }
  Close(std::move(event));
}

TEST_F(DriverPollTest, AClosedDescriptorIsAnError) {
  Poll poll(987654, POLLIN);
  reactor().Start(poll);
  ASSERT_TRUE(harness().TurnUntil([&] { return poll.done(); }));
  EXPECT_EQ(poll.result(), -EBADF);
}

// Two UDP sockets of 127.0.0.1; `ours` receives what `theirs` sends.
SocketPair DatagramPair() {
  SocketPair pair;
  pair.ours = Descriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  pair.theirs = Descriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  for (const Descriptor* socket : {&pair.ours, &pair.theirs}) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    PELTON_CHECK(::bind(socket->get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) ==
                 0);
  }
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  PELTON_CHECK(::getsockname(pair.ours.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  PELTON_CHECK(::connect(pair.theirs.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  return pair;
}

TEST_F(DriverPollTest, ReceivesAMessageWithItsSender) {
  SocketPair pair = DatagramPair();
  sockaddr_in sender = {};
  char bytes[16];
  iovec vector = {bytes, sizeof(bytes)};
  msghdr message = {};
  message.msg_name = &sender;
  message.msg_namelen = sizeof(sender);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  RecordedOperation receive(OperationKind::kReceiveMessage, pair.ours.get());
  receive.address = &message;
  reactor().Start(receive);
  Settle();
  SendAll(pair.theirs.get(), "datagram");
  ASSERT_TRUE(harness().TurnUntil([&] { return receive.done(); }));
  EXPECT_EQ(receive.result(), 8);
  EXPECT_EQ(std::string(bytes, 8), "datagram");
  EXPECT_EQ(sender.sin_port, htons(LocalAddressOf(pair.theirs.get())->port()));
  Close(std::move(pair.ours));
}

TEST_F(DriverPollTest, ReceivesMessagesIntoChunks) {
  SocketPair pair = DatagramPair();
  msghdr room = {};
  room.msg_namelen = sizeof(sockaddr_in6);
  RecordedOperation receive(OperationKind::kReceiveMessageChunk, pair.ours.get());
  receive.address = &room;
  receive.multishot = true;
  reactor().Start(receive);
  Settle();
  size_t seen = 0;
  for (int round = 0; round < 20; ++round) {
    if (receive.idle()) reactor().Start(receive);
    const std::string text(static_cast<size_t>(round) * 50, static_cast<char>('a' + round));
    ASSERT_EQ(::send(pair.theirs.get(), text.data(), text.size(), 0),
              static_cast<ssize_t>(text.size()));
    ASSERT_TRUE(harness().TurnUntil([&] { return receive.completions().size() > seen; }));
    const io::Completion completion = receive.completions()[seen++];
    ASSERT_NE(completion.chunk, io::Completion::kNoChunk) << completion.result;
    io::MessageInChunk message;
    ASSERT_TRUE(message.Parse(
        {reactor().chunks().data(completion.chunk), static_cast<size_t>(completion.result)},
        room.msg_namelen, 0));
    EXPECT_EQ(std::string(message.payload().begin(), message.payload().end()), text);
    EXPECT_EQ(message.name().size(), sizeof(sockaddr_in));
    EXPECT_EQ(message.flags() & MSG_TRUNC, 0u);
    reactor().chunks().Release(completion.chunk);
  }
  reactor().Cancel(receive);
  ASSERT_TRUE(harness().TurnUntil([&] { return receive.idle(); }));
  Close(std::move(pair.ours));
}

TEST_F(DriverPollTest, SendsFromTheCallersMemoryAndLetsGoOfIt) {
  SocketPair pair = TcpPair();
  std::string bytes = Pattern(100'000);
  RecordedOperation send(OperationKind::kSendZeroCopy, pair.ours.get());
  send.address = bytes.data();
  send.length = static_cast<uint32_t>(bytes.size());
  reactor().Start(send);
  ASSERT_TRUE(harness().TurnUntil([&] { return send.done(); }));
  ASSERT_GT(send.result(), 0);
  const size_t sent = static_cast<size_t>(send.result());
  std::string scribbled = bytes.substr(0, sent);
  bytes.assign(bytes.size(), '!');
  EXPECT_EQ(ReceiveExactly(pair.theirs.get(), sent), scribbled);
  pair.theirs.Reset();
  Close(std::move(pair.ours));
}

}  // namespace
}  // namespace pelton::testing
