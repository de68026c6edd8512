#include "framework/shard_channel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "framework/base/status.h"
#include "sched/preemption.h"
#include "tests/framework/three_shards.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::Here;
using testing::kShards;
using testing::Settle;
using testing::ThreeShards;
using testing::Visit;

using Values = std::vector<int>;

// A function that receives until the end.
auto ReceiveAll(ShardChannel<int>& channel, Values& values) {
  return [&channel, &values]() -> Task<absl::Status> {
    while (true) {
      PELTON_CO_ASSIGN_OR_RETURN(const std::optional<int> value, co_await channel.Receive());
      if (!value.has_value()) co_return absl::OkStatus();
      values.push_back(*value);
    }
  };
}

auto SendOne(ShardChannel<int>& channel, int value) {
  return [&channel, value]() -> Task<absl::Status> { co_return co_await channel.Send(int{value}); };
}

auto SendRange(ShardChannel<int>& channel, int first, int count) {
  return [&channel, first, count]() -> Task<absl::Status> {
    for (int i = first; i < first + count; ++i) {
      PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(int{i}));
    }
    co_return absl::OkStatus();
  };
}

TEST(ShardChannelTest, EveryValueComesOutOnceInTheOrderOfItsSender) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    // 0: each send waits for its receiver.
    ShardChannel<int> channel(ShardId(random.Below(kShards)), random.Below(4));
    std::array<Values, kShards> received;
    uint32_t done = 0;
    const absl::Status status = shards.Run([&](Shard&) -> Task<absl::Status> {
      const uint32_t self = Here();
      TaskScope scope;
      scope.Spawn(ReceiveAll(channel, received[self]));
      scope.Spawn([&, self]() -> Task<absl::Status> {
        for (int i = 0; i < 30; ++i) {
          PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(static_cast<int>(self) * 1000 + i));
          if (random.Below(4) == 0) co_await Yield();
        }
        if (++done == kShards) co_await channel.Close();
        co_return absl::OkStatus();
      });
      co_return co_await scope.Join();
    });
    EXPECT_TRUE(status.ok()) << status;
    Values all;
    for (const Values& values : received) {
      std::array<int, kShards> last = {-1, -1, -1};
      for (const int value : values) {
        EXPECT_GT(value % 1000, last[value / 1000]);
        last[value / 1000] = value % 1000;
      }
      all.insert(all.end(), values.begin(), values.end());
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
    EXPECT_EQ(all.size(), kShards * 30u);
  });
}

TEST(ShardChannelTest, ASenderWaitsWhileTheBufferIsFull) {
  ForEachSeed([](ThreeShards& shards, Random&) {
    const absl::Status status = shards.RunOnFirst([]() -> Task<absl::Status> {
      ShardChannel<int> channel(ShardId(0), 2);
      Visit sender;
      sender.Start(1, SendRange(channel, 0, 3));
      co_await Settle();
      EXPECT_FALSE(sender.ended());
      EXPECT_EQ(channel.size(), 2u);
      EXPECT_EQ(channel.capacity(), 2u);
      for (int i = 0; i < 3; ++i) {
        PELTON_CO_ASSIGN_OR_RETURN(const std::optional<int> value, co_await channel.Receive());
        EXPECT_EQ(value, i);
      }
      EXPECT_TRUE((co_await sender.Join()).ok());
      EXPECT_EQ(channel.size(), 0u);
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardChannelTest, AtHomeItWorksWithoutMail) {
  ThreeShards shards(1);
  const absl::Status status = shards.RunOnFirst([]() -> Task<absl::Status> {
    ShardChannel<int> channel(ShardId(0), 1);
    for (int i = 0; i < 10; ++i) {
      PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(int{i}));
      PELTON_CO_ASSIGN_OR_RETURN(const std::optional<int> value, co_await channel.Receive());
      EXPECT_EQ(value, i);
      EXPECT_FALSE(Shard::Current()->mail().HasUnsent());
    }
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST(ShardChannelTest, CloseFailsSendersAndLetsReceiversEmptyIt) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      ShardChannel<int> channel(ShardId(0), 2);
      Visit waiting;
      waiting.Start(1, SendRange(channel, 0, 3));
      co_await Settle();
      // From any shard, and again.
      const ShardId closer(random.Below(kShards));
      for (int i = 0; i < 2; ++i) {
        co_await On(closer, [&]() -> Task<void> { co_await channel.Close(); });
      }
      EXPECT_TRUE(channel.closed());
      EXPECT_TRUE(absl::IsFailedPrecondition(co_await waiting.Join())) << "in line for room";
      Visit late;
      late.Start(2, SendOne(channel, 7));
      EXPECT_TRUE(absl::IsFailedPrecondition(co_await late.Join()));
      Values values;
      Visit receiver;
      receiver.Start(2, ReceiveAll(channel, values));
      EXPECT_TRUE((co_await receiver.Join()).ok());
      EXPECT_EQ(values, (Values{0, 1}));
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardChannelTest, CloseEndsReceiversInLine) {
  ForEachSeed([](ThreeShards& shards, Random&) {
    const absl::Status status = shards.RunOnFirst([]() -> Task<absl::Status> {
      ShardChannel<int> channel(ShardId(0), 2);
      std::array<Visit, kShards> receivers;
      std::array<Values, kShards> values;
      for (uint32_t i = 0; i < kShards; ++i) receivers[i].Start(i, ReceiveAll(channel, values[i]));
      co_await Settle();
      co_await channel.Close();
      for (Visit& receiver : receivers) EXPECT_TRUE((co_await receiver.Join()).ok());
      for (const Values& none : values) EXPECT_TRUE(none.empty());
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardChannelTest, CloseGoesThroughInATaskThatIsStopped) {
  ForEachSeed([](ThreeShards& shards, Random&) {
    ShardChannel<int> channel(ShardId(2), 1);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      TaskScope scope;
      scope.Cancel();
      scope.Spawn([&]() -> Task<void> { co_await channel.Close(); });
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
      EXPECT_TRUE(absl::IsFailedPrecondition(co_await channel.Send(1)));
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardChannelTest, ReceiversAreServedInTheOrderInWhichTheyCame) {
  ForEachSeed([](ThreeShards& shards, Random&) {
    ShardChannel<int> channel(ShardId(1), 3);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      std::array<Visit, 6> receivers;
      std::array<int, 6> values = {};
      for (uint32_t i = 0; i < receivers.size(); ++i) {
        receivers[i].Start(i % kShards, [&, i]() -> Task<absl::Status> {
          PELTON_CO_ASSIGN_OR_RETURN(const std::optional<int> value, co_await channel.Receive());
          values[i] = value.value_or(-1);
          co_return absl::OkStatus();
        });
        co_await Settle();
      }
      for (int i = 0; i < 6; ++i) PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(int{i}));
      for (Visit& receiver : receivers) PELTON_CO_RETURN_IF_ERROR(co_await receiver.Join());
      EXPECT_EQ(values, (std::array<int, 6>{0, 1, 2, 3, 4, 5}));
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardChannelTest, SendersAreServedInTheOrderInWhichTheyCame) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardChannel<int> channel(ShardId(1), random.Below(2));
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      std::array<Visit, 6> senders;
      for (uint32_t i = 0; i < senders.size(); ++i) {
        senders[i].Start(i % kShards, SendOne(channel, static_cast<int>(i)));
        co_await Settle();
      }
      for (int i = 0; i < 6; ++i) {
        PELTON_CO_ASSIGN_OR_RETURN(const std::optional<int> value, co_await channel.Receive());
        EXPECT_EQ(value, i);
      }
      for (Visit& sender : senders) PELTON_CO_RETURN_IF_ERROR(co_await sender.Join());
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

Values Range(int first, int count) {
  Values values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

TEST(ShardChannelTest, ABatchStaysTogetherAndMayBeLargerThanTheBuffer) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    ShardChannel<int> channel(ShardId(random.Below(kShards)), random.Below(5));
    Values received;
    uint32_t done = 0;
    const absl::Status status = shards.Run([&](Shard&) -> Task<absl::Status> {
      TaskScope scope;
      scope.Spawn([&]() -> Task<absl::Status> {
        for (int batch = 0; batch < 5; ++batch) {
          Values values = Range(static_cast<int>(Here()) * 1000 + batch * 10, 10);
          PELTON_CO_RETURN_IF_ERROR(co_await channel.SendBatch(values));
          EXPECT_TRUE(values.empty());
        }
        if (++done == kShards) co_await channel.Close();
        co_return absl::OkStatus();
      });
      for (size_t count = 1; Here() == 0 && count > 0;) {
        const size_t before = received.size();
        const size_t most = 1 + random.Below(20);
        const absl::StatusOr<size_t> batch = co_await channel.ReceiveBatch(received, most);
        PELTON_CHECK(batch.ok()) << batch.status();
        count = *batch;
        EXPECT_EQ(received.size(), before + count);
        EXPECT_LE(count, most);
      }
      co_return co_await scope.Join();
    });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(received.size(), kShards * 50u);
    for (size_t i = 0; i + 10 <= received.size(); i += 10) {
      EXPECT_EQ(Values(received.begin() + i, received.begin() + i + 10), Range(received[i], 10));
    }
  });
}

TEST(ShardChannelTest, ABatchIsReceivedAsFarAsItIsThere) {
  ThreeShards shards(1);
  const absl::Status status = shards.RunOnFirst([]() -> Task<absl::Status> {
    ShardChannel<int> channel(ShardId(0), 100);
    Values sent = Range(0, 100);
    Values received;
    Visit sender;
    sender.Start(1, [&]() -> Task<absl::Status> { co_return co_await channel.SendBatch(sent); });
    PELTON_CO_RETURN_IF_ERROR(co_await sender.Join());
    Visit receiver;
    receiver.Start(2, [&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(const size_t count, co_await channel.ReceiveBatch(received, 1000));
      EXPECT_EQ(count, 100u) << "all that was there";
      co_return absl::OkStatus();
    });
    PELTON_CO_RETURN_IF_ERROR(co_await receiver.Join());
    EXPECT_EQ(received, Range(0, 100));
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST(ShardChannelTest, CloseLeavesTheRestOfABatchWithItsSender) {
  ForEachSeed([](ThreeShards& shards, Random&) {
    const absl::Status status = shards.RunOnFirst([]() -> Task<absl::Status> {
      ShardChannel<int> channel(ShardId(0), 3);
      Values batch = Range(0, 10);
      Visit sender;
      sender.Start(1, [&]() -> Task<absl::Status> { co_return co_await channel.SendBatch(batch); });
      co_await Settle();
      co_await channel.Close();
      EXPECT_TRUE(absl::IsFailedPrecondition(co_await sender.Join()));
      EXPECT_EQ(batch, Range(3, 7));
      EXPECT_EQ(channel.size(), 3u);
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(ShardChannelTest, MayBeMadeBeforeTheServiceAndOutliveItWithValuesInIt) {
  const auto shared = std::make_shared<int>(1);
  {
    ShardChannel<std::shared_ptr<int>> channel(ShardId(2), 4);
    ThreeShards shards(1);
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      co_return co_await channel.Send(std::shared_ptr<int>(shared));
    });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(shared.use_count(), 2);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(ShardChannelDeathTest, DiesWhenItIsDestroyedWhileTasksWaitForIt) {
  auto end = [] {
    ThreeShards shards(1);
    (void)shards.RunOnFirst([]() -> Task<absl::Status> {
      auto channel = std::make_unique<ShardChannel<int>>(ShardId(0), 1);
      Visit receiver;
      Values values;
      receiver.Start(1, ReceiveAll(*channel, values));
      co_await Settle();
      channel.reset();
      co_return absl::OkStatus();
    });
  };
  EXPECT_DEATH(end(), "a ShardChannel was destroyed while tasks wait for it");
}

TEST(ShardChannelDeathTest, DiesWhenItIsDestroyedOrLookedIntoOnAnotherShard) {
  auto end = [] {
    ThreeShards shards(1);
    (void)shards.RunOnFirst([]() -> Task<absl::Status> {
      const ShardChannel<int> channel(ShardId(1), 1);
      co_return absl::OkStatus();
    });
  };
  EXPECT_DEATH(end(), "a ShardChannel of shard 1 was destroyed on shard 0");
  auto look = [] {
    const ShardChannel<int> channel(ShardId(1), 1);
    ThreeShards shards(1);
    (void)shards.RunOnFirst([&]() -> Task<absl::Status> {
      co_return absl::Status(static_cast<absl::StatusCode>(channel.size()), "");
    });
  };
  EXPECT_DEATH(look(), "a ShardChannel of shard 1 was looked into from elsewhere");
}

}  // namespace
}  // namespace pelton
