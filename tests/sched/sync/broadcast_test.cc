#include "sched/sync/broadcast.h"

#include <gtest/gtest.h>

#include <numeric>
#include <optional>
#include <string>
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
using Numbers = Broadcast<int>;

Values OneTo(int last) {
  Values values(last);
  std::iota(values.begin(), values.end(), 1);
  return values;
}

// Reads all that is there.
Values Drain(Numbers::Subscription& subscription) {
  Values values;
  while (const std::optional<int> value = subscription.TryReceive()) values.push_back(*value);
  return values;
}

TEST(BroadcastTest, EachSubscriberSeesEveryValueInOrder) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    Numbers numbers({.capacity = 1 + random.Below(4)});
    Waiters waiters(harness);
    std::vector<Values> seen(4);
    size_t next = 0;
    auto receive = [&](auto) -> Task<absl::Status> {
      Values& values = seen[next++];
      Numbers::Subscription subscription = numbers.Subscribe();
      while (true) {
        PELTON_CO_ASSIGN_OR_RETURN(const auto value, co_await subscription.Receive());
        if (!value.has_value()) co_return absl::OkStatus();
        values.push_back(*value);
        if (random.Below(3) == 0) co_await Yield();
      }
    };
    auto publish = [&](auto) -> Task<absl::Status> {
      for (int i = 1; i <= 40; ++i) PELTON_CO_RETURN_IF_ERROR(co_await numbers.Publish(int{i}));
      numbers.Close();
      co_return absl::OkStatus();
    };
    waiters.StartAll(4, receive);
    waiters.StartAll(1, publish);
    EXPECT_EQ(waiters.ended(), 5u);
    for (const Values& values : seen) EXPECT_EQ(values, OneTo(40));
    EXPECT_EQ(numbers.size(), 0u);
  });
}

TEST(BroadcastTest, ASubscriberSeesWhatComesAfterItSubscribed) {
  Numbers numbers;
  EXPECT_EQ(numbers.TryPublish(0), PublishResult::kPublished) << "nobody sees it";
  EXPECT_EQ(numbers.size(), 0u);
  Numbers::Subscription early = numbers.Subscribe();
  EXPECT_EQ(numbers.TryPublish(1), PublishResult::kPublished);
  Numbers::Subscription late = numbers.Subscribe();
  EXPECT_EQ(numbers.TryPublish(2), PublishResult::kPublished);
  EXPECT_EQ(Drain(early), Values({1, 2}));
  EXPECT_EQ(Drain(late), Values({2}));
}

TEST(BroadcastTest, ASlowSubscriberDelaysThePublisher) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Numbers numbers({.capacity = 2});
    Waiters waiters(harness);
    Numbers::Subscription slow = numbers.Subscribe();
    Numbers::Subscription fast = numbers.Subscribe();
    auto publish = [&](auto) -> Task<absl::Status> {
      for (int i = 1; i <= 5; ++i) PELTON_CO_RETURN_IF_ERROR(co_await numbers.Publish(int{i}));
      co_return absl::OkStatus();
    };
    waiters.StartAll(1, publish);
    EXPECT_EQ(Drain(fast), Values({1, 2}));
    harness.RunReady();
    EXPECT_EQ(Drain(fast), Values()) << "the slow one keeps it waiting";
    EXPECT_EQ(numbers.TryPublish(9), PublishResult::kFull);
    EXPECT_EQ(slow.TryReceive(), 1);
    harness.RunReady();
    EXPECT_EQ(Drain(fast), Values({3}));
    for (int i = 2; i <= 5; ++i) {
      EXPECT_EQ(slow.TryReceive(), i);
      harness.RunReady();
    }
    EXPECT_EQ(waiters.ended(), 1u);
    EXPECT_EQ(Drain(fast), Values({4, 5}));
  });
}

TEST(BroadcastTest, ASlowSubscriberThatUnsubscribesDelaysNobodyAnyMore) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Numbers numbers({.capacity = 2});
    Waiters waiters(harness);
    Numbers::Subscription fast = numbers.Subscribe();
    std::optional<Numbers::Subscription> slow = numbers.Subscribe();
    auto publish = [&](auto) -> Task<absl::Status> {
      for (int i = 1; i <= 4; ++i) PELTON_CO_RETURN_IF_ERROR(co_await numbers.Publish(int{i}));
      co_return absl::OkStatus();
    };
    waiters.StartAll(1, publish);
    EXPECT_EQ(Drain(fast), Values({1, 2}));
    slow.reset();
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 1u);
    EXPECT_EQ(Drain(fast), Values({3, 4}));
    EXPECT_EQ(numbers.subscribers(), 1u);
  });
}

TEST(BroadcastTest, ASlowSubscriberMayLoseTheOldestAndIsToldHowMany) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Numbers numbers({.capacity = 3, .slow_subscriber = SlowSubscriber::kLosesOldest});
    Numbers::Subscription slow = numbers.Subscribe();
    Numbers::Subscription fast = numbers.Subscribe();
    for (int i = 1; i <= 8; ++i) {
      EXPECT_EQ(numbers.TryPublish(int{i}), PublishResult::kPublished);
      EXPECT_EQ(fast.TryReceive(), i);
    }
    auto receive = [&]() -> Task<absl::Status> {
      const auto lost = co_await slow.Receive();
      EXPECT_EQ(lost.status(),
                absl::DataLossError("a slow subscriber of a broadcast lost 5 values"));
      for (int i = 6; i <= 8; ++i) {
        PELTON_CO_ASSIGN_OR_RETURN(const auto value, co_await slow.Receive());
        EXPECT_EQ(value, i);
      }
      co_return absl::OkStatus();
    };
    EXPECT_TRUE(harness.Run(receive()).ok());
    EXPECT_EQ(slow.lost(), 5u);
    EXPECT_EQ(fast.lost(), 0u);
    for (int i = 1; i <= 4; ++i) {
      EXPECT_EQ(numbers.TryPublish(int{i}), PublishResult::kPublished);
    }
    EXPECT_EQ(Drain(slow), Values({2, 3, 4})) << "without waiting, a gap is counted alone";
    EXPECT_EQ(slow.lost(), 6u);
  });
}

TEST(BroadcastTest, AfterCloseSubscribersReadTheRestAndThenSeeTheEnd) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Numbers numbers({.capacity = 1});
    Waiters waiters(harness);
    Numbers::Subscription subscription = numbers.Subscribe();
    EXPECT_EQ(numbers.TryPublish(1), PublishResult::kPublished);
    auto publish = [&](auto) -> Task<absl::Status> { co_return co_await numbers.Publish(2); };
    waiters.StartAll(1, publish);
    numbers.Close();
    EXPECT_TRUE(numbers.closed());
    waiters.StartAll(1, publish);
    ASSERT_EQ(waiters.ended(), 2u);
    for (const auto* waiter : waiters.order_of_ending()) {
      EXPECT_TRUE(absl::IsFailedPrecondition(waiter->status));
    }
    EXPECT_EQ(numbers.TryPublish(3), PublishResult::kClosed);
    auto receive = [&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(const auto value, co_await subscription.Receive());
      EXPECT_EQ(value, 1);
      PELTON_CO_ASSIGN_OR_RETURN(const auto end, co_await subscription.Receive());
      EXPECT_FALSE(end.has_value());
      co_return absl::OkStatus();
    };
    EXPECT_TRUE(harness.Run(receive()).ok());
  });
}

TEST(BroadcastTest, AStoppedReceiverHasReadNothing) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    Numbers numbers;
    Waiters waiters(harness);
    Numbers::Subscription subscription = numbers.Subscribe();
    Values values;
    auto receive = [&](auto) -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(const auto value, co_await subscription.Receive());
      values.push_back(*value);
      co_return absl::OkStatus();
    };
    waiters.StartAll(1, receive);
    const bool published_first = random.Below(2) == 0;
    if (published_first) EXPECT_EQ(numbers.TryPublish(1), PublishResult::kPublished);
    waiters.CancelAll();
    if (!published_first) EXPECT_EQ(numbers.TryPublish(1), PublishResult::kPublished);
    harness.RunReady();
    EXPECT_EQ(waiters.ended(), 1u);
    EXPECT_EQ(values, published_first ? Values({1}) : Values());
    EXPECT_EQ(Drain(subscription), published_first ? Values() : Values({1}));
  });
}

TEST(BroadcastTest, TakesADeadlineWithoutATask) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    Numbers numbers({.capacity = 1});
    Numbers::Subscription subscription = numbers.Subscribe();
    auto receive = [&]() -> Task<absl::Status> {
      co_return (co_await WithTimeout(absl::Seconds(1), subscription.Receive())).status();
    };
    auto publish = [&]() -> Task<absl::Status> {
      co_return co_await WithTimeout(absl::Seconds(1), numbers.Publish(1));
    };
    EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(receive())));
    EXPECT_TRUE(harness.Run(publish()).ok());
    EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(publish())));
    EXPECT_TRUE(harness.Run(receive()).ok());
    EXPECT_TRUE(absl::IsDeadlineExceeded(harness.Run(receive())));
  });
}

TEST(BroadcastTest, ASubscriptionMovesWithItsPlace) {
  Numbers numbers;
  Numbers::Subscription one = numbers.Subscribe();
  EXPECT_EQ(numbers.TryPublish(1), PublishResult::kPublished);
  Numbers::Subscription moved = std::move(one);
  EXPECT_EQ(numbers.subscribers(), 1u);
  EXPECT_EQ(Drain(moved), Values({1}));
  moved = Numbers::Subscription();
  EXPECT_EQ(numbers.subscribers(), 0u);
}

TEST(BroadcastTest, TheLastReaderGetsTheValueItselfAndTheOthersCopies) {
  Broadcast<std::string> texts;
  auto one = texts.Subscribe();
  auto other = texts.Subscribe();
  std::string text(100, 'x');
  const char* const characters = text.data();
  EXPECT_EQ(texts.TryPublish(std::move(text)), PublishResult::kPublished);
  EXPECT_NE(one.TryReceive()->data(), characters);
  const std::optional<std::string> last = other.TryReceive();
  EXPECT_EQ(last->data(), characters);
  EXPECT_EQ(*last, std::string(100, 'x'));
}

TEST(BroadcastDeathTest, MisuseDies) {
  TaskHarness harness;
  EXPECT_DEATH(Numbers({.capacity = 0}), "without room for a value");
  std::optional<Numbers> numbers(std::in_place);
  std::optional<Numbers::Subscription> subscription = numbers->Subscribe();
  EXPECT_DEATH(numbers.reset(), "a Broadcast was destroyed before 1 of its subscriptions");
  Waiters waiters(harness);
  auto receive = [&](auto) -> Task<absl::Status> {
    co_return (co_await subscription->Receive()).status();
  };
  waiters.StartAll(1, receive);
  EXPECT_DEATH(subscription.reset(), "a Subscription was destroyed while a task receives from it");
  EXPECT_DEATH((void)subscription->TryReceive(), "two tasks receive from one Subscription");
  EXPECT_DEATH(Numbers::Subscription moved(std::move(*subscription)),
               "was moved while a task receives");
  waiters.CancelAll();
  harness.RunReady();
}

}  // namespace
}  // namespace pelton
