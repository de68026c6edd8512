// Receiving and sending, at the driver's seam.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <thread>

#include "tests/conformance/driver_under_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

using io::OperationKind;

// A receive into memory of its own.
class Receive final : public RecordedOperation {
 public:
  explicit Receive(int fd, size_t bytes = 4096)
      : RecordedOperation(OperationKind::kReceive, fd), memory_(bytes, '\0') {
    address = memory_.data();
    length = static_cast<uint32_t>(bytes);
  }
  std::string_view text() const { return {memory_.data(), static_cast<size_t>(result())}; }

 private:
  std::string memory_;
};

class Send final : public RecordedOperation {
 public:
  Send(int fd, std::string_view bytes) : RecordedOperation(OperationKind::kSend, fd) {
    SetBytes(bytes);
  }
  void SetBytes(std::string_view bytes) {
    address = const_cast<char*>(bytes.data());
    length = static_cast<uint32_t>(bytes.size());
  }
};

// Takes both kinds of stream socket through each test.
class DriverTransferTest : public DriverTest, public ::testing::WithParamInterface<bool> {
 protected:
  SocketPair Pair() { return GetParam() ? TcpPair() : UnixPair(); }
  // A pair that is soon full.
  SocketPair SmallPair() {
    SocketPair pair = Pair();
    SetBufferSizes(pair.ours.get(), 64 * 1024);
    SetBufferSizes(pair.theirs.get(), 64 * 1024);
    return pair;
  }

  void Finish(RecordedOperation& operation) {
    reactor().Start(operation);
    ASSERT_TRUE(harness().TurnUntil([&] { return operation.done(); }));
    EXPECT_EQ(operation.finals(), 1);
  }
};

TEST_P(DriverTransferTest, AReceiveTakesWhatHasArrived) {
  SocketPair pair = Pair();
  SendAll(pair.theirs.get(), "hello");
  Receive receive(pair.ours.get());
  Finish(receive);
  EXPECT_EQ(receive.text(), "hello");
}

TEST_P(DriverTransferTest, AReceiveWaitsForBytes) {
  SocketPair pair = Pair();
  for (int round = 0; round < 20; ++round) {
    Receive receive(pair.ours.get());
    reactor().Start(receive);
    harness().Turn();
    harness().Turn();
    ASSERT_FALSE(receive.done());
    SendAll(pair.theirs.get(), "late");
    ASSERT_TRUE(harness().TurnUntil([&] { return receive.done(); }));
    ASSERT_EQ(receive.text(), "late");
  }
}

TEST_P(DriverTransferTest, AReceiveTakesNoMoreThanItAskedFor) {
  SocketPair pair = Pair();
  SendAll(pair.theirs.get(), "abcdef");
  for (const std::string_view part : {"abc", "def"}) {
    Receive receive(pair.ours.get(), 3);
    Finish(receive);
    EXPECT_EQ(receive.text(), part);
  }
}

TEST_P(DriverTransferTest, WhatIsLeftAfterAShortReceiveIsReceivedNext) {
  // The first receive registers the descriptor, so that the driver may draw conclusions from short
  // ones.
  SocketPair pair = Pair();
  Receive first(pair.ours.get());
  reactor().Start(first);
  harness().Turn();
  SendAll(pair.theirs.get(), "one");
  ASSERT_TRUE(harness().TurnUntil([&] { return first.done(); }));
  SendAll(pair.theirs.get(), "two");
  Receive second(pair.ours.get(), 3);
  Finish(second);
  EXPECT_EQ(second.text(), "two");
  SendAll(pair.theirs.get(), "three");
  Receive third(pair.ours.get());
  Finish(third);
  EXPECT_EQ(third.text(), "three");
}

TEST_P(DriverTransferTest, TheEndIsReceivedAsZeroBytesAgainAndAgain) {
  SocketPair pair = Pair();
  SendAll(pair.theirs.get(), "last words");
  pair.theirs.Reset();
  Receive words(pair.ours.get());
  Finish(words);
  EXPECT_EQ(words.text(), "last words");
  for (int i = 0; i < 3; ++i) {
    Receive end(pair.ours.get());
    Finish(end);
    EXPECT_EQ(end.result(), 0);
  }
}

TEST_P(DriverTransferTest, TheEndEndsAReceiveThatWaits) {
  SocketPair pair = Pair();
  Receive receive(pair.ours.get());
  reactor().Start(receive);
  harness().Turn();
  pair.theirs.Reset();
  ASSERT_TRUE(harness().TurnUntil([&] { return receive.done(); }));
  EXPECT_EQ(receive.result(), 0);
}

TEST_P(DriverTransferTest, TheEndThatArrivesWithTheLastBytesIsNotMissed) {
  SocketPair pair = Pair();
  Receive words(pair.ours.get());
  reactor().Start(words);
  harness().Turn();
  SendAll(pair.theirs.get(), "bye");
  pair.theirs.Reset();
  ASSERT_TRUE(harness().TurnUntil([&] { return words.done(); }));
  EXPECT_EQ(words.text(), "bye");
  Receive end(pair.ours.get());
  Finish(end);
  EXPECT_EQ(end.result(), 0);
}

TEST_P(DriverTransferTest, EachOfSeveralReceivesOnOneDescriptorGetsItsBytes) {
  SocketPair pair = Pair();
  std::array<Receive, 3> receives = {Receive(pair.ours.get(), 1), Receive(pair.ours.get(), 1),
                                     Receive(pair.ours.get(), 1)};
  for (Receive& receive : receives) reactor().Start(receive);
  harness().Turn();
  SendAll(pair.theirs.get(), "abc");
  ASSERT_TRUE(harness().TurnUntil(
      [&] { return receives[0].done() && receives[1].done() && receives[2].done(); }));
  std::string received;
  for (const Receive& receive : receives) {
    EXPECT_EQ(receive.result(), 1);
    received += receive.text();
  }
  std::sort(received.begin(), received.end());
  EXPECT_EQ(received, "abc");
}

TEST_P(DriverTransferTest, ASendDeliversItsBytes) {
  SocketPair pair = Pair();
  Send send(pair.ours.get(), "hello");
  Finish(send);
  EXPECT_EQ(send.result(), 5);
  EXPECT_EQ(ReceiveExactly(pair.theirs.get(), 5), "hello");
}

TEST_P(DriverTransferTest, ASendWaitsForRoom) {
  SocketPair pair = SmallPair();
  const size_t before = SendUntilFull(pair.ours.get());
  Send send(pair.ours.get(), "x");
  reactor().Start(send);
  harness().Turn();
  harness().Turn();
  ASSERT_FALSE(send.done());
  EXPECT_EQ(ReceiveExactly(pair.theirs.get(), before), std::string(before, 'f'));
  ASSERT_TRUE(harness().TurnUntil([&] { return send.done(); }));
  EXPECT_EQ(send.result(), 1);
  EXPECT_EQ(ReceiveExactly(pair.theirs.get(), 1), "x");
}

TEST_P(DriverTransferTest, SendsOfManyMegabytesArriveWholeAndInOrder) {
  SocketPair pair = Pair();
  const std::string bytes = Pattern(8 << 20);
  std::string received;
  std::thread reader([&] { received = ReceiveExactly(pair.theirs.get(), bytes.size()); });
  for (std::string_view rest = bytes; !rest.empty();) {
    Send send(pair.ours.get(), rest);
    reactor().Start(send);
    EXPECT_TRUE(harness().TurnUntil([&] { return send.done(); }));
    EXPECT_GT(send.result(), 0);
    rest.remove_prefix(static_cast<size_t>(send.result()));
  }
  reader.join();
  EXPECT_TRUE(received == bytes);
}

TEST_P(DriverTransferTest, ASendMessageGathersItsPieces) {
  SocketPair pair = Pair();
  char hello[] = "hello";
  char world[] = " world";
  iovec pieces[] = {{hello, 5}, {nullptr, 0}, {world, 6}};
  msghdr message = {};
  message.msg_iov = pieces;
  message.msg_iovlen = 3;
  RecordedOperation send(OperationKind::kSendMessage, pair.ours.get());
  send.address = &message;
  Finish(send);
  EXPECT_EQ(send.result(), 11);
  EXPECT_EQ(ReceiveExactly(pair.theirs.get(), 11), "hello world");
}

TEST_P(DriverTransferTest, ASendMessageWaitsForRoom) {
  SocketPair pair = SmallPair();
  const size_t before = SendUntilFull(pair.ours.get());
  char text[] = "xyz";
  iovec piece = {text, 3};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  RecordedOperation send(OperationKind::kSendMessage, pair.ours.get());
  send.address = &message;
  reactor().Start(send);
  harness().Turn();
  ASSERT_FALSE(send.done());
  ReceiveExactly(pair.theirs.get(), before);
  ASSERT_TRUE(harness().TurnUntil([&] { return send.done(); }));
  EXPECT_EQ(send.result(), 3);
}

TEST_P(DriverTransferTest, SendingToNobodyFailsWithoutASignal) {
  SocketPair pair = Pair();
  ASSERT_EQ(::shutdown(pair.ours.get(), SHUT_WR), 0);
  Send send(pair.ours.get(), "x");
  Finish(send);
  EXPECT_EQ(send.result(), -EPIPE);
  iovec piece = {const_cast<char*>("x"), 1};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  RecordedOperation send_message(OperationKind::kSendMessage, pair.ours.get());
  send_message.address = &message;
  Finish(send_message);
  EXPECT_EQ(send_message.result(), -EPIPE);
}

TEST_P(DriverTransferTest, APeerThatGoesEndsASendThatWaits) {
  SocketPair pair = SmallPair();
  SendUntilFull(pair.ours.get());
  Send send(pair.ours.get(), "x");
  reactor().Start(send);
  harness().Turn();
  ASSERT_FALSE(send.done());
  pair.theirs.Reset();  // with input unread: a reset
  ASSERT_TRUE(harness().TurnUntil([&] { return send.done(); }));
  EXPECT_TRUE(send.result() == -ECONNRESET || send.result() == -EPIPE) << send.result();
}

TEST_P(DriverTransferTest, ABlockingDescriptorDoesNotBlockTheShard) {
  SocketPair pair = SmallPair();
  const int flags = ::fcntl(pair.ours.get(), F_GETFL);
  ASSERT_EQ(::fcntl(pair.ours.get(), F_SETFL, flags & ~O_NONBLOCK), 0);
  Receive receive(pair.ours.get());
  reactor().Start(receive);
  harness().Turn();
  ASSERT_FALSE(receive.done());
  SendUntilFull(pair.ours.get());
  Send send(pair.ours.get(), "x");
  reactor().Start(send);
  harness().Turn();
  ASSERT_FALSE(send.done());
  reactor().Cancel(receive);
  reactor().Cancel(send);
  ASSERT_TRUE(harness().TurnUntil([&] { return receive.done() && send.done(); }));
}

INSTANTIATE_TEST_SUITE_P(Sockets, DriverTransferTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Tcp" : "Unix"; });

class DriverTransferErrorTest : public DriverTest {
 protected:
  int ResultOf(OperationKind kind, int fd) {
    char byte = 'x';
    iovec piece = {&byte, 1};
    msghdr message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    RecordedOperation operation(kind, fd);
    operation.address = &byte;
    operation.length = 1;
    if (kind == OperationKind::kSendMessage) operation.address = &message;
    reactor().Start(operation);
    EXPECT_TRUE(harness().TurnUntil([&] { return operation.done(); }));
    EXPECT_EQ(operation.finals(), 1);
    return operation.result();
  }
};

constexpr OperationKind kTransfers[] = {OperationKind::kReceive, OperationKind::kReceiveChunk,
                                        OperationKind::kSend, OperationKind::kSendMessage};

TEST_F(DriverTransferErrorTest, WhatIsNoDescriptorIsRefused) {
  const int closed = TcpSocket().get();  // by the end of this line
  for (const OperationKind kind : kTransfers) {
    EXPECT_EQ(ResultOf(kind, -1), -EBADF) << OperationKindName(kind);
    EXPECT_EQ(ResultOf(kind, closed), -EBADF) << OperationKindName(kind);
  }
}

TEST_F(DriverTransferErrorTest, WhatIsNoSocketIsRefused) {
  const Descriptor file(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const OperationKind kind : kTransfers) {
    EXPECT_EQ(ResultOf(kind, file.get()), -ENOTSOCK) << OperationKindName(kind);
  }
}

TEST_F(DriverTransferErrorTest, AResetIsTold) {
  for (const OperationKind kind : {OperationKind::kReceive, OperationKind::kReceiveChunk}) {
    SocketPair pair = TcpPair();
    CloseWithReset(std::move(pair.theirs));
    EXPECT_EQ(ResultOf(kind, pair.ours.get()), -ECONNRESET) << OperationKindName(kind);
    EXPECT_EQ(ResultOf(OperationKind::kSend, pair.ours.get()), -EPIPE);
    Close(std::move(pair.ours));
  }
}

TEST_F(DriverTransferErrorTest, AResetEndsAReceiveThatWaits) {
  SocketPair pair = TcpPair();
  Receive receive(pair.ours.get());
  reactor().Start(receive);
  harness().Turn();
  CloseWithReset(std::move(pair.theirs));
  ASSERT_TRUE(harness().TurnUntil([&] { return receive.done(); }));
  EXPECT_EQ(receive.result(), -ECONNRESET);
}

TEST_F(DriverTransferErrorTest, BytesBehindAnUrgentOneAreNotMissed) {
  SocketPair pair = TcpPair();
  Receive first(pair.ours.get());
  reactor().Start(first);
  harness().Turn();
  SendAll(pair.theirs.get(), "ab");
  ASSERT_EQ(::send(pair.theirs.get(), "!", 1, MSG_OOB), 1);
  SendAll(pair.theirs.get(), "cd");
  ASSERT_TRUE(harness().TurnUntil([&] { return first.done(); }));
  std::string received(first.text());
  while (received.size() < 4) {
    Receive next(pair.ours.get());
    reactor().Start(next);
    ASSERT_TRUE(harness().TurnUntil([&] { return next.done(); }));
    ASSERT_GT(next.result(), 0);
    received += next.text();
  }
  EXPECT_EQ(received, "abcd");
}

}  // namespace
}  // namespace pelton::testing
