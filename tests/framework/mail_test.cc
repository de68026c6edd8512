#include "framework/mail.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

namespace pelton {
namespace {

// A message that notes its number where it is delivered.
struct Letter : MailNode {
  Letter(int number, std::vector<int>* delivered) : number(number), delivered(delivered) {
    deliver = [](MailNode* self) {
      Letter* letter = static_cast<Letter*>(self);
      letter->delivered->push_back(letter->number);
    };
  }
  int number;
  std::vector<int>* delivered;
};

// The shards of an exchange, all on this thread.
class MailTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kShards = 3;
  static constexpr int kRing = static_cast<int>(MailboxRing::kCapacity);

  MailTest() {
    for (uint32_t i = 0; i < kShards; ++i) {
      mails_.push_back(std::make_unique<Mail>(exchange_, ShardId(i)));
    }
  }

  Mail& mail(uint32_t shard) { return *mails_[shard]; }
  void Flush(uint32_t shard) {
    mail(shard).Flush([this](uint32_t to) { woken_.push_back(to); });
  }
  std::vector<std::unique_ptr<Letter>> Letters(int count) {
    std::vector<std::unique_ptr<Letter>> letters;
    for (int i = 0; i < count; ++i) letters.push_back(std::make_unique<Letter>(i, &delivered_));
    return letters;
  }
  static std::vector<int> UpTo(int count) {
    std::vector<int> numbers(static_cast<size_t>(count));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  }

  MailExchange exchange_{kShards};
  std::vector<std::unique_ptr<Mail>> mails_;
  std::vector<int> delivered_;
  std::vector<uint32_t> woken_;
};

TEST_F(MailTest, DeliversInTheOrderOfSending) {
  auto letters = Letters(10);
  for (auto& letter : letters) mail(0).Send(ShardId(1), *letter);
  EXPECT_FALSE(mail(1).HasArrivals()) << "nothing travels before it is flushed";
  Flush(0);
  EXPECT_TRUE(mail(1).HasArrivals());
  EXPECT_FALSE(mail(2).HasArrivals());
  EXPECT_EQ(mail(1).Deliver(), 10u);
  EXPECT_EQ(delivered_, UpTo(10));
  EXPECT_FALSE(mail(1).HasArrivals());
  EXPECT_EQ(mail(1).Deliver(), 0u);
}

TEST_F(MailTest, WhatFindsTheRingFullWaitsAndKeepsItsOrder) {
  constexpr int kLetters = 3 * kRing + 7;
  auto letters = Letters(kLetters);
  for (auto& letter : letters) mail(0).Send(ShardId(1), *letter);
  Flush(0);
  EXPECT_TRUE(mail(0).HasUnsent());
  Flush(0);
  EXPECT_TRUE(mail(0).HasUnsent()) << "the receiver has not made room";
  int rounds = 0;
  while (mail(1).HasArrivals()) {
    EXPECT_LE(mail(1).Deliver(), MailboxRing::kCapacity);
    Flush(0);
    ++rounds;
  }
  EXPECT_EQ(rounds, 4);
  EXPECT_FALSE(mail(0).HasUnsent());
  EXPECT_EQ(delivered_, UpTo(kLetters));
}

TEST_F(MailTest, WhatIsSentBehindAFullRingStaysBehind) {
  auto letters = Letters(kRing + 2);
  for (int i = 0; i < kRing + 1; ++i) mail(0).Send(ShardId(1), *letters[i]);
  Flush(0);
  mail(0).Send(ShardId(1), *letters[kRing + 1]);
  while (mail(0).HasUnsent() || mail(1).HasArrivals()) {
    mail(1).Deliver();
    Flush(0);
  }
  EXPECT_EQ(delivered_, UpTo(kRing + 2));
}

TEST_F(MailTest, AFullRingHoldsUpNoOtherReceiver) {
  auto letters = Letters(kRing + 10);
  for (auto& letter : letters) mail(0).Send(ShardId(1), *letter);
  Letter other(1000, &delivered_);
  mail(0).Send(ShardId(2), other);
  Flush(0);
  EXPECT_EQ(mail(2).Deliver(), 1u);
  EXPECT_EQ(delivered_, std::vector<int>{1000});
  while (mail(0).HasUnsent() || mail(1).HasArrivals()) {
    mail(1).Deliver();
    Flush(0);
  }
}

TEST_F(MailTest, AShardMayWriteToItself) {
  Letter letter(5, &delivered_);
  mail(1).sleep_flag().PrepareToSleep();
  mail(1).Send(ShardId(1), letter);
  Flush(1);
  EXPECT_TRUE(woken_.empty()) << "it is awake";
  EXPECT_TRUE(mail(1).HasArrivals());
  EXPECT_EQ(mail(1).Deliver(), 1u);
  EXPECT_EQ(delivered_, std::vector<int>{5});
}

TEST_F(MailTest, WakesAReceiverThatSleepsOnce) {
  auto letters = Letters(4);
  mail(0).Send(ShardId(1), *letters[0]);
  Flush(0);
  EXPECT_TRUE(woken_.empty()) << "a receiver that is awake is not woken";
  mail(1).Deliver();
  mail(1).sleep_flag().PrepareToSleep();
  mail(0).Send(ShardId(1), *letters[1]);
  mail(0).Send(ShardId(1), *letters[2]);
  Flush(0);
  mail(2).Send(ShardId(1), *letters[3]);
  Flush(2);
  EXPECT_EQ(woken_, std::vector<uint32_t>{1}) << "by the first of the two senders";
  mail(1).Deliver();
}

TEST_F(MailTest, AFlushOfNothingWakesNobody) {
  mail(1).sleep_flag().PrepareToSleep();
  Flush(0);
  EXPECT_TRUE(woken_.empty());
}

// Goes back to where it came from, and ends there.
struct Reply : MailNode {
  Mail* receiver = nullptr;
  int visits = 0;
};

TEST_F(MailTest, ANodeMayBeSentAgainFromItsDelivery) {
  Reply reply;
  reply.receiver = &mail(1);
  reply.deliver = [](MailNode* node) {
    Reply* self = static_cast<Reply*>(node);
    ++self->visits;
    self->deliver = [](MailNode* back) { ++static_cast<Reply*>(back)->visits; };
    self->receiver->Send(ShardId(0), *self);
  };
  for (int round = 0; round < kRing * 2; ++round) {
    Reply& again = reply;
    const auto first = again.deliver;
    mail(0).Send(ShardId(1), again);
    Flush(0);
    EXPECT_EQ(mail(1).Deliver(), 1u);
    Flush(1);
    EXPECT_EQ(mail(0).Deliver(), 1u);
    again.deliver = first;
  }
  EXPECT_EQ(reply.visits, kRing * 4);
}

TEST_F(MailTest, WhatADeliveryWritesToItsOwnShardWaitsForTheNextOne) {
  struct Chain : MailNode {
    Mail* own;
    int left;
  };
  Chain chain;
  chain.own = &mail(1);
  chain.left = 3;
  chain.deliver = [](MailNode* node) {
    Chain* self = static_cast<Chain*>(node);
    if (--self->left > 0) self->own->Send(ShardId(1), *self);
  };
  mail(1).Send(ShardId(1), chain);
  int rounds = 0;
  while (mail(1).HasUnsent() || mail(1).HasArrivals()) {
    Flush(1);
    EXPECT_EQ(mail(1).Deliver(), 1u);
    ++rounds;
  }
  EXPECT_EQ(rounds, 3);
}

TEST_F(MailTest, EveryPairOfShardsHasItsOwnRing) {
  std::vector<std::unique_ptr<Letter>> letters;
  for (uint32_t from = 0; from < kShards; ++from) {
    for (uint32_t to = 0; to < kShards; ++to) {
      letters.push_back(std::make_unique<Letter>(from * 10 + to, &delivered_));
      mail(from).Send(ShardId(to), *letters.back());
    }
    Flush(from);
  }
  for (uint32_t to = 0; to < kShards; ++to) EXPECT_EQ(mail(to).Deliver(), kShards);
  EXPECT_EQ(delivered_, (std::vector<int>{0, 10, 20, 1, 11, 21, 2, 12, 22}));
}

TEST(MailDeathTest, DiesWhenItEndsWithMessagesThatWereNotSent) {
  auto end = [] {
    MailExchange exchange(2);
    std::vector<int> delivered;
    Letter letter(1, &delivered);
    Mail mail(exchange, ShardId(0));
    mail.Send(ShardId(1), letter);
  };
  EXPECT_DEATH(end(), "shard 0 ends with messages that were not sent");
}

}  // namespace
}  // namespace pelton
