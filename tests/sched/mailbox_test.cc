#include "sched/mailbox.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <deque>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace pelton {
namespace {

void Nothing(void*) {}

Message Numbered(uint64_t number) { return {&Nothing, reinterpret_cast<void*>(number)}; }

uint64_t NumberOf(Message message) { return reinterpret_cast<uint64_t>(message.argument); }

std::vector<uint64_t> DrainAll(MailboxRing& ring) {
  std::vector<uint64_t> numbers;
  const size_t count = ring.Drain([&](Message message) { numbers.push_back(NumberOf(message)); });
  EXPECT_EQ(count, numbers.size());
  return numbers;
}

TEST(MailboxTest, DeliversACallWithItsArgument) {
  MailboxRing ring;
  int delivered = 0;
  ASSERT_TRUE(ring.TryPush({[](void* argument) { ++*static_cast<int*>(argument); }, &delivered}));
  EXPECT_TRUE(ring.Publish());
  EXPECT_EQ(ring.Drain([](Message message) { message.deliver(message.argument); }), 1u);
  EXPECT_EQ(delivered, 1);
}

TEST(MailboxTest, StagedMessagesAreInvisibleUntilTheyArePublishedTogether) {
  MailboxRing ring;
  EXPECT_FALSE(ring.Publish()) << "nothing is staged";
  EXPECT_TRUE(ring.Empty());
  for (uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(ring.TryPush(Numbered(i)));
  EXPECT_TRUE(ring.Empty());
  EXPECT_EQ(ring.Drain([](Message) { FAIL(); }), 0u);
  EXPECT_TRUE(ring.CheckInvariants());
  EXPECT_TRUE(ring.Publish());
  EXPECT_FALSE(ring.Publish()) << "published already";
  EXPECT_FALSE(ring.Empty());
  EXPECT_EQ(DrainAll(ring), (std::vector<uint64_t>{0, 1, 2}));
  EXPECT_TRUE(ring.Empty());
  EXPECT_TRUE(ring.CheckInvariants());
}

TEST(MailboxTest, AFullRingRefusesAndTakesAsManyAgainAsWereDrained) {
  MailboxRing ring;
  for (uint64_t i = 0; i < MailboxRing::kCapacity; ++i) ASSERT_TRUE(ring.TryPush(Numbered(i)));
  EXPECT_FALSE(ring.TryPush(Numbered(999)));
  EXPECT_EQ(DrainAll(ring).size(), 0u) << "full of staged messages: none is visible";
  EXPECT_FALSE(ring.TryPush(Numbered(999)));
  EXPECT_TRUE(ring.Publish());
  EXPECT_FALSE(ring.TryPush(Numbered(999)));
  EXPECT_TRUE(ring.CheckInvariants());
  const std::vector<uint64_t> numbers = DrainAll(ring);
  ASSERT_EQ(numbers.size(), MailboxRing::kCapacity);
  for (uint64_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(numbers[i], i);
  for (uint64_t i = 0; i < MailboxRing::kCapacity; ++i) ASSERT_TRUE(ring.TryPush(Numbered(i)));
  EXPECT_FALSE(ring.TryPush(Numbered(999)));
  EXPECT_TRUE(ring.CheckInvariants());
}

TEST(MailboxTest, RoomComesBackWhenADrainEndsAndNotBefore) {
  MailboxRing ring;
  for (uint64_t i = 0; i < MailboxRing::kCapacity; ++i) ASSERT_TRUE(ring.TryPush(Numbered(i)));
  ring.Publish();
  ring.Drain([&](Message) { EXPECT_FALSE(ring.TryPush(Numbered(0))); });
  EXPECT_TRUE(ring.TryPush(Numbered(0)));
}

TEST(MailboxTest, ADrainEndsEvenIfEachMessageSendsAnother) {
  MailboxRing ring;
  ASSERT_TRUE(ring.TryPush(Numbered(0)));
  ring.Publish();
  for (uint64_t turn = 0; turn < 1000; ++turn) {
    const size_t count = ring.Drain([&](Message message) {
      EXPECT_EQ(NumberOf(message), turn);
      ASSERT_TRUE(ring.TryPush(Numbered(turn + 1)));
      ring.Publish();
    });
    ASSERT_EQ(count, 1u);
  }
}

TEST(MailboxTest, AgreesWithADequeOverRandomOperations) {
  std::mt19937_64 random(1);
  MailboxRing ring;
  std::deque<uint64_t> staged;
  std::deque<uint64_t> published;
  uint64_t next = 0;
  for (int i = 0; i < 200'000; ++i) {
    switch (random() % 64) {
      case 0:
        ASSERT_EQ(ring.Empty(), published.empty());
        ASSERT_EQ(DrainAll(ring), std::vector<uint64_t>(published.begin(), published.end()));
        published.clear();
        break;
      case 1:
      case 2:
        ASSERT_EQ(ring.Publish(), !staged.empty());
        published.insert(published.end(), staged.begin(), staged.end());
        staged.clear();
        break;
      default:
        ASSERT_EQ(ring.TryPush(Numbered(next)),
                  staged.size() + published.size() < MailboxRing::kCapacity);
        if (staged.size() + published.size() < MailboxRing::kCapacity) staged.push_back(next);
        ++next;
    }
    ASSERT_TRUE(ring.CheckInvariants());
  }
}

TEST(MailboxTest, TwoThreadsLoseNothingAndKeepTheOrder) {
  constexpr uint64_t kMessages = 500'000;
  const auto ring = std::make_unique<MailboxRing>();
  std::thread producer([&] {
    std::mt19937_64 random(1);
    for (uint64_t i = 0; i < kMessages;) {
      for (uint64_t batch = 1 + random() % 100; batch > 0 && i < kMessages; --batch) {
        if (!ring->TryPush(Numbered(i))) {
          ring->Publish();
          std::this_thread::yield();
          break;
        }
        ++i;
      }
      ring->Publish();
    }
  });
  uint64_t expected = 0;
  bool in_order = true;
  while (expected < kMessages) {
    const size_t count =
        ring->Drain([&](Message message) { in_order &= NumberOf(message) == expected++; });
    if (count == 0) std::this_thread::yield();
  }
  producer.join();
  EXPECT_TRUE(in_order);
  EXPECT_EQ(expected, kMessages);
  EXPECT_TRUE(ring->Empty());
  EXPECT_TRUE(ring->CheckInvariants());
}

TEST(MailboxTest, WhatTheArgumentPointsToTravelsWithTheMessage) {
  constexpr int kMessages = 50'000;
  const auto ring = std::make_unique<MailboxRing>();
  std::thread producer([&] {
    for (int i = 0; i < kMessages; ++i) {
      auto* const value = new int(i);
      while (!ring->TryPush({&Nothing, value})) std::this_thread::yield();
      ring->Publish();
    }
  });
  int64_t sum = 0;
  for (int received = 0; received < kMessages;) {
    const size_t count = ring->Drain([&](Message message) {
      const std::unique_ptr<int> value(static_cast<int*>(message.argument));
      sum += *value;
    });
    received += static_cast<int>(count);
    if (count == 0) std::this_thread::yield();
  }
  producer.join();
  EXPECT_EQ(sum, int64_t{kMessages} * (kMessages - 1) / 2);
}

TEST(SleepFlagTest, OnlyASleeperIsWokenAndOnlyOnce) {
  SleepFlag flag;
  EXPECT_FALSE(flag.ClaimWake());
  flag.PrepareToSleep();
  EXPECT_TRUE(flag.ClaimWake());
  EXPECT_FALSE(flag.ClaimWake());
  flag.PrepareToSleep();
  flag.WakeUp();
  EXPECT_FALSE(flag.ClaimWake());
}

// Where two threads meet, so that what they do next happens at the same moment.
class Rendezvous {
 public:
  void Meet() {
    const uint32_t round = arrived_.fetch_add(1) / 2;
    for (int spins = 0; arrived_.load(std::memory_order_acquire) / 2 <= round; ++spins) {
      if (spins > 1000) std::this_thread::yield();
    }
  }

 private:
  std::atomic<uint32_t> arrived_ = 0;
};

constexpr int kMeetings = 30'000;

TEST(SleepFlagTest, OfTwoSendersAtTheSameMomentOneClaimsTheWake) {
  SleepFlag flag;
  Rendezvous start;
  Rendezvous end;
  std::atomic<int> claims = 0;
  std::thread other([&] {
    for (int i = 0; i < kMeetings; ++i) {
      start.Meet();
      if (flag.ClaimWake()) claims.fetch_add(1);
      end.Meet();
    }
  });
  int wrong = 0;
  for (int i = 0; i < kMeetings; ++i) {
    claims.store(0);
    flag.PrepareToSleep();
    start.Meet();
    if (flag.ClaimWake()) claims.fetch_add(1);
    end.Meet();
    wrong += claims.load() != 1;
  }
  other.join();
  EXPECT_EQ(wrong, 0);
}

TEST(SleepFlagTest, ASenderAndASleeperAtTheSameMomentNeverBothMissTheOther) {
  SleepFlag flag;
  const auto ring = std::make_unique<MailboxRing>();
  Rendezvous start;
  Rendezvous end;
  std::atomic<bool> claimed = false;
  std::thread sender([&] {
    for (int i = 0; i < kMeetings; ++i) {
      const bool staged = ring->TryPush(Numbered(i));
      start.Meet();
      ring->Publish();
      SleepFlag::FullBarrier();
      claimed.store(staged && flag.ClaimWake(), std::memory_order_relaxed);
      end.Meet();
    }
  });
  int missed = 0;
  for (int i = 0; i < kMeetings; ++i) {
    start.Meet();
    flag.PrepareToSleep();
    const bool empty = ring->Empty();
    end.Meet();
    missed += empty && !claimed.load(std::memory_order_relaxed);
    flag.WakeUp();
    EXPECT_EQ(DrainAll(*ring), std::vector<uint64_t>{static_cast<uint64_t>(i)});
  }
  sender.join();
  EXPECT_EQ(missed, 0);
}

// A shard that receives from two others and really blocks, in a futex. If a wake-up is lost, the
// futex times out.
class Sleeper {
 public:
  static constexpr int kSenders = 2;

  // What a sender does at the end of a turn.
  void Send(int sender, Message message) {
    while (!rings_[sender].TryPush(message)) {
      Flush(sender);
      std::this_thread::yield();
    }
    Flush(sender);
  }

  // Receives `messages` in all; sleeps whenever there is none. False when a wake-up was lost.
  template <typename F>
  bool Receive(uint64_t messages, F&& f) {
    while (messages > 0) {
      uint64_t received = 0;
      for (MailboxRing& ring : rings_) received += ring.Drain(f);
      messages -= received;
      if (received == 0 && !Sleep()) return false;
    }
    return true;
  }

  uint64_t sleeps() const { return sleeps_; }

 private:
  void Flush(int sender) {
    if (!rings_[sender].Publish()) return;
    SleepFlag::FullBarrier();
    if (flag_.ClaimWake()) {
      wakes_.fetch_add(1);
      syscall(SYS_futex, &wakes_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }
  }

  bool Sleep() {
    const uint32_t wakes = wakes_.load();
    flag_.PrepareToSleep();
    bool lost = false;
    if (rings_[0].Empty() && rings_[1].Empty()) {
      ++sleeps_;
      const timespec bound = {20, 0};
      const long result =
          syscall(SYS_futex, &wakes_, FUTEX_WAIT_PRIVATE, wakes, &bound, nullptr, 0);
      lost = result != 0 && errno == ETIMEDOUT;
    }
    flag_.WakeUp();
    return !lost;
  }

  std::array<MailboxRing, kSenders> rings_;
  SleepFlag flag_;
  std::atomic<uint32_t> wakes_ = 0;
  uint64_t sleeps_ = 0;
};

TEST(SleepFlagTest, NoWakeUpIsLostWhenTwoShardsAnswerEachOther) {
  constexpr uint64_t kRounds = 50'000;
  const auto here = std::make_unique<Sleeper>();
  const auto there = std::make_unique<Sleeper>();
  bool there_ok = false;
  std::thread other([&] {
    there_ok = there->Receive(kRounds, [&](Message message) { here->Send(0, message); });
  });
  there->Send(0, Numbered(0));
  uint64_t answers = 0;
  const bool here_ok = here->Receive(kRounds, [&](Message message) {
    EXPECT_EQ(NumberOf(message), answers);
    if (++answers < kRounds) there->Send(0, Numbered(answers));
  });
  other.join();
  EXPECT_TRUE(here_ok);
  EXPECT_TRUE(there_ok);
  EXPECT_GT(here->sleeps() + there->sleeps(), 0u) << "the test is pointless if nobody sleeps";
}

TEST(SleepFlagTest, NoWakeUpIsLostWithTwoSenders) {
  constexpr uint64_t kMessages = 50'000;
  const auto receiver = std::make_unique<Sleeper>();
  std::vector<std::thread> senders;
  for (int i = 0; i < Sleeper::kSenders; ++i) {
    senders.emplace_back([&receiver, i] {
      for (uint64_t n = 0; n < kMessages; ++n) {
        receiver->Send(i, Numbered(n * Sleeper::kSenders + i));
        if (n % 16 == 0) std::this_thread::yield();
      }
    });
  }
  std::array<uint64_t, Sleeper::kSenders> next{};
  EXPECT_TRUE(receiver->Receive(kMessages * Sleeper::kSenders, [&](Message message) {
    const int sender = static_cast<int>(NumberOf(message) % Sleeper::kSenders);
    EXPECT_EQ(NumberOf(message) / Sleeper::kSenders, next[sender]++);
  }));
  for (std::thread& sender : senders) sender.join();
}

}  // namespace
}  // namespace pelton
