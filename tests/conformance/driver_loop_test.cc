// What every driver owes to the shard's loop: nops, batches, waits, wake-ups, closing.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/conformance/driver_under_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

using io::OperationKind;

class DriverLoopTest : public DriverTest {};

TEST_F(DriverLoopTest, ANopCompletesOnceWithZero) {
  RecordedOperation nop(OperationKind::kNop);
  reactor().Start(nop);
  EXPECT_EQ(reactor().in_flight(), 1u);
  ASSERT_TRUE(harness().TurnUntil([&] { return nop.done(); }));
  EXPECT_EQ(nop.result(), 0);
  EXPECT_EQ(nop.finals(), 1);
  EXPECT_EQ(reactor().in_flight(), 0u);
}

TEST_F(DriverLoopTest, MoreOperationsThanTheQueuesHoldCompleteOnceEach) {
  constexpr size_t kOperations = 5000;
  std::deque<RecordedOperation> nops;
  for (size_t i = 0; i < kOperations; ++i) {
    reactor().Start(nops.emplace_back(OperationKind::kNop));
  }
  EXPECT_EQ(reactor().in_flight(), kOperations);
  ASSERT_TRUE(harness().TurnUntil([&] { return reactor().in_flight() == 0; }));
  for (const RecordedOperation& nop : nops) {
    ASSERT_EQ(nop.finals(), 1);
    ASSERT_EQ(nop.result(), 0);
  }
}

// Starts another operation when it completes.
class ChainedOperation final : public RecordedOperation {
 public:
  ChainedOperation(io::Reactor& reactor, int rounds)
      : RecordedOperation(OperationKind::kNop), reactor_(reactor), rounds_(rounds) {}
  void OnCompletion(const io::Completion& completion) override {
    RecordedOperation::OnCompletion(completion);
    if (finals() < rounds_) reactor_.Start(*this);
  }

 private:
  io::Reactor& reactor_;
  const int rounds_;
};

TEST_F(DriverLoopTest, AnOperationMayStartAgainFromItsFinalCompletion) {
  ChainedOperation nop(reactor(), 100);
  reactor().Start(nop);
  ASSERT_TRUE(harness().TurnUntil([&] { return nop.done(); }));
  EXPECT_EQ(nop.finals(), 100);
}

TEST_F(DriverLoopTest, AWaitEndsAtItsTimeoutAndDoesNotSpinUntilThen) {
  harness().Turn();
  const absl::Time end = absl::Now() + absl::Milliseconds(50);
  int waits = 0;
  for (absl::Duration left = end - absl::Now(); left > absl::ZeroDuration();
       left = end - absl::Now()) {
    driver().Wait(absl::ToInt64Nanoseconds(left));
    driver().Reap(reactor());
    ++waits;
  }
  EXPECT_LE(waits, 20);
  EXPECT_LT(absl::Now() - end, absl::Seconds(5));
}

TEST_F(DriverLoopTest, AWaitWithoutTimeReturnsAtOnce) {
  const absl::Time begin = absl::Now();
  for (int i = 0; i < 100; ++i) driver().Wait(0);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
}

TEST_F(DriverLoopTest, AWaitEndsWhenAnotherThreadWakesIt) {
  constexpr int kRounds = 500;
  std::atomic<int> sent = 0;
  std::atomic<int> seen = 0;
  std::thread waker([&] {
    for (int round = 1; round <= kRounds; ++round) {
      sent.store(round);
      driver().Wake();
      while (seen.load() < round) std::this_thread::yield();
    }
  });
  const absl::Time begin = absl::Now();
  while (seen.load() < kRounds) {
    harness().Turn();
    // The look between the turn and the wait is the shard's, too: a wake-up that comes after it
    // must end the wait.
    if (sent.load() > seen.load()) {
      seen.store(sent.load());
    } else {
      driver().Wait(absl::ToInt64Nanoseconds(absl::Seconds(10)));
    }
  }
  waker.join();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10)) << "a wake-up was lost";
}

TEST_F(DriverLoopTest, AWakeUpBeforeTheWaitEndsIt) {
  for (int i = 0; i < 100; ++i) {
    const absl::Time begin = absl::Now();
    driver().Wake();
    driver().Wait(absl::ToInt64Nanoseconds(absl::Seconds(10)));
    ASSERT_LT(absl::Now() - begin, absl::Seconds(9));
    driver().Reap(reactor());
  }
}

TEST_F(DriverLoopTest, AShardWakesAnotherOne) {
  // Two rings of one thread: what counts is the message between them.
  std::optional<Harness> peer;
  peer.emplace(DriverUnderTest::Create);
  ASSERT_TRUE(peer->status().ok()) << peer->status();
  for (int i = 0; i < 100; ++i) {
    const absl::Time begin = absl::Now();
    driver().WakePeer(peer->driver());
    driver().Submit(reactor());
    peer->driver().Wait(absl::ToInt64Nanoseconds(absl::Seconds(10)));
    ASSERT_LT(absl::Now() - begin, absl::Seconds(9));
    peer->driver().Reap(peer->reactor());
    driver().Reap(reactor());
  }
}

TEST_F(DriverLoopTest, BytesThatAnotherThreadSendsEndAWait) {
  SocketPair pair = TcpPair();
  char byte = 0;
  RecordedOperation receive(OperationKind::kReceive, pair.ours.get());
  receive.address = &byte;
  receive.length = 1;
  reactor().Start(receive);
  harness().Turn();
  std::thread sender([&] { SendAll(pair.theirs.get(), "x"); });
  while (!receive.done()) {
    driver().Wait(-1);
    harness().Turn();
  }
  sender.join();
  EXPECT_EQ(receive.result(), 1);
  EXPECT_EQ(byte, 'x');
}

TEST_F(DriverLoopTest, WhatArrivesDuringSeveralWaitsIsReapedAfterwards) {
  SocketPair pairs[] = {TcpPair(), TcpPair()};
  char bytes[2] = {};
  RecordedOperation receives[] = {RecordedOperation(OperationKind::kReceive, pairs[0].ours.get()),
                                  RecordedOperation(OperationKind::kReceive, pairs[1].ours.get())};
  for (int i : {0, 1}) {
    receives[i].address = &bytes[i];
    receives[i].length = 1;
    reactor().Start(receives[i]);
  }
  harness().Turn();
  for (const SocketPair& pair : pairs) {
    SendAll(pair.theirs.get(), "x");
    driver().Wait(absl::ToInt64Nanoseconds(absl::Milliseconds(10)));
  }
  ASSERT_TRUE(harness().TurnUntil([&] { return receives[0].done() && receives[1].done(); }));
  EXPECT_EQ(bytes[0], 'x');
  EXPECT_EQ(bytes[1], 'x');
}

TEST_F(DriverLoopTest, CloseClosesTheDescriptor) {
  SocketPair pair = TcpPair();
  const int fd = pair.ours.Release();
  RecordedOperation close(OperationKind::kClose, fd);
  reactor().Start(close);
  ASSERT_TRUE(harness().TurnUntil([&] { return close.done(); }));
  EXPECT_EQ(close.result(), 0);
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
  EXPECT_TRUE(AtEnd(pair.theirs.get()));
}

TEST_F(DriverLoopTest, CloseOfWhatIsNotOpenFails) {
  const int fd = TcpSocket().get();  // closed again by the end of this line
  RecordedOperation close(OperationKind::kClose, fd);
  reactor().Start(close);
  ASSERT_TRUE(harness().TurnUntil([&] { return close.done(); }));
  EXPECT_EQ(close.result(), -EBADF);
}

TEST_F(DriverLoopTest, ADescriptorNumberThatIsUsedAgainStartsAfresh) {
  for (int round = 0; round < 50; ++round) {
    SocketPair pair = round % 2 == 0 ? TcpPair() : UnixPair();
    char byte = 0;
    RecordedOperation receive(OperationKind::kReceive, pair.ours.get());
    receive.address = &byte;
    receive.length = 1;
    reactor().Start(receive);
    harness().Turn();
    ASSERT_FALSE(receive.done());
    SendAll(pair.theirs.get(), "x");
    // An event of this descriptor may still be on its way when it is closed.
    SendAll(pair.theirs.get(), "yz");
    ASSERT_TRUE(harness().TurnUntil([&] { return receive.done(); }));
    ASSERT_EQ(receive.result(), 1);
    RecordedOperation close(OperationKind::kClose, pair.ours.Release());
    reactor().Start(close);
    driver().Submit(reactor());
    SocketPair heir = UnixPair();
    RecordedOperation successor(OperationKind::kReceive, heir.ours.get());
    successor.address = &byte;
    successor.length = 1;
    reactor().Start(successor);
    harness().Turn();
    ASSERT_FALSE(successor.done());
    SendAll(heir.theirs.get(), "h");
    ASSERT_TRUE(harness().TurnUntil([&] { return successor.done() && close.done(); }));
    ASSERT_EQ(byte, 'h');
    RecordedOperation last(OperationKind::kClose, heir.ours.Release());
    reactor().Start(last);
    ASSERT_TRUE(harness().TurnUntil([&] { return last.done(); }));
  }
}

}  // namespace
}  // namespace pelton::testing
