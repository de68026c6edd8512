// Receiving into the shard's chunks, at the driver's seam: ownership, and what happens when there
// are none left.

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/driver_under_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

using io::ChunkPool;
using io::OperationKind;

// Receives into chunks and keeps them.
class ChunkReceive final : public RecordedOperation {
 public:
  ChunkReceive(io::Reactor& reactor, int fd, bool many = false)
      : RecordedOperation(OperationKind::kReceiveChunk, fd), reactor_(reactor), goes_on_(many) {
    multishot = many;
  }
  ~ChunkReceive() { ReleaseAll(); }

  void OnCompletion(const io::Completion& completion) override {
    RecordedOperation::OnCompletion(completion);
    if (completion.result > 0) {
      ASSERT_NE(completion.chunk, io::Completion::kNoChunk);
      held_.push_back(completion.chunk);
      text_.append(reactor_.chunks().data(completion.chunk),
                   static_cast<size_t>(completion.result));
      if (!completion.more && goes_on_) reactor_.Start(*this);
    } else {
      EXPECT_EQ(completion.chunk, io::Completion::kNoChunk);
    }
  }
  void ReleaseAll() {
    for (const uint16_t chunk : std::exchange(held_, {})) reactor_.chunks().Release(chunk);
  }
  const std::string& text() const { return text_; }
  size_t held() const { return held_.size(); }

 private:
  io::Reactor& reactor_;
  const bool goes_on_;
  std::vector<uint16_t> held_;
  std::string text_;
};

class DriverChunkTest : public DriverTest {};

TEST_F(DriverChunkTest, AChunkHoldsWhatHasArrivedAndIsTheReceivers) {
  SocketPair pair = TcpPair();
  SendAll(pair.theirs.get(), "hello");
  ChunkReceive receive(reactor(), pair.ours.get());
  reactor().Start(receive);
  ASSERT_TRUE(harness().TurnUntil([&] { return receive.done(); }));
  EXPECT_EQ(receive.text(), "hello");
  EXPECT_EQ(reactor().chunks().available(), reactor().chunks().size() - 1);
}

TEST_F(DriverChunkTest, TheEndTakesNoChunk) {
  SocketPair pair = TcpPair();
  ChunkReceive receive(reactor(), pair.ours.get(), /*many=*/true);
  reactor().Start(receive);
  harness().Turn();
  SendAll(pair.theirs.get(), "last");
  pair.theirs.Reset();
  ASSERT_TRUE(harness().TurnUntil([&] { return receive.idle(); }));
  EXPECT_EQ(receive.text(), "last");
  EXPECT_EQ(receive.result(), 0);
  EXPECT_EQ(receive.held(), 1u);
}

TEST_F(DriverChunkTest, ALongMessageComesInOrder) {
  SocketPair pair = TcpPair();
  const std::string bytes = Pattern(5 * ChunkPool::kChunkBytes + 17);
  ChunkReceive receive(reactor(), pair.ours.get(), /*many=*/true);
  reactor().Start(receive);
  SendAll(pair.theirs.get(), bytes);
  ASSERT_TRUE(harness().TurnUntil([&] { return receive.text().size() == bytes.size(); }));
  EXPECT_TRUE(receive.text() == bytes);
  reactor().Cancel(receive);
  ASSERT_TRUE(harness().TurnUntil([&] { return receive.idle(); }));
}

TEST_F(DriverChunkTest, AMultishotReceiveTakesAllThatComes) {
  SocketPair pair = TcpPair();
  ChunkReceive receive(reactor(), pair.ours.get(), /*many=*/true);
  reactor().Start(receive);
  std::string sent;
  for (int round = 0; round < 200; ++round) {
    const std::string message = Pattern(1 + static_cast<size_t>(round), 7);
    SendAll(pair.theirs.get(), message);
    sent += message;
    ASSERT_TRUE(harness().TurnUntil([&] { return receive.text().size() == sent.size(); }));
    receive.ReleaseAll();
  }
  EXPECT_TRUE(receive.text() == sent);
  reactor().Cancel(receive);
  ASSERT_TRUE(harness().TurnUntil([&] { return receive.idle(); }));
}

class DriverSmallPoolTest : public DriverTest {
 protected:
  DriverSmallPoolTest() : DriverTest({.chunks = 16}) {}
};

TEST_F(DriverSmallPoolTest, ReceivesThatWaitLeaveHalfOfTheChunksToThoseWithBytes) {
  std::vector<SocketPair> pairs;
  std::deque<ChunkReceive> receives;
  for (int i = 0; i < 100; ++i) {
    pairs.push_back(UnixPair());
    reactor().Start(receives.emplace_back(reactor(), pairs.back().ours.get()));
    harness().Turn();
  }
  EXPECT_GE(reactor().chunks().available(), reactor().chunks().size() / 2);
  SendAll(pairs.back().theirs.get(), "x");
  ASSERT_TRUE(harness().TurnUntil([&] { return receives.back().done(); }));
  for (ChunkReceive& receive : receives) reactor().Cancel(receive);
  ASSERT_TRUE(harness().TurnUntil([&] { return reactor().in_flight() == 0; }));
}

class DriverOneChunkTest : public DriverTest {
 protected:
  DriverOneChunkTest() : DriverTest({.chunks = 1}) {}
};

TEST_F(DriverOneChunkTest, OneChunkServesEverybodyInTurn) {
  std::vector<SocketPair> pairs;
  std::deque<ChunkReceive> receives;
  for (int i = 0; i < 10; ++i) {
    pairs.push_back(UnixPair());
    reactor().Start(receives.emplace_back(reactor(), pairs.back().ours.get()));
    harness().Turn();
  }
  for (size_t i = pairs.size(); i-- > 0;) {
    SendAll(pairs[i].theirs.get(), "x");
    ASSERT_TRUE(harness().TurnUntil([&] { return receives[i].done(); }));
    receives[i].ReleaseAll();
  }
}

class DriverStarvationTest : public DriverTest {
 protected:
  DriverStarvationTest() : DriverTest({.chunks = 2}) {}

  // Connections with `text` waiting on each, and a receive for each, not started.
  void MakeReceives(int count, std::string_view text) {
    for (int i = 0; i < count; ++i) {
      SocketPair& pair = pairs_.emplace_back(TcpPair());
      SendAll(pair.theirs.get(), text);
      AwaitReadableIf(!text.empty(), pair.ours.get());
      receives_.emplace_back(reactor(), pair.ours.get());
    }
  }
  void TakeTurns() {
    for (int i = 0; i < 5; ++i) harness().Turn();
  }
  size_t CountDone() const {
    size_t count = 0;
    for (const ChunkReceive& receive : receives_) count += receive.done() ? 1 : 0;
    return count;
  }

  std::deque<SocketPair> pairs_;
  std::deque<ChunkReceive> receives_;

 private:
  static void AwaitReadableIf(bool expected, int fd) {
    if (expected) AwaitReadable(fd);
  }
};

TEST_F(DriverStarvationTest, ReceivesWithoutAChunkWaitTheirTurnAndAreServedInOrder) {
  MakeReceives(10, "x");
  for (ChunkReceive& receive : receives_) reactor().Start(receive);
  for (size_t served = 2; served < receives_.size(); ++served) {
    ASSERT_TRUE(harness().TurnUntil([&] { return CountDone() == served; }));
    TakeTurns();
    ASSERT_EQ(CountDone(), served);
    for (size_t i = 0; i < served; ++i) ASSERT_TRUE(receives_[i].done()) << i << " of " << served;
    receives_[served - 2].ReleaseAll();
  }
  ASSERT_TRUE(harness().TurnUntil([&] { return CountDone() == receives_.size(); }));
  EXPECT_GE(reactor().statistics().starved, 8u);
  for (ChunkReceive& receive : receives_) {
    EXPECT_EQ(receive.text(), "x");
    EXPECT_EQ(receive.finals(), 1);
    receive.ReleaseAll();
  }
}

TEST_F(DriverStarvationTest, AnIdleReceiveDoesNotHoldUpThoseWithBytes) {
  MakeReceives(2, "x");
  for (ChunkReceive& receive : receives_) reactor().Start(receive);
  ASSERT_TRUE(harness().TurnUntil([&] { return CountDone() == 2; }));
  // All chunks are held now. Three receives without bytes, and behind them two with.
  MakeReceives(3, "");
  MakeReceives(2, "y");
  for (size_t i = 2; i < receives_.size(); ++i) reactor().Start(receives_[i]);
  TakeTurns();
  ASSERT_EQ(CountDone(), 2u);
  receives_[0].ReleaseAll();
  ASSERT_TRUE(harness().TurnUntil([&] { return CountDone() == 3; }));
  receives_[5].ReleaseAll();
  ASSERT_TRUE(harness().TurnUntil([&] { return CountDone() == 4; }));
  for (size_t i = 2; i < 5; ++i) reactor().Cancel(receives_[i]);
  ASSERT_TRUE(harness().TurnUntil([&] { return reactor().in_flight() == 0; }));
  for (ChunkReceive& receive : receives_) receive.ReleaseAll();
}

TEST_F(DriverStarvationTest, AChunkThatComesBackBeforeTheShortageIsSeenIsNotMissed) {
  MakeReceives(3, "x");
  reactor().Start(receives_[0]);
  reactor().Start(receives_[1]);
  ASSERT_TRUE(harness().TurnUntil([&] { return CountDone() == 2; }));
  reactor().Start(receives_[2]);
  driver().Submit(reactor());  // a driver may learn of the shortage here,
  receives_[0].ReleaseAll();
  driver().Submit(reactor());
  driver().Reap(reactor());  // and tell of it only here
  ASSERT_TRUE(harness().TurnUntil([&] { return CountDone() == 3; }));
  for (ChunkReceive& receive : receives_) receive.ReleaseAll();
}

TEST_F(DriverStarvationTest, OneThatIsCancelledWhenItsTurnComesPassesItOn) {
  MakeReceives(5, "x");
  for (ChunkReceive& receive : receives_) reactor().Start(receive);
  ASSERT_TRUE(harness().TurnUntil([&] { return CountDone() == 2; }));
  TakeTurns();
  receives_[0].ReleaseAll();
  reactor().Cancel(receives_[2]);
  ASSERT_TRUE(harness().TurnUntil([&] { return CountDone() == 4; }));
  EXPECT_EQ(receives_[2].result(), -ECANCELED);
  EXPECT_EQ(receives_[3].text(), "x");
  receives_[1].ReleaseAll();
  ASSERT_TRUE(harness().TurnUntil([&] { return CountDone() == 5; }));
  for (ChunkReceive& receive : receives_) receive.ReleaseAll();
}

TEST_F(DriverStarvationTest, StarvedReceivesAreCancelledOnceEach) {
  MakeReceives(6, "x");
  for (ChunkReceive& receive : receives_) reactor().Start(receive);
  ASSERT_TRUE(harness().TurnUntil([&] { return CountDone() == 2; }));
  TakeTurns();
  for (ChunkReceive& receive : receives_) reactor().Cancel(receive);
  ASSERT_TRUE(harness().TurnUntil([&] { return reactor().in_flight() == 0; }));
  for (size_t i = 2; i < receives_.size(); ++i) {
    EXPECT_EQ(receives_[i].result(), -ECANCELED);
    EXPECT_EQ(receives_[i].finals(), 1);
  }
  for (ChunkReceive& receive : receives_) receive.ReleaseAll();
}

TEST_F(DriverStarvationTest, AShardWithoutChunksSleepsAndDoesNotSpin) {
  MakeReceives(3, "x");
  for (ChunkReceive& receive : receives_) reactor().Start(receive);
  ASSERT_TRUE(harness().TurnUntil([&] { return CountDone() == 2; }));
  TakeTurns();
  EXPECT_FALSE(reactor().HasWork());
  EXPECT_FALSE(driver().HasCompletions());
  const uint64_t starved = reactor().statistics().starved;
  for (int i = 0; i < 20; ++i) harness().Turn();
  EXPECT_EQ(reactor().statistics().starved, starved);
  receives_[0].ReleaseAll();
  ASSERT_TRUE(harness().TurnUntil([&] { return CountDone() == 3; }));
  for (ChunkReceive& receive : receives_) receive.ReleaseAll();
}

TEST_F(DriverStarvationTest, MultishotReceivesShareTwoChunksAndLoseNothing) {
  constexpr int kConnections = 8;
  constexpr size_t kBytes = 3 * ChunkPool::kChunkBytes + 5;
  std::deque<SocketPair> pairs;
  std::deque<ChunkReceive> receives;
  std::vector<std::string> expected;
  for (uint32_t i = 0; i < kConnections; ++i) {
    SocketPair& pair = pairs.emplace_back(TcpPair());
    expected.push_back(Pattern(kBytes, i));
    SendAll(pair.theirs.get(), expected.back());
    reactor().Start(receives.emplace_back(reactor(), pair.ours.get(), /*many=*/true));
  }
  ASSERT_TRUE(harness().TurnUntil([&] {
    bool all = true;
    for (ChunkReceive& receive : receives) {
      receive.ReleaseAll();
      all = all && receive.text().size() == kBytes;
    }
    return all;
  }));
  for (size_t i = 0; i < kConnections; ++i) EXPECT_TRUE(receives[i].text() == expected[i]) << i;
  for (ChunkReceive& receive : receives) reactor().Cancel(receive);
  ASSERT_TRUE(harness().TurnUntil([&] { return reactor().in_flight() == 0; }));
}

}  // namespace
}  // namespace pelton::testing
