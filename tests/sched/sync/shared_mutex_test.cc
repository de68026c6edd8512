#include "sched/sync/shared_mutex.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::TaskHarness;
using testing::Waiters;

// Letters of what the tasks are doing, in order: r and w when a reader or a writer enters.
class Log {
 public:
  explicit Log(SharedMutex& mutex) : mutex_(mutex) {}
  auto Reader() {
    return [this](auto arrive) -> Task<absl::Status> {
      arrive();
      PELTON_CO_ASSIGN_OR_RETURN(const auto guard, co_await mutex_.LockShared());
      text_ += 'r';
      co_return absl::OkStatus();
    };
  }
  auto Writer() {
    return [this](auto arrive) -> Task<absl::Status> {
      arrive();
      PELTON_CO_ASSIGN_OR_RETURN(const auto guard, co_await mutex_.Lock());
      text_ += 'w';
      co_return absl::OkStatus();
    };
  }
  const std::string& text() const { return text_; }

 private:
  SharedMutex& mutex_;
  std::string text_;
};

TEST(SharedMutexTest, KeepsWritersAloneAndReadersTogether) {
  ForEachSeed([](TaskHarness& harness, Random& random) {
    SharedMutex mutex;
    Waiters waiters(harness);
    int readers = 0;
    int writers = 0;
    int most_readers = 0;
    auto loop = [&](auto) -> Task<absl::Status> {
      for (int i = 0; i < 20; ++i) {
        if (random.Below(4) == 0) {
          PELTON_CO_ASSIGN_OR_RETURN(const auto guard, co_await mutex.Lock());
          EXPECT_EQ(++writers, 1);
          EXPECT_EQ(readers, 0);
          co_await Yield();
          EXPECT_EQ(readers, 0);
          --writers;
        } else {
          PELTON_CO_ASSIGN_OR_RETURN(const auto guard, co_await mutex.LockShared());
          most_readers = std::max(most_readers, ++readers);
          EXPECT_EQ(writers, 0);
          co_await Yield();
          EXPECT_EQ(writers, 0);
          --readers;
        }
      }
      co_return absl::OkStatus();
    };
    waiters.StartAll(6, loop);
    EXPECT_EQ(waiters.ended(), 6u);
    EXPECT_GT(most_readers, 1) << "readers never shared";
    EXPECT_TRUE(mutex.TryLock().has_value());
  });
}

TEST(SharedMutexTest, AWriterIsNotStarvedByReadersThatKeepComing) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    SharedMutex mutex;
    Waiters waiters(harness);
    bool written = false;
    int reads_after = 0;
    auto reader = [&](auto) -> Task<absl::Status> {
      while (!written) {
        PELTON_CO_ASSIGN_OR_RETURN(const auto guard, co_await mutex.LockShared());
        ++reads_after;
        co_await Yield();
      }
      co_return absl::OkStatus();
    };
    auto writer = [&](auto) -> Task<absl::Status> {
      reads_after = 0;
      PELTON_CO_ASSIGN_OR_RETURN(const auto guard, co_await mutex.Lock());
      EXPECT_LE(reads_after, 1) << "only a reader that was woken before may enter before it";
      written = true;
      co_return absl::OkStatus();
    };
    SharedMutex::SharedGuard held = *mutex.TryLockShared();
    waiters.Start(reader);
    harness.Turn();
    waiters.Start(writer);
    for (int i = 0; i < 50; ++i) harness.Turn();
    EXPECT_FALSE(written);
    held.Unlock();
    harness.RunReady();
    EXPECT_TRUE(written);
    EXPECT_EQ(waiters.ended(), 2u);
  });
}

TEST(SharedMutexTest, ReadersBehindAWriterWaitForIt) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    SharedMutex mutex;
    Log log(mutex);
    Waiters waiters(harness);
    SharedMutex::SharedGuard held = *mutex.TryLockShared();
    waiters.StartAll(1, log.Writer());
    waiters.StartAll(3, log.Reader());
    waiters.StartAll(1, log.Writer());
    waiters.StartAll(2, log.Reader());
    EXPECT_EQ(log.text(), "");
    EXPECT_FALSE(mutex.TryLockShared().has_value()) << "a try does not pass the line either";
    held.Unlock();
    harness.RunReady();
    EXPECT_EQ(log.text(), "wrrrwrr");
  });
}

TEST(SharedMutexTest, AWriterThatIsCancelledLetsTheReadersBehindItIn) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    SharedMutex mutex;
    Log log(mutex);
    Waiters waiters(harness);
    const SharedMutex::SharedGuard held = *mutex.TryLockShared();
    Waiters::Waiter& writer = waiters.Start(log.Writer());
    harness.RunReady();
    waiters.StartAll(2, log.Reader());
    writer.scope.Cancel();
    harness.RunReady();
    EXPECT_EQ(log.text(), "rr");
    EXPECT_TRUE(absl::IsCancelled(writer.status));
    EXPECT_EQ(mutex.readers(), 1u);
  });
}

TEST(SharedMutexTest, ADeadlineOfAWriterLetsTheReadersBehindItIn) {
  ForEachSeed([](TaskHarness& harness, Random&) {
    SharedMutex mutex;
    Log log(mutex);
    Waiters waiters(harness);
    const SharedMutex::SharedGuard held = *mutex.TryLockShared();
    auto writer = [&](auto arrive) -> Task<absl::Status> {
      arrive();
      co_return (co_await WithTimeout(absl::Seconds(1), mutex.Lock())).status();
    };
    Waiters::Waiter& late = waiters.Start(writer);
    harness.RunReady();
    Waiters::Waiter& reader = waiters.Start(log.Reader());
    harness.RunUntilIdle();
    EXPECT_TRUE(absl::IsDeadlineExceeded(late.status));
    EXPECT_TRUE(reader.status.ok());
    EXPECT_GE(reader.ended_at - Timestamp(), absl::Seconds(1));
  });
}

TEST(SharedMutexTest, GuardsMoveAndUnlockOnce) {
  SharedMutex mutex;
  SharedMutex::SharedGuard first = *mutex.TryLockShared();
  SharedMutex::SharedGuard second = *mutex.TryLockShared();
  EXPECT_EQ(mutex.readers(), 2u);
  EXPECT_FALSE(mutex.TryLock().has_value());
  first = std::move(second);
  EXPECT_EQ(mutex.readers(), 1u);
  EXPECT_FALSE(second.holds());
  first.Unlock();
  first.Unlock();
  EXPECT_EQ(mutex.readers(), 0u);
  const SharedMutex::Guard alone = *mutex.TryLock();
  EXPECT_TRUE(mutex.locked());
  EXPECT_FALSE(mutex.TryLockShared().has_value());
  EXPECT_FALSE(mutex.TryLock().has_value());
}

TEST(SharedMutexDeathTest, MustBeUnlockedBeforeItDies) {
  std::optional<SharedMutex> mutex(std::in_place);
  const SharedMutex::SharedGuard guard = *mutex->TryLockShared();
  EXPECT_DEATH(mutex.reset(), "a SharedMutex was destroyed while it is locked");
}

}  // namespace
}  // namespace pelton
