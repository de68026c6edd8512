// Tasks that are told to stop while they wait for a ShardChannel, at any moment.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "framework/base/status.h"
#include "framework/shard_channel.h"
#include "sched/backtrace.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "tests/framework/three_shards.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using ::testing::HasSubstr;
using testing::Here;
using testing::kLateness;
using testing::kShards;
using testing::Settle;
using testing::ThreeShards;
using testing::Visit;

using Box = std::unique_ptr<int>;

TEST(ShardChannelStopTest, AReceiverThatIsStoppedInLineTakesNothing) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardChannel<Box> channel(ShardId(random.Below(kShards)), random.Below(2));
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      Visit stopped;
      stopped.Start(random.Below(kShards), [&]() -> Task<absl::Status> {
        co_return (co_await channel.Receive()).status();
      });
      co_await Settle();
      Visit next;
      next.Start(random.Below(kShards), [&]() -> Task<absl::Status> {
        PELTON_CO_ASSIGN_OR_RETURN(const std::optional<Box> value, co_await channel.Receive());
        EXPECT_EQ(**value, 7);
        co_return absl::OkStatus();
      });
      co_await Settle();
      stopped.Cancel();
      EXPECT_TRUE(absl::IsCancelled(co_await stopped.Join()));
      EXPECT_FALSE(next.ended());
      PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(std::make_unique<int>(7)));
      co_return co_await next.Join();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardChannelStopTest, ASenderThatIsStoppedInLineKeepsItsValue) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardChannel<Box> channel(ShardId(random.Below(kShards)), 1);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(std::make_unique<int>(1)));
      Box kept = std::make_unique<int>(2);
      Visit stopped;
      stopped.Start(random.Below(kShards), [&]() -> Task<absl::Status> {
        co_return co_await channel.Send(std::move(kept));
      });
      co_await Settle();
      Visit next;
      next.Start(random.Below(kShards), [&]() -> Task<absl::Status> {
        co_return co_await channel.Send(std::make_unique<int>(3));
      });
      co_await Settle();
      stopped.Cancel();
      EXPECT_TRUE(absl::IsCancelled(co_await stopped.Join()));
      EXPECT_EQ(*kept, 2);
      for (const int expected : {1, 3}) {
        PELTON_CO_ASSIGN_OR_RETURN(const std::optional<Box> value, co_await channel.Receive());
        EXPECT_EQ(**value, expected);
      }
      co_return co_await next.Join();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardChannelStopTest, AStopLeavesTheRestOfABatchWithItsSender) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardChannel<int> channel(ShardId(0), random.Below(4));
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      std::vector<int> batch = {0, 1, 2, 3, 4, 5};
      Visit sender;
      sender.Start(random.Below(kShards),
                   [&]() -> Task<absl::Status> { co_return co_await channel.SendBatch(batch); });
      co_await Settle();
      sender.Cancel();
      EXPECT_TRUE(absl::IsCancelled(co_await sender.Join()));
      EXPECT_EQ(channel.size(), channel.capacity());
      EXPECT_EQ(batch.size(), 6 - channel.capacity());
      EXPECT_EQ(batch.front(), static_cast<int>(channel.capacity()));
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardChannelStopTest, ATaskThatIsStoppedTakesAndGivesNothing) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardChannel<Box> channel(ShardId(random.Below(kShards)), 2);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(std::make_unique<int>(1)));
      TaskScope scope;
      scope.Cancel();
      scope.Spawn([&]() -> Task<void> {
        Box kept = std::make_unique<int>(2);
        EXPECT_TRUE(absl::IsCancelled(co_await channel.Send(std::move(kept))));
        EXPECT_EQ(*kept, 2);
        EXPECT_TRUE(absl::IsCancelled((co_await channel.Receive()).status()));
      });
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
      PELTON_CO_ASSIGN_OR_RETURN(const std::optional<Box> value, co_await channel.Receive());
      EXPECT_EQ(**value, 1);
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardChannelStopTest, AStopThatMeetsTheHandOverLosesNothing) {
  int handed_over = 0;
  int stopped = 0;
  ForEachSeed([&](ThreeShards& shards, Random& random) {
    ShardChannel<Box> channel(ShardId(random.Below(kShards)), 1);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      Box received;
      Visit receiver;
      receiver.Start(random.Below(kShards), [&]() -> Task<absl::Status> {
        PELTON_CO_ASSIGN_OR_RETURN(std::optional<Box> value, co_await channel.Receive());
        received = *std::move(value);
        co_return absl::OkStatus();
      });
      co_await Settle();
      Visit sender;
      sender.Start(random.Below(kShards), [&]() -> Task<absl::Status> {
        co_return co_await channel.Send(std::make_unique<int>(7));
      });
      for (uint64_t turns = random.Below(6); turns > 0; --turns) co_await Yield();
      receiver.Cancel();
      const absl::Status outcome = co_await receiver.Join();
      PELTON_CO_RETURN_IF_ERROR(co_await sender.Join());
      if (outcome.ok()) {
        ++handed_over;
        EXPECT_EQ(*received, 7);
      } else {
        ++stopped;
        EXPECT_TRUE(absl::IsCancelled(outcome)) << outcome;
        PELTON_CO_ASSIGN_OR_RETURN(const std::optional<Box> value, co_await channel.Receive());
        EXPECT_EQ(**value, 7) << "is there still";
      }
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
  EXPECT_GT(handed_over, 0);
  EXPECT_GT(stopped, 0);
}

TEST(ShardChannelStopTest, AStopThatMeetsTheTakingOfAValueLosesNothing) {
  int taken = 0;
  int stopped = 0;
  ForEachSeed([&](ThreeShards& shards, Random& random) {
    ShardChannel<Box> channel(ShardId(random.Below(kShards)), 0);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      Box sent = std::make_unique<int>(7);
      Visit sender;
      sender.Start(random.Below(kShards), [&]() -> Task<absl::Status> {
        co_return co_await channel.Send(std::move(sent));
      });
      co_await Settle();
      std::optional<Box> received;
      Visit receiver;
      receiver.Start(random.Below(kShards), [&]() -> Task<absl::Status> {
        PELTON_CO_ASSIGN_OR_RETURN(received, co_await channel.Receive());
        co_return absl::OkStatus();
      });
      for (uint64_t turns = random.Below(6); turns > 0; --turns) co_await Yield();
      sender.Cancel();
      const absl::Status outcome = co_await sender.Join();
      co_await channel.Close();
      PELTON_CO_RETURN_IF_ERROR(co_await receiver.Join());
      ++(outcome.ok() ? taken : stopped);
      EXPECT_EQ(sent == nullptr, outcome.ok()) << outcome;
      EXPECT_EQ(received.has_value(), outcome.ok());
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
  EXPECT_GT(taken, 0);
  EXPECT_GT(stopped, 0);
}

TEST(ShardChannelStopTest, AWaitEndsAtItsDeadline) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardChannel<int> channel(ShardId(random.Below(kShards)), 1);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      const absl::Duration timeout = absl::Milliseconds(5);
      Timestamp start = Scheduler::Current()->PreciseNow();
      EXPECT_TRUE(
          absl::IsDeadlineExceeded((co_await WithTimeout(timeout, channel.Receive())).status()));
      EXPECT_LE(Scheduler::Current()->PreciseNow() - start, timeout + kLateness);
      PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(1));
      start = Scheduler::Current()->PreciseNow();
      EXPECT_TRUE(absl::IsDeadlineExceeded(co_await WithTimeout(timeout, channel.Send(2))));
      EXPECT_LE(Scheduler::Current()->PreciseNow() - start, timeout + kLateness);
      std::vector<int> batch;
      PELTON_CO_ASSIGN_OR_RETURN(const size_t count,
                                 co_await WithTimeout(timeout, channel.ReceiveBatch(batch, 5)));
      EXPECT_EQ(count, 1u);
      EXPECT_EQ(batch, std::vector<int>{1});
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardChannelStopTest, AnEndOfTheServiceAmidTheTrafficLosesNothing) {
  uint64_t amid = 0;
  ForEachSeed([&](ThreeShards& shards, Random& random) {
    std::vector<int> left;
    std::vector<int> sent;
    std::vector<int> received;
    {
      ShardChannel<int> channel(ShardId(random.Below(kShards)), random.Below(4));
      auto serve = [&](Shard&) -> Task<absl::Status> {
        TaskScope scope;
        const int self = static_cast<int>(Here());
        scope.Spawn([&, self]() -> Task<absl::Status> {
          for (int i = 0;; ++i) {
            PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(self * 10'000 + i));
            sent.push_back(self * 10'000 + i);
          }
        });
        scope.Spawn([&]() -> Task<absl::Status> {
          while (true) {
            PELTON_CO_ASSIGN_OR_RETURN(const std::optional<int> value, co_await channel.Receive());
            received.push_back(*value);
          }
        });
        co_return co_await scope.Join();
      };
      shards.runtime().Start(serve);
      for (uint64_t steps = random.Below(60); steps > 0; --steps) (void)shards.runtime().Step();
      shards.runtime().RequestStop(StopPhase::kEverything);
      while (shards.runtime().Step()) {
      }
      EXPECT_TRUE(shards.runtime().ended());
      EXPECT_TRUE(shards.runtime().status().ok()) << shards.runtime().status();
      ThreeShards after(1);
      const absl::Status status = after.RunOnFirst([&]() -> Task<absl::Status> {
        co_await channel.Close();
        while (true) {
          PELTON_CO_ASSIGN_OR_RETURN(const std::optional<int> value, co_await channel.Receive());
          if (!value.has_value()) co_return absl::OkStatus();
          left.push_back(*value);
        }
      });
      EXPECT_TRUE(status.ok()) << status;
    }
    amid += received.size();
    received.insert(received.end(), left.begin(), left.end());
    std::sort(sent.begin(), sent.end());
    std::sort(received.begin(), received.end());
    EXPECT_EQ(sent, received);
  });
  EXPECT_GT(amid, 0u);
}

TEST(ShardChannelStopTest, AWaitSaysWhatItIsFor) {
  std::array<std::string, kShards> dumps;
  ThreeShards shards(1);
  ShardChannel<int> channel(ShardId(0), 1);
  const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
    PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(1));
    std::array<Visit, kShards> senders;
    for (uint32_t i = 0; i < kShards; ++i) {
      senders[i].Start(i, [&]() -> Task<absl::Status> { co_return co_await channel.Send(2); });
    }
    co_await Settle();
    for (uint32_t i = 0; i < kShards; ++i) {
      co_await On(ShardId(i), [&]() -> Task<void> {
        std::ostringstream out;
        DumpTasks(out);
        dumps[Here()] = out.str();
        co_return;
      });
    }
    co_await channel.Close();
    for (Visit& sender : senders) EXPECT_FALSE((co_await sender.Join()).ok());
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(dumps[0], HasSubstr("waits for room in a channel of shard 0, which holds 1 of 1"));
  EXPECT_THAT(dumps[1], HasSubstr("waits for room in a channel of shard 0\n"));
  EXPECT_THAT(dumps[2], HasSubstr("shard_channel_stop_test.cc:"));
}

}  // namespace
}  // namespace pelton
