// Load-aware accept: shards of one service share long-lived connections evenly, whatever the
// kernel's hashing does, and lose none on the way.

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "framework/base/status.h"
#include "io/tcp_listener.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "tests/framework/runtime_test_base.h"

namespace pelton::testing {
namespace {

constexpr size_t kConnections = 64;
constexpr uint32_t kShards = 2;
constexpr absl::Duration kMoment = absl::Milliseconds(1);

// Sends all connections to the first shard that has bound the port.
void SkewTheHash(int descriptor) {
  sock_filter program[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  const sock_fprog filter = {.len = 1, .filter = program};
  ASSERT_EQ(::setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof(filter)),
            0);
}

// What the shards tell the test.
struct Outcome {
  std::array<std::atomic<uint32_t>, kShards> served{};  // connections whose handler ran there
  std::atomic<uint32_t> handed_over{0};
  std::atomic<uint32_t> bound{0};
  std::atomic<uint32_t> clients_done{0};
  std::atomic<uint16_t> port{0};
};

// Says on which shard it is served, and stays until the peer goes.
Task<absl::Status> SayShard(TcpStream stream, Outcome* outcome) {
  const uint32_t shard = Shard::Current()->id().index();
  outcome->served[shard].fetch_add(1);
  const char name = static_cast<char>('0' + shard);
  PELTON_CO_RETURN_IF_ERROR(co_await stream.Write({&name, 1}));
  co_return (co_await stream.Read()).status();
}

// Opens the connections one after the other, keeps them, and stops the service.
Task<absl::Status> KeepMany(SocketAddress address, Outcome* outcome) {
  std::vector<TcpStream> streams;
  for (size_t i = 0; i < kConnections; ++i) {
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream stream, co_await TcpStream::Connect(address));
    streams.push_back(std::move(stream));
  }
  for (TcpStream& stream : streams) {
    char shard;
    PELTON_CO_RETURN_IF_ERROR(co_await stream.ReadExactly({&shard, 1}));
  }
  outcome->clients_done.fetch_add(1);
  co_return absl::OkStatus();
}

class BalancedAcceptTest : public RuntimeTestBase {
 protected:
  void SetUp() override {
    RuntimeTestBase::SetUp();
    rlimit files;
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < 4 * kConnections) GTEST_SKIP() << "ulimit -n is " << files.rlim_cur;
  }

  // A service of two shards; shard 0 is its own client as well. Each shard listens until the client
  // is done.
  absl::Status ServeAndConnect(const TcpListener::Options& options, bool skewed, Outcome& outcome) {
    return Run([&](Shard& shard) -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0", options));
      outcome.port.store(listener.address().port());
      outcome.bound.fetch_add(1);
      TaskScope server;
      TaskScope connections;
      if (shard.id() == ShardId(0) && skewed) SkewTheHash(listener.descriptor());
      server.Spawn(
          [](TcpListener& on, TaskScope& scope, Outcome* out) -> Task<absl::Status> {
            co_return co_await on.ForEach(
                scope, [out](TcpStream stream) { return SayShard(std::move(stream), out); });
          },
          std::ref(listener), std::ref(connections), &outcome);
      // pelton: bounded by the other shard's binding
      while (outcome.bound.load() < kShards) PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(kMoment));
      absl::Status status;
      if (shard.id() == ShardId(0)) {
        status = co_await KeepMany(SocketAddress::Loopback(outcome.port.load()), &outcome);
      }
      if (!status.ok()) outcome.clients_done.fetch_add(1);
      // pelton: bounded by the client
      while (outcome.clients_done.load() == 0)
        PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(kMoment));
      server.Stop(StopPhase::kAccepting, StopReason::kDraining);
      const absl::Status served = co_await server.Join();
      outcome.handed_over.fetch_add(
          static_cast<uint32_t>(shard.reactor().statistics().connections_handed_over));
      co_return status.ok() ? served : status;
    });
  }
};
INSTANTIATE_TEST_SUITE_P(Drivers, BalancedAcceptTest, EachDriver(), NameOfDriver);

// "60:40": neither shard has more than 60 % of the connections.
void ExpectSharedEvenly(const Outcome& outcome) {
  const uint32_t first = outcome.served[0].load();
  const uint32_t second = outcome.served[1].load();
  EXPECT_EQ(first + second, kConnections);
  EXPECT_LE(std::max(first, second) * 100, kConnections * 60) << first << ":" << second;
}

TEST_P(BalancedAcceptTest, LongLivedConnectionsEndWithinSixtyToFortyInEveryOneOfTwentyRuns) {
  std::string shares;
  for (int run = 0; run < 20; ++run) {
    Outcome outcome;
    const absl::Status status = ServeAndConnect({}, /*skewed=*/false, outcome);
    ASSERT_TRUE(status.ok()) << status;
    ExpectSharedEvenly(outcome);
    shares += " " + std::to_string(outcome.served[0].load()) + ":" +
              std::to_string(outcome.served[1].load());
  }
  RecordProperty("shares", shares);
  GTEST_LOG_(INFO) << "connections of the shards:" << shares;
}

TEST_P(BalancedAcceptTest, AHashThatPicksOneShardIsEvenedOut) {
  Outcome outcome;
  const absl::Status status = ServeAndConnect({}, /*skewed=*/true, outcome);
  ASSERT_TRUE(status.ok()) << status;
  ExpectSharedEvenly(outcome);
  EXPECT_GT(outcome.handed_over.load(), 20u);
}

TEST_P(BalancedAcceptTest, WithoutBalanceEveryConnectionStaysWhereTheKernelPutIt) {
  Outcome outcome;
  const absl::Status status = ServeAndConnect({.balance = false}, /*skewed=*/true, outcome);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(std::max(outcome.served[0].load(), outcome.served[1].load()), kConnections);
  EXPECT_EQ(outcome.handed_over.load(), 0u);
}

}  // namespace
}  // namespace pelton::testing
