#include "io/blocking_calls.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <semaphore>
#include <vector>

#include "io/file_operation.h"
#include "io/reactor.h"
#include "sched/blocking/blocking_pool.h"
#include "sched/clock.h"
#include "sched/mailbox.h"
#include "sched/scheduler.h"

namespace pelton::io {
namespace {

// Calls a function that waits until it is let go.
class Call final : public FileOperation {
 public:
  Call() : FileOperation(OperationKind::kCall) {
    address = this;
    second_address = reinterpret_cast<const void*>(+[](void* own) {
      Call& call = *static_cast<Call*>(own);
      call.began.release();
      call.may_end.acquire();
      return 7;
    });
  }
  void OnCompletion(const Completion& completion) override {
    result = completion.result;
    ++finals;
  }

  std::binary_semaphore began{0};
  std::binary_semaphore may_end{0};
  int result = 0;
  int finals = 0;
};

class BlockingCallsTest : public ::testing::Test {
 protected:
  BlockingCallsTest() {
    absl::StatusOr<std::unique_ptr<BlockingPool>> pool =
        BlockingPool::Create({.name = "test", .max_threads = 4});
    PELTON_CHECK(pool.ok()) << pool.status().ToString();
    pool_ = *std::move(pool);
    reactor_ = std::make_unique<Reactor>(
        Reactor::Options{.chunks = 1, .blocking_pool = pool_.get(), .blocking_calls = 2});
    calls_ = std::make_unique<BlockingCalls>(*reactor_);
    scheduler_.foreign_inbox().SetWaker(
        &sleep_flag_, [](void* own) { static_cast<std::counting_semaphore<>*>(own)->release(); },
        &arrivals_);
  }
  ~BlockingCallsTest() override { calls_.reset(); }

  void Start(Call& call) {
    reactor_->Start(call);
    ASSERT_EQ(reactor_->TakePending(), &call);
    calls_->Start(call);
  }
  // Takes home what has ended until `call` has.
  void Await(const Call& call) {
    while (call.finals == 0) {
      sleep_flag_.PrepareToSleep();
      if (scheduler_.foreign_inbox().Empty()) arrivals_.acquire();
      sleep_flag_.WakeUp();
      scheduler_.foreign_inbox().Deliver();
    }
  }

  MonotonicClock clock_;
  SleepFlag sleep_flag_;
  std::counting_semaphore<> arrivals_{0};
  Scheduler scheduler_{clock_};
  SchedulerBinding binding_{&scheduler_, nullptr};
  std::unique_ptr<BlockingPool> pool_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<BlockingCalls> calls_;
};

TEST_F(BlockingCallsTest, RunsACallOnAThreadAndDeliversWhatItReturned) {
  Call call;
  Start(call);
  call.began.acquire();
  EXPECT_EQ(call.finals, 0);
  call.may_end.release();
  Await(call);
  EXPECT_EQ(call.result, 7);
  EXPECT_EQ(call.finals, 1);
  EXPECT_EQ(reactor_->statistics().blocking_calls, 1u);
}

TEST_F(BlockingCallsTest, NoMoreThanItsLimitAreWithThePoolAndTheOthersWaitInOrder) {
  Call calls[4];
  for (Call& call : calls) Start(call);
  calls[0].began.acquire();
  calls[1].began.acquire();
  EXPECT_FALSE(calls[2].began.try_acquire()) << "the limit is two";
  EXPECT_EQ(reactor_->statistics().blocking_calls, 2u);
  calls[1].may_end.release();
  Await(calls[1]);
  calls[2].began.acquire();
  EXPECT_FALSE(calls[3].began.try_acquire());
  for (Call& call : calls) call.may_end.release();
  for (Call& call : calls) Await(call);
  for (const Call& call : calls) EXPECT_EQ(call.finals, 1);
}

TEST_F(BlockingCallsTest, OneThatWaitsIsCancelledAtOnceAndNeverRuns) {
  Call calls[3];
  for (Call& call : calls) Start(call);
  EXPECT_TRUE(calls_->Cancel(calls[2]));
  EXPECT_EQ(calls[2].result, -ECANCELED);
  EXPECT_EQ(calls[2].finals, 1);
  for (Call& call : calls) call.may_end.release();
  Await(calls[0]);
  Await(calls[1]);
  EXPECT_FALSE(calls[2].began.try_acquire());
}

TEST_F(BlockingCallsTest, OneThatRunsCompletesWithWhatItReturns) {
  Call call;
  Start(call);
  call.began.acquire();
  EXPECT_TRUE(calls_->Cancel(call));
  EXPECT_EQ(call.finals, 0);
  call.may_end.release();
  Await(call);
  EXPECT_EQ(call.result, 7);
}

TEST_F(BlockingCallsTest, WhatWasStartedElsewhereIsNotCancelledHere) {
  Call call;
  EXPECT_FALSE(calls_->Cancel(call));
}

TEST_F(BlockingCallsTest, WithoutAPoolACallIsMadeHereAndNow) {
  Reactor reactor({.chunks = 1});
  BlockingCalls calls(reactor);
  Call call;
  call.may_end.release();
  reactor.Start(call);
  ASSERT_EQ(reactor.TakePending(), &call);
  calls.Start(call);
  EXPECT_EQ(call.result, 7);
}

}  // namespace
}  // namespace pelton::io
