#include "framework/testing/testing.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "framework/base/check.h"
#include "framework/on.h"
#include "framework/shard.h"
#include "io/tcp_listener.h"
#include "io/tcp_stream.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"

namespace pelton::testing {
namespace {

using ::testing::ElementsAre;

TEST(TestingTest, MayStandBesidePlainTests) { EXPECT_EQ(Shard::Current(), nullptr); }

PELTON_TEST(TestingTest, RunsTheBodyOnShard0) {
  PELTON_CO_ASSERT_NE(Shard::Current(), nullptr);
  EXPECT_EQ(Shard::Current()->id(), ShardId(0));
  EXPECT_EQ(Shard::Current()->shards(), 1u);
  co_await Yield();
  EXPECT_EQ(Shard::Current()->id(), ShardId(0));
}

PELTON_TEST_SHARDS(TestingTest, HasAsManyShardsAsItSays, 3) {
  EXPECT_EQ(Shard::Current()->shards(), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    const ShardId there = co_await On(ShardId(i), []() -> Task<ShardId> {
      co_await Yield();
      co_return Shard::Current()->id();
    });
    EXPECT_EQ(there, ShardId(i));
  }
}

// What a fixture has is the body's; GoogleTest sets it up and tears it down.
class FixtureTest : public ::testing::Test {
 protected:
  void SetUp() override { log_.push_back("SetUp"); }
  void TearDown() override { EXPECT_THAT(log_, ElementsAre("SetUp", "body")); }

  std::vector<std::string> log_;
};

PELTON_TEST_F(FixtureTest, IsTheBodys) {
  co_await Yield();
  log_.push_back("body");
}

TEST_F(FixtureTest, ServesPlainTestsToo) { log_.push_back("body"); }

PELTON_TEST_F(FixtureTest, IsANewOneUnderEachSeed, .seeds = 20) {
  EXPECT_THAT(log_, ElementsAre("SetUp"));
  log_.push_back("body");
  co_return;
}

class ParameterTest : public ::testing::TestWithParam<int> {
 protected:
  static int Square(int value) { return value * value; }
};

PELTON_TEST_P(ParameterTest, IsTheBodys) {
  co_await Yield();
  EXPECT_EQ(Square(GetParam()), GetParam() * GetParam());
}

PELTON_TEST_P(ParameterTest, IsTheBodysUnderEachSeed, .shards = 2, .seeds = 5) {
  const int parameter = co_await On(ShardId(1), []() -> Task<int> { co_return GetParam(); });
  EXPECT_TRUE(parameter == 3 || parameter == 4) << parameter;
}

INSTANTIATE_TEST_SUITE_P(Numbers, ParameterTest, ::testing::Values(3, 4));

// Keeps the orders in which tasks ran, over the runs of a test.
class ExploreTest : public ::testing::Test {
 protected:
  static void TearDownTestSuite() {
    // The tests of this suite may have been filtered out.
    if (runs_ > 0) EXPECT_EQ(orders_.size(), 24u) << "all orders of four tasks in 200 runs";
    if (runs_ > 0) EXPECT_EQ(runs_ % 201, 0);
  }

  static inline std::set<std::vector<int>> orders_;
  static inline int runs_ = 0;
};

PELTON_TEST_F(ExploreTest, RunsTasksInEveryOrder, .seeds = 200) {
  TaskScope scope;
  std::vector<int> order;
  for (int i = 0; i < 4; ++i) {
    scope.Spawn([&, i]() -> Task<void> {
      order.push_back(i);
      co_return;
    });
  }
  PELTON_EXPECT_OK(co_await scope.Join());
  if (runs_ % 201 == 0) EXPECT_THAT(order, ElementsAre(0, 1, 2, 3)) << "the first is not shuffled";
  ++runs_;
  orders_.insert(order);
}

PELTON_EXPLORE(ShorthandTest, Explores, 3) {
  static int runs = 0;
  ++runs;
  EXPECT_LE((runs - 1) % 4, 3);
  co_return;
}

PELTON_TEST(TestingDeathTest, DeathTestsWorkInTheBody) {
  const int value = 3;
  EXPECT_DEATH(PELTON_CHECK(value == 4) << "not four", "not four");
  co_await Yield();
}

PELTON_TEST(TestingTest, DoesRealIo) {
  PELTON_CO_ASSERT_OK_AND_ASSIGN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
  const SocketAddress address = listener.address();
  TaskScope scope;
  scope.Spawn([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream peer, co_await listener.Accept());
    co_return co_await peer.Write("hello");
  });
  {
    PELTON_CO_ASSERT_OK_AND_ASSIGN(TcpStream peer, co_await TcpStream::Connect(address));
    PELTON_CO_ASSERT_OK_AND_ASSIGN(const Chunk bytes, co_await peer.Read());
    EXPECT_EQ(bytes.text(), "hello");
  }
  PELTON_EXPECT_OK(co_await scope.Join());
  // Streams and listener close after the body: no leak.
}

PELTON_TEST(ThreadsTest, RunsShardsOnThreadsInRealTime, .shards = 2,
            .runtime = TestRuntime::kEpollThreads) {
  const Stopwatch watch;
  PELTON_EXPECT_OK(co_await SleepFor(absl::Milliseconds(2)));
  EXPECT_GE(watch.Elapsed(), absl::Milliseconds(2));
  const int one = co_await On(ShardId(1), []() -> Task<int> {
    EXPECT_EQ(Shard::Current()->id(), ShardId(1));
    co_return 1;
  });
  EXPECT_EQ(one, 1);
}

PELTON_TEST(ThreadsTest, TakesTheDriverThatWorks, .runtime = TestRuntime::kThreads) {
  PELTON_EXPECT_OK(co_await SleepFor(absl::Milliseconds(1)));
}

}  // namespace
}  // namespace pelton::testing
