#include "io/reactor.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace pelton::io {
namespace {

class TestOperation final : public Operation {
 public:
  explicit TestOperation(OperationKind kind = OperationKind::kNop) : Operation(kind) {}

  std::vector<int> results;
  std::function<void()> on_final;

  void OnCompletion(const Completion& completion) override {
    results.push_back(completion.result);
    if (!completion.more && on_final) on_final();
  }
};

using Results = std::vector<int>;

class ReactorTest : public ::testing::Test {
 protected:
  // Takes all chunks, as receivers would hold them.
  void HoldAllChunks() {
    for (uint16_t chunk; reactor_.chunks().TryTake(chunk);) held_.push_back(chunk);
  }
  void ReleaseChunk() {
    reactor_.chunks().Release(held_.back());
    held_.pop_back();
  }
  void TearDown() override {
    while (!held_.empty()) ReleaseChunk();
  }

  // Starts a receive that finds no chunk.
  void StartAndStarve(TestOperation& operation) {
    reactor_.Start(operation);
    ASSERT_EQ(reactor_.TakePending(), &operation);
    reactor_.Complete(operation, {.result = -ENOBUFS});
  }
  // Takes an operation that waits and completes it.
  void Finish(TestOperation& operation) {
    ASSERT_EQ(reactor_.TakePending(), &operation);
    reactor_.Complete(operation, {.result = 0});
  }

  Reactor reactor_{{.chunks = 4}};

 private:
  std::vector<uint16_t> held_;
};

TEST_F(ReactorTest, HandsOperationsOutInTheOrderInWhichTheyCame) {
  std::deque<TestOperation> operations(5);
  EXPECT_FALSE(reactor_.HasWork());
  for (TestOperation& operation : operations) reactor_.Start(operation);
  EXPECT_TRUE(reactor_.HasWork());
  EXPECT_EQ(reactor_.in_flight(), 5u);
  for (TestOperation& operation : operations) EXPECT_EQ(reactor_.TakePending(), &operation);
  EXPECT_EQ(reactor_.TakePending(), nullptr);
  EXPECT_FALSE(reactor_.HasWork());
  for (TestOperation& operation : operations) {
    EXPECT_FALSE(operation.idle());
    reactor_.Complete(operation, {.result = 7});
    EXPECT_TRUE(operation.idle());
    EXPECT_EQ(operation.results, Results{7});
  }
  EXPECT_EQ(reactor_.in_flight(), 0u);
  EXPECT_EQ(reactor_.statistics().started, 5u);
}

TEST_F(ReactorTest, AMultishotOperationStaysInFlightUntilItsFinalCompletion) {
  TestOperation operation(OperationKind::kAccept);
  reactor_.Start(operation);
  reactor_.TakePending();
  reactor_.Complete(operation, {.result = 1, .more = true});
  reactor_.Complete(operation, {.result = 2, .more = true});
  EXPECT_FALSE(operation.idle());
  EXPECT_EQ(reactor_.in_flight(), 1u);
  reactor_.Complete(operation, {.result = -EMFILE});
  EXPECT_EQ(operation.results, (Results{1, 2, -EMFILE}));
  EXPECT_EQ(reactor_.in_flight(), 0u);
}

TEST_F(ReactorTest, AnOperationMayStartAgainOrDieInItsFinalCompletion) {
  TestOperation again;
  again.on_final = [&] {
    if (again.results.size() == 1) reactor_.Start(again);
  };
  reactor_.Start(again);
  Finish(again);
  Finish(again);
  EXPECT_EQ(again.results.size(), 2u);
  auto* mortal = new TestOperation;
  mortal->on_final = [mortal] { delete mortal; };
  reactor_.Start(*mortal);
  Finish(*mortal);
  EXPECT_EQ(reactor_.in_flight(), 0u);
}

TEST_F(ReactorTest, AnOperationThatIsCancelledBeforeItBeganIsNeverHandedOut) {
  TestOperation first;
  TestOperation cancelled;
  TestOperation last;
  for (TestOperation* operation : {&first, &cancelled, &last}) reactor_.Start(*operation);
  reactor_.Cancel(cancelled);
  reactor_.Cancel(cancelled);
  EXPECT_TRUE(cancelled.results.empty()) << "completions come from the driver's calls alone";
  Finish(first);
  Finish(last);
  EXPECT_EQ(cancelled.results, Results{-ECANCELED});
  EXPECT_EQ(reactor_.TakeCancellation(), nullptr);
  EXPECT_EQ(reactor_.statistics().cancelled, 1u);
}

TEST_F(ReactorTest, ACancellationInFlightIsHandedOutOnce) {
  TestOperation operation;
  reactor_.Start(operation);
  reactor_.TakePending();
  reactor_.Cancel(operation);
  reactor_.Cancel(operation);
  EXPECT_TRUE(reactor_.HasWork());
  EXPECT_EQ(reactor_.TakeCancellation(), &operation);
  EXPECT_EQ(reactor_.TakeCancellation(), nullptr);
  reactor_.Cancel(operation);
  EXPECT_EQ(reactor_.TakeCancellation(), nullptr);
  reactor_.Complete(operation, {.result = -ECANCELED});
  EXPECT_EQ(operation.results, Results{-ECANCELED});
}

TEST_F(ReactorTest, ACompletionTakesItsCancellationOutOfTheQueue) {
  std::deque<TestOperation> operations(3);
  for (TestOperation& operation : operations) reactor_.Start(operation);
  while (reactor_.TakePending() != nullptr) continue;
  for (TestOperation& operation : operations) reactor_.Cancel(operation);
  reactor_.Complete(operations[1], {.result = 3});
  EXPECT_EQ(operations[1].results, Results{3});
  EXPECT_EQ(reactor_.TakeCancellation(), &operations[0]);
  EXPECT_EQ(reactor_.TakeCancellation(), &operations[2]);
  EXPECT_EQ(reactor_.TakeCancellation(), nullptr);
  reactor_.Complete(operations[0], {.result = 0});
  reactor_.Complete(operations[2], {.result = 0});
}

TEST_F(ReactorTest, ACancellationDoesNotOutliveItsStart) {
  TestOperation operation;
  reactor_.Start(operation);
  reactor_.Cancel(operation);
  EXPECT_EQ(reactor_.TakePending(), nullptr);
  reactor_.Start(operation);
  Finish(operation);
  EXPECT_EQ(operation.results, (Results{-ECANCELED, 0}));
  reactor_.Cancel(operation);  // idle
  EXPECT_FALSE(reactor_.HasWork());
}

TEST_F(ReactorTest, AReceiveWithoutAChunkStartsAgainWhenOneIsFree) {
  HoldAllChunks();
  TestOperation receive(OperationKind::kReceiveChunk);
  StartAndStarve(receive);
  EXPECT_TRUE(receive.results.empty());
  EXPECT_EQ(reactor_.in_flight(), 1u);
  EXPECT_EQ(reactor_.statistics().starved, 1u);
  EXPECT_FALSE(reactor_.HasWork()) << "there is nothing to do until a chunk comes back";
  reactor_.FeedStarved();
  EXPECT_EQ(reactor_.TakePending(), nullptr);
  ReleaseChunk();
  EXPECT_TRUE(reactor_.HasWork());
  reactor_.FeedStarved();
  Finish(receive);
  EXPECT_EQ(receive.results, Results{0});
}

TEST_F(ReactorTest, StarvedReceivesStartAgainInOrderAndBeforeNewerOnes) {
  HoldAllChunks();
  std::deque<TestOperation> receives;
  for (int i = 0; i < 4; ++i) {
    StartAndStarve(receives.emplace_back(OperationKind::kReceiveChunk));
  }
  TestOperation newer(OperationKind::kReceiveChunk);
  reactor_.Start(newer);
  ReleaseChunk();
  ReleaseChunk();
  reactor_.FeedStarved();
  Finish(receives[0]);
  Finish(receives[1]);
  Finish(newer);
  EXPECT_EQ(reactor_.TakePending(), nullptr);
  // Neither took a chunk, so the next two have their chance.
  EXPECT_TRUE(reactor_.HasWork());
  reactor_.FeedStarved();
  Finish(receives[2]);
  Finish(receives[3]);
  EXPECT_FALSE(reactor_.HasWork());
}

TEST_F(ReactorTest, AChunkThatTheKernelWasProvidedWithFeedsAStarvedReceive) {
  HoldAllChunks();
  TestOperation receive(OperationKind::kReceiveChunk);
  StartAndStarve(receive);
  reactor_.chunks().CountProvided();
  EXPECT_TRUE(reactor_.HasWork());
  reactor_.FeedStarved();
  Finish(receive);
  reactor_.chunks().CountReturned();
}

TEST_F(ReactorTest, AStarvedReceiveThatIsCancelledCompletes) {
  HoldAllChunks();
  std::deque<TestOperation> receives;
  for (int i = 0; i < 3; ++i) {
    StartAndStarve(receives.emplace_back(OperationKind::kReceiveChunk));
  }
  reactor_.Cancel(receives[1]);
  EXPECT_TRUE(reactor_.HasWork());
  EXPECT_EQ(reactor_.TakePending(), nullptr);
  EXPECT_EQ(receives[1].results, Results{-ECANCELED});
  ReleaseChunk();
  ReleaseChunk();
  reactor_.FeedStarved();
  Finish(receives[0]);
  Finish(receives[2]);
}

TEST_F(ReactorTest, AReceiveThatIsCancelledInFlightDoesNotStarve) {
  HoldAllChunks();
  TestOperation receive(OperationKind::kReceiveChunk);
  reactor_.Start(receive);
  reactor_.TakePending();
  reactor_.Cancel(receive);
  reactor_.Complete(receive, {.result = -ENOBUFS});
  EXPECT_EQ(receive.results, Results{-ECANCELED});
  EXPECT_EQ(reactor_.TakeCancellation(), nullptr);
  EXPECT_EQ(reactor_.in_flight(), 0u);
}

TEST_F(ReactorTest, OtherKindsAreToldThatTheKernelIsShortOfBuffers) {
  TestOperation send(OperationKind::kSend);
  reactor_.Start(send);
  reactor_.TakePending();
  reactor_.Complete(send, {.result = -ENOBUFS});
  EXPECT_EQ(send.results, Results{-ENOBUFS});
}

TEST_F(ReactorTest, ARetryStartsAgainUnlessItIsCancelled) {
  TestOperation operation;
  reactor_.Start(operation);
  reactor_.TakePending();
  reactor_.Retry(operation);
  EXPECT_TRUE(operation.results.empty());
  EXPECT_EQ(reactor_.in_flight(), 1u);
  EXPECT_EQ(reactor_.TakePending(), &operation);
  reactor_.Cancel(operation);
  reactor_.Retry(operation);
  EXPECT_EQ(operation.results, Results{-ECANCELED});
  EXPECT_EQ(reactor_.TakeCancellation(), nullptr);
  EXPECT_EQ(reactor_.in_flight(), 0u);
}

TEST(ReactorCurrentTest, IsWhatItWasExchangedFor) {
  EXPECT_EQ(Reactor::Current(), nullptr);
  Reactor reactor;
  EXPECT_EQ(Reactor::Exchange(&reactor), nullptr);
  EXPECT_EQ(Reactor::Current(), &reactor);
  EXPECT_EQ(Reactor::Exchange(nullptr), &reactor);
}

TEST(OperationKindTest, EachKindHasItsName) {
  std::set<std::string> names;
  for (int kind = 0; kind < kOperationKinds; ++kind) {
    names.insert(OperationKindName(static_cast<OperationKind>(kind)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(kOperationKinds));
  EXPECT_STREQ(OperationKindName(OperationKind::kReceiveChunk), "receive_chunk");
  EXPECT_STREQ(OperationKindName(OperationKind::kClose), "close");
}

TEST(ReactorDeathTest, OutlivesItsOperations) {
  EXPECT_DEATH(
      {
        TestOperation operation;
        Reactor reactor;
        reactor.Start(operation);
      },
      "1 operations in flight outlive their reactor");
}

#ifndef NDEBUG
TEST(ReactorDeathTest, StartsAnOperationOnceAtATime) {
  EXPECT_DEATH(
      {
        TestOperation operation;
        Reactor reactor;
        reactor.Start(operation);
        reactor.Start(operation);
      },
      "operation.idle");
}
#endif

TEST_F(ReactorTest, WhatASignalInterruptedStartsAgainUnseen) {
  TestOperation operation(OperationKind::kSend);
  reactor_.Start(operation);
  ASSERT_EQ(reactor_.TakePending(), &operation);
  reactor_.Complete(operation, {.result = -EINTR});
  EXPECT_TRUE(operation.results.empty());
  EXPECT_EQ(reactor_.in_flight(), 1u);
  Finish(operation);
  EXPECT_EQ(operation.results, Results{0});
}

TEST_F(ReactorTest, WhatASignalInterruptedWhileItWasCancelledIsCancelled) {
  TestOperation operation(OperationKind::kSend);
  reactor_.Start(operation);
  ASSERT_EQ(reactor_.TakePending(), &operation);
  reactor_.Cancel(operation);
  EXPECT_EQ(reactor_.TakeCancellation(), &operation);
  reactor_.Complete(operation, {.result = -EINTR});
  EXPECT_EQ(operation.results, Results{-ECANCELED});
}

TEST_F(ReactorTest, AnInterruptedCallMayHaveDoneSomethingAndIsNotMadeAgain) {
  for (const OperationKind kind :
       {OperationKind::kCall, OperationKind::kClose, OperationKind::kConnect}) {
    TestOperation operation(kind);
    reactor_.Start(operation);
    ASSERT_EQ(reactor_.TakePending(), &operation);
    reactor_.Complete(operation, {.result = -EINTR});
    EXPECT_EQ(operation.results, Results{-EINTR}) << OperationKindName(kind);
  }
}

}  // namespace
}  // namespace pelton::io
