#include "sched/sync/channel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::TaskHarness;
using testing::Waiters;

using Values = std::vector<int>;

// A task that receives until the end.
auto ReceiveAll(Channel<int>& channel, Values& values) {
  return [&](auto arrive) -> Task<absl::Status> {
    arrive();
    while (true) {
      PELTON_CO_ASSIGN_OR_RETURN(const std::optional<int> value, co_await channel.Receive());
      if (!value.has_value()) co_return absl::OkStatus();
      values.push_back(*value);
    }
  };
}

auto SendOne(Channel<int>& channel, int value) {
  return [&channel, value](auto arrive) -> Task<absl::Status> {
    arrive();
    co_return co_await channel.Send(int{value});
  };
}

TEST(ChannelTest, ValuesComeOutInTheOrderOfSending) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    Channel<int> channel(random.Below(4));  // 0: each send waits for its receiver
    Values values;
    Waiters waiters(harness);
    auto send = [&](auto) -> Task<absl::Status> {
      for (int i = 0; i < 50; ++i) {
        PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(int{i}));
        if (random.Below(4) == 0) co_await Yield();
      }
      channel.Close();
      co_return absl::OkStatus();
    };
    waiters.Start(send);
    waiters.Start(ReceiveAll(channel, values));
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 2u);
    ASSERT_EQ(values.size(), 50u);
    EXPECT_TRUE(std::is_sorted(values.begin(), values.end()));
  });
}

TEST(ChannelTest, HoldsAsMuchAsItsCapacity) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    const uint64_t capacity = random.Below(5);
    Channel<int> channel(capacity);
    Waiters waiters(harness);
    for (int i = 0; i < 8; ++i) waiters.StartAll(1, SendOne(channel, i));
    EXPECT_EQ(waiters.ended(), capacity);
    EXPECT_EQ(channel.size(), capacity);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(channel.TryReceive(), i);
    EXPECT_EQ(channel.TryReceive(), std::nullopt);
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 8u);
  });
}

TEST(ChannelTest, ARendezvousHandsOverDirectly) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Channel<int> channel(0);
    Values values;
    Waiters waiters(harness);
    EXPECT_EQ(channel.TrySend(1), SendResult::kFull) << "nobody is there to take it";
    waiters.StartAll(1, ReceiveAll(channel, values));
    EXPECT_EQ(channel.TrySend(2), SendResult::kSent);
    EXPECT_EQ(channel.TrySend(3), SendResult::kFull) << "the receiver has its value already";
    harness.RunReady();
    EXPECT_EQ(values, Values({2}));
    channel.Close();
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 1u);
  });
}

TEST(ChannelTest, AfterCloseReceiversDrainItAndThenSeeTheEnd) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Channel<int> channel(3);
    Values values;
    Waiters waiters(harness);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(channel.TrySend(int{i}), SendResult::kSent);
    channel.Close();
    channel.Close();
    EXPECT_TRUE(channel.closed());
    EXPECT_FALSE(channel.drained());
    EXPECT_EQ(channel.TrySend(9), SendResult::kClosed);
    waiters.StartAll(1, ReceiveAll(channel, values));
    EXPECT_EQ(values, Values({0, 1, 2}));
    EXPECT_TRUE(waiters.arrived(0).status.ok());
    EXPECT_TRUE(channel.drained());
    waiters.StartAll(1, SendOne(channel, 9));
    EXPECT_TRUE(absl::IsFailedPrecondition(waiters.arrived(1).status));
  });
}

TEST(ChannelTest, CloseEndsTheWaitsOfBothSides) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    const uint64_t capacity = random.Below(2);
    Channel<int> full(capacity);
    Channel<int> empty(capacity);
    Values values;
    if (capacity == 1) EXPECT_EQ(full.TrySend(0), SendResult::kSent);
    Waiters waiters(harness);
    waiters.StartAll(3, SendOne(full, 1));
    waiters.StartAll(3, ReceiveAll(empty, values));
    EXPECT_EQ(waiters.ended(), 0u);
    full.Close();
    empty.Close();
    harness.RunReady();
    ASSERT_EQ(waiters.ended(), 6u);
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(absl::IsFailedPrecondition(waiters.arrived(i).status));
      EXPECT_TRUE(waiters.arrived(3 + i).status.ok()) << "the end is no error";
    }
    EXPECT_EQ(values, Values());
    EXPECT_EQ(full.size(), capacity) << "what waited to be sent was not";
  });
}

TEST(ChannelTest, ASendThatFailsLeavesTheValueWithItsOwner) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    Channel<std::unique_ptr<int>> channel(0);
    Waiters waiters(harness);
    const bool close = random.Below(2) == 0;
    auto send = [&](auto) -> Task<absl::Status> {
      auto value = std::make_unique<int>(7);
      const absl::Status status = co_await channel.Send(std::move(value));
      EXPECT_NE(value, nullptr) << "it was moved from, and went nowhere";
      co_return status;
    };
    Waiters::Waiter& sender = waiters.Start(send);
    harness.RunReady();
    close ? channel.Close() : sender.scope.Cancel();
    harness.RunReady();
    EXPECT_EQ(sender.status.code(),
              close ? absl::StatusCode::kFailedPrecondition : absl::StatusCode::kCancelled);
    auto value = std::make_unique<int>(8);
    EXPECT_NE(channel.TrySend(std::move(value)), SendResult::kSent);
    EXPECT_NE(value, nullptr);
  });
}

TEST(ChannelTest, AValueThatWasHandedOverSurvivesTheStopOfItsReceiver) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Channel<std::unique_ptr<int>> channel(1);
    Waiters waiters(harness);
    int received = 0;
    auto receive = [&](auto arrive) -> Task<absl::Status> {
      arrive();
      PELTON_CO_ASSIGN_OR_RETURN(auto value, co_await channel.Receive());
      received += **value;
      co_return absl::OkStatus();
    };
    waiters.StartAll(2, receive);
    EXPECT_EQ(channel.TrySend(std::make_unique<int>(1)), SendResult::kSent);
    waiters.CancelAll();
    EXPECT_EQ(channel.TrySend(std::make_unique<int>(10)), SendResult::kSent);
    harness.RunReady();
    EXPECT_EQ(received, 1) << "the first was handed over, the second came after the stop";
    EXPECT_EQ(channel.size(), 1u) << "and is in the buffer for the next";
  });
}

TEST(ChannelTest, TakesADeadlineWithoutATask) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Channel<int> channel(1);
    auto receive = [&]() -> Task<absl::Status> {
      co_return (co_await WithTimeout(absl::Seconds(1), channel.Receive())).status();
    };
    auto send = [&]() -> Task<absl::Status> {
      co_return co_await WithTimeout(absl::Seconds(1), channel.Send(1));
    };
    EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(receive())));
    EXPECT_TRUE(harness.Run(send()).ok());
    EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(send())));
    EXPECT_TRUE(harness.Run(receive()).ok());
    EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(receive()))) << "the late value went nowhere";
  });
}

TEST(ChannelTest, DestroysTheValuesThatAreLeft) {
  struct Flag {
    explicit Flag(bool* destroyed) : destroyed(destroyed) {}
    Flag(Flag&& other) noexcept : destroyed(std::exchange(other.destroyed, nullptr)) {}
    ~Flag() {
      if (destroyed != nullptr) *destroyed = true;
    }
    bool* destroyed;
  };
  bool destroyed = false;
  {
    Channel<Flag> channel(2);
    EXPECT_EQ(channel.TrySend(Flag(&destroyed)), SendResult::kSent);
    EXPECT_FALSE(destroyed);
  }
  EXPECT_TRUE(destroyed);
}

// A channel in the frame of the task that owns both sides.
TEST(ChannelTest, DiesAfterTheTasksThatUsedIt) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    auto parent = [&]() -> Task<absl::Status> {
      Channel<int> channel(random.Below(3));
      Values values;
      TaskScope scope;
      auto send = [&]() -> Task<absl::Status> {
        while (true) PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(1));
      };
      auto receive = [&]() -> Task<absl::Status> {
        while (true) {
          PELTON_CO_ASSIGN_OR_RETURN(const auto value, co_await channel.Receive());
          values.push_back(*value);
        }
      };
      scope.Spawn(send);
      scope.Spawn(receive);
      scope.Spawn(send);
      while (values.size() < 20) co_await Yield();
      scope.Cancel();
      co_return co_await scope.Join();
    };
    EXPECT_TRUE(harness.Run(parent()).ok());
  });
}

}  // namespace
}  // namespace pelton
