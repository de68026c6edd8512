// Tests that fail, each in its way; test_run_test.cc runs them and looks at what they say.

#include <sys/socket.h>

#include <memory>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "framework/on.h"
#include "framework/testing/testing.h"
#include "io/reactor.h"
#include "io/tcp_listener.h"
#include "io/tcp_stream.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "tests/support/waits.h"

namespace pelton {
namespace {

using testing::EndlessWait;
using testing::StopWait;
using testing::TestRuntime;

Task<void> WaitForStop() { (void)co_await StopWait(StopPhase::kEverything); }
Task<void> SleepForAnHour() { (void)co_await SleepFor(absl::Hours(1)); }
Task<void> WaitForever() { co_await EndlessWait(); }

// A scope that outlives the body.
class LeakTest : public ::testing::Test {
 protected:
  void MakeScope() { scope_.emplace(&Scheduler::Current()->root(), TaskScope::Options{}); }

  std::optional<TaskScope> scope_;
};

PELTON_TEST_F(LeakTest, Task) {
  MakeScope();
  scope_->Spawn(WaitForStop);
  co_await Yield();
}

PELTON_TEST_F(LeakTest, SleepingTask) {
  MakeScope();
  scope_->Spawn(SleepForAnHour);
  co_await Yield();
}

PELTON_TEST_F(LeakTest, TaskThatRefusesToEnd) {
  // Outlives the fixture, too.
  auto* scope = new TaskScope(&Scheduler::Current()->root(), {});
  scope->Spawn(WaitForever);
  co_await Yield();
}

PELTON_TEST_F(LeakTest, TaskOfAnotherShard, .shards = 2) {
  co_await On(ShardId(1), [this]() -> Task<void> {
    MakeScope();
    scope_->Spawn(WaitForStop);
    co_await Yield();
  });
}

PELTON_TEST_F(LeakTest, EmptyScope) {
  MakeScope();
  co_return;
}

PELTON_TEST(LeakTimerTest, Timer) {
  struct Never final : Timer {
    void Fire() override {}
  };
  auto* timer = new Never;
  Scheduler::Current()->timers().Arm(*timer, (testing::Now() + absl::Hours(1)).nanoseconds());
  co_return;
}

PELTON_TEST(LeakOperationTest, Operation) {
  struct Receive final : io::Operation {
    Receive() : Operation(io::OperationKind::kReceive) {}
    void OnCompletion(const io::Completion&) override {}
    char bytes[16];
  };
  int descriptors[2];
  PELTON_CO_ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, descriptors), 0);
  auto* receive = new Receive;
  receive->descriptor = descriptors[0];
  receive->address = receive->bytes;
  receive->length = sizeof(receive->bytes);
  io::Reactor::Current()->Start(*receive);
  co_return;
}

PELTON_TEST(LeakConnectionTest, Stream) {
  PELTON_CO_ASSERT_OK_AND_ASSIGN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
  PELTON_CO_ASSERT_OK_AND_ASSIGN(TcpStream peer, co_await TcpStream::Connect(listener.address()));
  new TcpStream(std::move(peer));
}

PELTON_TEST(LeakFrameTest, Frame) {
  new Task<void>(SleepForAnHour());
  co_return;
}

PELTON_TEST(UnjoinedTest, ScopeInTheBody) {
  TaskScope scope;
  scope.Spawn(SleepForAnHour);
  co_await Yield();
}

PELTON_TEST(DeadlockTest, CanBeCancelled) { co_await WaitForStop(); }

PELTON_TEST(DeadlockTest, CannotBeCancelled) { co_await WaitForever(); }

PELTON_TEST(DeadlockTest, OnAnotherShard, .shards = 2) { co_await On(ShardId(1), WaitForStop); }

Task<void> Throw() {
  co_await Yield();
  throw std::runtime_error("boom");
}

PELTON_TEST(ExceptionTest, LeavesTheBody) { co_await Throw(); }

// Assertions that end a coroutine whose scope holds tasks.
PELTON_TEST(AssertTest, EndsTheTasksOfTheBodysScopes) {
  TaskScope scope;
  std::string variable = "that the task uses";
  scope.Spawn([&]() -> Task<void> {
    (void)co_await SleepFor(absl::Hours(1));
    variable += " at its end";
  });
  PELTON_CO_ASSERT_EQ(variable.size(), 0u) << "this is said, too";
  (void)co_await scope.Join();
}

PELTON_TEST(AssertTest, InASpawnedTaskEndsThatTask) {
  TaskScope scope;
  scope.Spawn([]() -> Task<void> {
    TaskScope inner;
    inner.Spawn(SleepForAnHour);
    PELTON_CO_ASSERT_OK(absl::NotFoundError("no such key"));
    (void)co_await inner.Join();
  });
  (void)co_await scope.Join();
  ADD_FAILURE() << "the body goes on";
}

// Wrong in one of a few orders, and right when tasks run first in, first out.
PELTON_TEST(ExploreTest, FindsAnOrder, .seeds = 200) {
  TaskScope scope;
  std::vector<int> order;
  for (int i = 0; i < 4; ++i) {
    scope.Spawn([&, i]() -> Task<void> {
      order.push_back(i);
      co_return;
    });
  }
  PELTON_CO_ASSERT_OK(co_await scope.Join());
  EXPECT_FALSE(order[0] == 3 && order[3] == 0) << "the last came first";
}

PELTON_TEST(ExploreTest, DiesInAnOrder, .seeds = 200) {
  TaskScope scope;
  std::optional<int> value;
  scope.Spawn([&]() -> Task<void> {
    value = 1;
    co_return;
  });
  scope.Spawn([&]() -> Task<void> {
    PELTON_CHECK(value.has_value()) << "used before it is there";
    co_return;
  });
  PELTON_CO_ASSERT_OK(co_await scope.Join());
}

PELTON_TEST(ExploreTest, FindsAnOrderOfShards, .shards = 4, .seeds = 200) {
  std::vector<uint32_t> order;
  TaskScope scope;
  for (uint32_t i = 1; i < 4; ++i) {
    scope.Spawn([&, i]() -> Task<void> {
      co_await On(ShardId(i), [&, i]() -> Task<void> {
        order.push_back(i);
        co_return;
      });
    });
  }
  PELTON_CO_ASSERT_OK(co_await scope.Join());
  EXPECT_FALSE(order[0] == 3 && order[2] == 1) << "the last came first";
}

PELTON_TEST_F(LeakTest, TaskOnThreads, .shards = 2, .runtime = TestRuntime::kEpollThreads) {
  MakeScope();
  scope_->Spawn(SleepForAnHour);
  co_await Yield();
}

PELTON_TEST(TimeoutTest, OnThreads, .runtime = TestRuntime::kEpollThreads,
            .timeout = absl::Milliseconds(20)) {
  co_await WaitForStop();
}

// Something goes on for ever while the body waits for what never comes.
PELTON_TEST(TimeoutTest, WhileAHeartBeats, .timeout = absl::Milliseconds(50)) {
  TaskScope scope;
  scope.Spawn([]() -> Task<void> {
    while ((co_await SleepFor(absl::Seconds(1))).ok()) {
    }
  });
  co_await WaitForStop();
  (void)co_await scope.Join();
}

PELTON_TEST(TimeoutTest, ThatIsIgnored, .timeout = absl::Milliseconds(50)) {
  while (true) co_await Yield();
}

PELTON_TEST(OptionsTest, SeedsOnThreads, .seeds = 2, .runtime = TestRuntime::kThreads) {
  co_return;
}

PELTON_TEST(PassTest, StillRuns) {
  (void)co_await SleepFor(absl::Seconds(1));
  EXPECT_THAT(testing::Now() - Timestamp(), testing::Lasts(absl::Seconds(1)));
}

}  // namespace
}  // namespace pelton
