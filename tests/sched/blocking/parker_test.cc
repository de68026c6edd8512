#include "sched/blocking/parker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "absl/time/time.h"

namespace pelton {
namespace {

TEST(ParkerTest, AnUnparkBeforeThePark) {
  Parker parker;
  parker.Unpark();
  parker.Park();
}

TEST(ParkerTest, SeveralUnparksCountAsOne) {
  Parker parker;
  parker.Unpark();
  parker.Unpark();
  EXPECT_TRUE(parker.ParkFor(absl::ZeroDuration()));
  EXPECT_FALSE(parker.ParkFor(absl::ZeroDuration()));
}

TEST(ParkerTest, ATimeoutIsReported) {
  Parker parker;
  EXPECT_FALSE(parker.ParkFor(absl::Milliseconds(1)));
  parker.Unpark();
  EXPECT_TRUE(parker.ParkFor(absl::Milliseconds(1)));
}

TEST(ParkerTest, WhatWasDoneBeforeTheUnparkIsSeen) {
  constexpr int kRounds = 20000;
  Parker there;
  Parker back;
  int value = 0;  // no atomic: the parkers order it
  std::thread other([&] {
    for (int i = 0; i < kRounds; ++i) {
      there.Park();
      ++value;
      back.Unpark();
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    EXPECT_EQ(value, i);
    there.Unpark();
    back.Park();
  }
  other.join();
  EXPECT_EQ(value, kRounds);
}

TEST(ParkerTest, AWakeUpThatRacesWithATimeoutIsNeitherLostNorCountedTwice) {
  constexpr int kRounds = 3000;
  Parker parker;
  std::atomic<int> sent = 0;
  int received = 0;
  std::thread sender([&] {
    for (int i = 0; i < kRounds; ++i) {
      while (sent.load() != i) std::this_thread::yield();
      parker.Unpark();
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    while (!parker.ParkFor(absl::Microseconds(1))) {
    }
    ++received;
    sent.store(i + 1);
  }
  sender.join();
  EXPECT_EQ(received, kRounds);
  EXPECT_FALSE(parker.ParkFor(absl::ZeroDuration()));
}

TEST(ParkerTest, TheWokenThreadMayDestroyIt) {
  for (int i = 0; i < 500; ++i) {
    auto parker = std::make_unique<Parker>();
    std::thread waker([&, raw = parker.get()] { raw->Unpark(); });
    parker->Park();
    parker.reset();
    waker.join();
  }
}

}  // namespace
}  // namespace pelton
