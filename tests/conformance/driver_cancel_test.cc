// Cancelling, at the driver's seam: exactly one final completion, whatever races.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "tests/conformance/driver_under_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

using io::OperationKind;

// Any operation on a socket that would wait: there is no input, no room and no connection.
class Waiting final : public RecordedOperation {
 public:
  Waiting(OperationKind kind, int fd) : RecordedOperation(kind, fd) {
    address = kind == OperationKind::kSendMessage ? static_cast<void*>(&message_) : &byte_;
    length = 1;
    message_.msg_iov = &piece_;
    message_.msg_iovlen = 1;
  }
  char byte() const { return byte_; }

  // Called with each completion.
  std::function<void()> on_completion;

  void OnCompletion(const io::Completion& completion) override {
    RecordedOperation::OnCompletion(completion);
    if (on_completion) on_completion();
  }

 private:
  char byte_ = 'x';
  iovec piece_ = {&byte_, 1};
  msghdr message_ = {};
};

struct Case {
  OperationKind kind;
  bool multishot;
};

std::string NameOf(const ::testing::TestParamInfo<Case>& test) {
  std::string name = OperationKindName(test.param.kind);
  if (test.param.multishot) name += "_multishot";
  return name;
}

class DriverCancelTest : public DriverTest, public ::testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    DriverTest::SetUp();
    pair_ = UnixPair();  // whose buffer, once full, stays full
    listener_ = ListenOnLoopback();
    SendUntilFull(pair_.ours.get());
  }

  // A descriptor on which the operation under test waits.
  int descriptor() const {
    return GetParam().kind == OperationKind::kAccept ? listener_.descriptor.get()
                                                     : pair_.ours.get();
  }
  Waiting& NewOperation() {
    Waiting& operation = operations_.emplace_back(GetParam().kind, descriptor());
    operation.multishot = GetParam().multishot;
    return operation;
  }

 private:
  SocketPair pair_;
  Listener listener_;
  std::deque<Waiting> operations_;
};

TEST_P(DriverCancelTest, BeforeItIsSubmittedNothingIsDone) {
  Waiting& operation = NewOperation();
  reactor().Start(operation);
  reactor().Cancel(operation);
  reactor().Cancel(operation);
  EXPECT_EQ(operation.finals(), 0) << "completions come from the loop alone";
  ASSERT_TRUE(harness().TurnUntil([&] { return operation.done(); }));
  harness().Turn();
  EXPECT_EQ(operation.result(), -ECANCELED);
  EXPECT_EQ(operation.finals(), 1);
}

TEST_P(DriverCancelTest, InFlightItCompletesOnceAsCancelled) {
  Waiting& operation = NewOperation();
  reactor().Start(operation);
  harness().Turn();
  harness().Turn();
  ASSERT_FALSE(operation.done());
  reactor().Cancel(operation);
  reactor().Cancel(operation);
  ASSERT_TRUE(harness().TurnUntil([&] { return operation.done(); }));
  for (int i = 0; i < 3; ++i) harness().Turn();
  EXPECT_EQ(operation.result(), -ECANCELED);
  EXPECT_EQ(operation.finals(), 1);
}

TEST_P(DriverCancelTest, InTheTurnInWhichItWasSubmitted) {
  Waiting& operation = NewOperation();
  reactor().Start(operation);
  driver().Submit(reactor());
  reactor().Cancel(operation);
  ASSERT_TRUE(harness().TurnUntil([&] { return operation.done(); }));
  EXPECT_EQ(operation.result(), -ECANCELED);
  EXPECT_EQ(operation.finals(), 1);
}

TEST_P(DriverCancelTest, AfterwardsItMayStartAgain) {
  Waiting& operation = NewOperation();
  for (int round = 1; round <= 50; ++round) {
    reactor().Start(operation);
    if (round % 2 == 0) harness().Turn();
    reactor().Cancel(operation);
    ASSERT_TRUE(harness().TurnUntil([&] { return operation.idle(); }));
    ASSERT_EQ(operation.finals(), round);
    ASSERT_EQ(operation.result(), -ECANCELED);
  }
}

TEST_P(DriverCancelTest, AnIdleOperationIsLeftAlone) {
  Waiting& operation = NewOperation();
  reactor().Cancel(operation);
  harness().Turn();
  EXPECT_EQ(operation.finals(), 0);
  EXPECT_EQ(reactor().in_flight(), 0u);
}

TEST_P(DriverCancelTest, TheOthersOnTheDescriptorStay) {
  Waiting* operations[] = {&NewOperation(), &NewOperation(), &NewOperation()};
  for (Waiting* operation : operations) reactor().Start(*operation);
  harness().Turn();
  for (const int victim : {1, 0, 2}) {
    reactor().Cancel(*operations[victim]);
    ASSERT_TRUE(harness().TurnUntil([&] { return operations[victim]->done(); }));
    EXPECT_EQ(operations[victim]->result(), -ECANCELED);
    if (victim != 2) EXPECT_FALSE(operations[2]->done());
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, DriverCancelTest,
                         ::testing::Values(Case{OperationKind::kAccept, false},
                                           Case{OperationKind::kAccept, true},
                                           Case{OperationKind::kReceive, false},
                                           Case{OperationKind::kReceiveChunk, false},
                                           Case{OperationKind::kReceiveChunk, true},
                                           Case{OperationKind::kSend, false},
                                           Case{OperationKind::kSendMessage, false}),
                         NameOf);

class DriverCancelRaceTest : public DriverTest {};

TEST_F(DriverCancelRaceTest, AReceiveAndItsCancellationMeetAndNoByteIsLost) {
  SocketPair pair = TcpPair();
  int cancelled = 0;
  int received = 0;
  for (int round = 0; round < 300; ++round) {
    Waiting receive(OperationKind::kReceive, pair.ours.get());
    reactor().Start(receive);
    harness().Turn();
    // In turn: the byte first, the cancellation first, and the byte between submission and reaping.
    if (round % 3 == 0) SendAll(pair.theirs.get(), "b");
    reactor().Cancel(receive);
    if (round % 3 == 1) SendAll(pair.theirs.get(), "b");
    driver().Submit(reactor());
    if (round % 3 == 2) SendAll(pair.theirs.get(), "b");
    ASSERT_TRUE(harness().TurnUntil([&] { return receive.done(); }));
    ASSERT_EQ(receive.finals(), 1);
    if (receive.result() == -ECANCELED) {
      ++cancelled;
      ASSERT_EQ(ReceiveExactly(pair.ours.get(), 1), "b");
    } else {
      ++received;
      ASSERT_EQ(receive.result(), 1);
      ASSERT_EQ(receive.byte(), 'b');
    }
  }
  EXPECT_EQ(cancelled + received, 300);
  EXPECT_GT(cancelled, 0);
}

TEST_F(DriverCancelRaceTest, AChunkReceiveAndItsCancellationMeetAndNoByteIsLost) {
  SocketPair pair = TcpPair();
  for (int round = 0; round < 300; ++round) {
    Waiting receive(OperationKind::kReceiveChunk, pair.ours.get());
    receive.multishot = round % 2 == 0;
    reactor().Start(receive);
    harness().Turn();
    SendAll(pair.theirs.get(), "b");
    reactor().Cancel(receive);
    ASSERT_TRUE(harness().TurnUntil([&] { return receive.idle(); }));
    ASSERT_EQ(receive.finals(), 1);
    size_t bytes = 0;
    for (const io::Completion& completion : receive.completions()) {
      if (completion.chunk == io::Completion::kNoChunk) continue;
      bytes += static_cast<size_t>(completion.result);
      reactor().chunks().Release(completion.chunk);
    }
    if (bytes == 0) ReceiveExactly(pair.ours.get(), 1);
    ASSERT_EQ(UnreadBytes(pair.ours.get()), 0u);
  }
}

TEST_F(DriverCancelRaceTest, CancellingWhatHasCompletedDoesNothing) {
  SocketPair pair = TcpPair();
  SendAll(pair.theirs.get(), "b");
  Waiting receive(OperationKind::kReceive, pair.ours.get());
  reactor().Start(receive);
  ASSERT_TRUE(harness().TurnUntil([&] { return receive.done(); }));
  reactor().Cancel(receive);
  for (int i = 0; i < 3; ++i) harness().Turn();
  EXPECT_EQ(receive.finals(), 1);
  EXPECT_EQ(receive.result(), 1);
}

TEST_F(DriverCancelRaceTest, ACompletionMayCancelAnother) {
  SocketPair first = TcpPair();
  SocketPair second = TcpPair();
  Waiting receive(OperationKind::kReceive, first.ours.get());
  Waiting victim(OperationKind::kReceive, second.ours.get());
  receive.on_completion = [&] { reactor().Cancel(victim); };
  reactor().Start(receive);
  reactor().Start(victim);
  harness().Turn();
  SendAll(first.theirs.get(), "b");
  ASSERT_TRUE(harness().TurnUntil([&] { return receive.done() && victim.done(); }));
  EXPECT_EQ(victim.result(), -ECANCELED);
}

TEST_F(DriverCancelRaceTest, ACompletionMayCancelOneThatCompletesInTheSameTurn) {
  SocketPair first = TcpPair();
  SocketPair second = TcpPair();
  Waiting receives[] = {Waiting(OperationKind::kReceive, first.ours.get()),
                        Waiting(OperationKind::kReceive, second.ours.get())};
  receives[0].on_completion = [&] { reactor().Cancel(receives[1]); };
  receives[1].on_completion = [&] { reactor().Cancel(receives[0]); };
  for (Waiting& receive : receives) reactor().Start(receive);
  harness().Turn();
  SendAll(first.theirs.get(), "b");
  SendAll(second.theirs.get(), "b");
  ASSERT_TRUE(harness().TurnUntil([&] { return receives[0].done() && receives[1].done(); }));
  EXPECT_EQ(receives[0].finals(), 1);
  EXPECT_EQ(receives[1].finals(), 1);
}

TEST_F(DriverCancelRaceTest, TheNextOneOnTheDescriptorGetsWhatTheCancelledOneDidNot) {
  SocketPair pair = TcpPair();
  for (const size_t victim : {0, 1}) {
    Waiting receives[] = {Waiting(OperationKind::kReceive, pair.ours.get()),
                          Waiting(OperationKind::kReceive, pair.ours.get()),
                          Waiting(OperationKind::kReceive, pair.ours.get())};
    for (Waiting& receive : receives) reactor().Start(receive);
    harness().Turn();
    reactor().Cancel(receives[victim]);
    ASSERT_TRUE(harness().TurnUntil([&] { return receives[victim].done(); }));
    SendAll(pair.theirs.get(), "bb");
    ASSERT_TRUE(harness().TurnUntil([&] { return reactor().in_flight() == 0; }));
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(receives[i].result(), i == victim ? -ECANCELED : 1) << i;
    }
  }
}

TEST_F(DriverCancelRaceTest, ManyAreCancelledAtOnce) {
  std::vector<SocketPair> pairs;
  std::deque<Waiting> receives;
  for (int i = 0; i < 500; ++i) {
    pairs.push_back(UnixPair());
    reactor().Start(receives.emplace_back(OperationKind::kReceive, pairs.back().ours.get()));
  }
  harness().Turn();
  // Some complete by themselves in the same turn.
  for (size_t i = 0; i < pairs.size(); i += 7) SendAll(pairs[i].theirs.get(), "b");
  for (Waiting& receive : receives) reactor().Cancel(receive);
  ASSERT_TRUE(harness().TurnUntil([&] { return reactor().in_flight() == 0; }));
  for (const Waiting& receive : receives) {
    ASSERT_EQ(receive.finals(), 1);
    ASSERT_TRUE(receive.result() == 1 || receive.result() == -ECANCELED) << receive.result();
  }
}

}  // namespace
}  // namespace pelton::testing
