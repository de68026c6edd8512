// Every wait of sched/sync that another task ends, as cases for one typed test suite.
//
// Each case is a primitive in a state in which Wait() has to wait, until Release() lets the first in
// line go on (kWakesAll: everybody). Wait() gives back at once what it got.

#ifndef PELTON_TESTS_SCHED_SYNC_WAIT_CASES_H_
#define PELTON_TESTS_SCHED_SYNC_WAIT_CASES_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/sync/barrier.h"
#include "sched/sync/broadcast.h"
#include "sched/sync/channel.h"
#include "sched/sync/condition_variable.h"
#include "sched/sync/event.h"
#include "sched/sync/gate.h"
#include "sched/sync/latch.h"
#include "sched/sync/mutex.h"
#include "sched/sync/semaphore.h"
#include "sched/sync/shared_mutex.h"
#include "sched/task.h"
#include "tests/sched/sync/for_each_seed.h"

namespace pelton::testing {

// How many tasks the suite has wait at once.
inline constexpr int kWaiters = 5;

struct MutexCase {
  static constexpr bool kWakesAll = false;
  static constexpr char kName[] = "a Mutex";
  static constexpr char kPhrase[] = "held by no task, locked at";
  std::optional<Mutex> primitive{std::in_place};
  Mutex::Guard guard = *primitive->TryLock();
  Task<absl::Status> Wait(Waiters::Arrival arrive) {
    arrive();
    co_return (co_await primitive->Lock()).status();
  }
  void Release() { guard.Unlock(); }
};

struct WriterCase {
  static constexpr bool kWakesAll = false;
  static constexpr char kName[] = "a SharedMutex";
  static constexpr char kPhrase[] = "to write, held by 1 readers";
  std::optional<SharedMutex> primitive{std::in_place};
  SharedMutex::SharedGuard guard = *primitive->TryLockShared();
  Task<absl::Status> Wait(Waiters::Arrival arrive) {
    arrive();
    co_return (co_await primitive->Lock()).status();
  }
  void Release() { guard.Unlock(); }
};

struct ReaderCase {
  static constexpr bool kWakesAll = true;
  static constexpr char kName[] = "a SharedMutex";
  static constexpr char kPhrase[] = "to read, held by a writer";
  std::optional<SharedMutex> primitive{std::in_place};
  SharedMutex::Guard guard = *primitive->TryLock();
  Task<absl::Status> Wait(Waiters::Arrival arrive) {
    arrive();
    co_return (co_await primitive->LockShared()).status();
  }
  void Release() { guard.Unlock(); }
};

struct SemaphoreCase {
  static constexpr bool kWakesAll = false;
  static constexpr char kName[] = "a Semaphore";
  static constexpr char kPhrase[] = "3 permits of semaphore";
  std::optional<Semaphore> primitive{std::in_place, 5};
  Semaphore::Permits permits = *primitive->TryAcquire(3);
  Task<absl::Status> Wait(Waiters::Arrival arrive) {
    arrive();
    co_return (co_await primitive->Acquire(3)).status();
  }
  void Release() { permits.Release(); }
};

struct ConditionVariableCase {
  static constexpr bool kWakesAll = false;
  static constexpr char kName[] = "a ConditionVariable";
  static constexpr char kPhrase[] = "condition variable 0x";
  Mutex mutex;
  std::optional<ConditionVariable> primitive{std::in_place};
  Task<absl::Status> Wait(Waiters::Arrival arrive) {
    arrive();
    absl::StatusOr<Mutex::Guard> guard = co_await mutex.Lock();
    if (!guard.ok()) co_return guard.status();
    co_return co_await primitive->Wait(*guard);
  }
  void Release() { primitive->NotifyOne(); }
};

struct EventCase {
  static constexpr bool kWakesAll = true;
  static constexpr char kName[] = "an Event";
  static constexpr char kPhrase[] = "event 0x";
  std::optional<Event> primitive{std::in_place};
  Task<absl::Status> Wait(Waiters::Arrival arrive) {
    arrive();
    co_return co_await primitive->Wait();
  }
  void Release() { primitive->Set(); }
};

struct LatchCase {
  static constexpr bool kWakesAll = true;
  static constexpr char kName[] = "a Latch";
  static constexpr char kPhrase[] = "with 1 left";
  std::optional<Latch> primitive{std::in_place, 1};
  Task<absl::Status> Wait(Waiters::Arrival arrive) {
    arrive();
    co_return co_await primitive->Wait();
  }
  void Release() {
    if (!primitive->open()) primitive->CountDown();
  }
};

struct BarrierCase {
  static constexpr bool kWakesAll = true;
  static constexpr char kName[] = "a Barrier";
  static constexpr char kPhrase[] = "1 of 6 have arrived";
  std::optional<Barrier> primitive{std::in_place, kWaiters + 1};
  Task<absl::Status> Wait(Waiters::Arrival arrive) {
    arrive();
    co_return co_await primitive->ArriveAndWait();
  }
  // Drops participants until the phase ends.
  void Release() {
    const uint64_t phase = primitive->phase();
    while (primitive->phase() == phase && primitive->participants() > 1) {
      primitive->ArriveAndDrop();
    }
  }
};

template <size_t kCapacity>
struct SendCase {
  static constexpr bool kWakesAll = false;
  static constexpr char kName[] = "a Channel";
  static constexpr char kPhrase[] = "room in channel";
  std::optional<Channel<int>> primitive{std::in_place, kCapacity};
  SendCase() {
    while (primitive->TrySend(0) == SendResult::kSent) {
    }
  }
  Task<absl::Status> Wait(Waiters::Arrival arrive) {
    arrive();
    co_return co_await primitive->Send(1);
  }
  void Release() { (void)primitive->TryReceive(); }
};

template <size_t kCapacity>
struct ReceiveCase {
  static constexpr bool kWakesAll = false;
  static constexpr char kName[] = "a Channel";
  static constexpr char kPhrase[] = "a value from channel";
  std::optional<Channel<int>> primitive{std::in_place, kCapacity};
  Task<absl::Status> Wait(Waiters::Arrival arrive) {
    arrive();
    co_return (co_await primitive->Receive()).status();
  }
  void Release() { (void)primitive->TrySend(1); }
};

struct PublishCase {
  static constexpr bool kWakesAll = false;
  static constexpr char kName[] = "a Broadcast";
  static constexpr char kPhrase[] = "the slowest of 1 subscribers";
  std::optional<Broadcast<int>> primitive{std::in_place, Broadcast<int>::Options{.capacity = 1}};
  Broadcast<int>::Subscription subscription = primitive->Subscribe();
  PublishCase() { EXPECT_EQ(primitive->TryPublish(0), PublishResult::kPublished); }
  Task<absl::Status> Wait(Waiters::Arrival arrive) {
    arrive();
    co_return co_await primitive->Publish(1);
  }
  void Release() { (void)subscription.TryReceive(); }
};

struct SubscriberCase {
  static constexpr bool kWakesAll = true;
  static constexpr char kName[] = "a Broadcast";
  static constexpr char kPhrase[] = "a value from broadcast";
  std::optional<Broadcast<int>> primitive{
      std::in_place, Broadcast<int>::Options{.slow_subscriber = SlowSubscriber::kLosesOldest}};
  Task<absl::Status> Wait(Waiters::Arrival arrive) {
    Broadcast<int>::Subscription subscription = primitive->Subscribe();
    arrive();
    co_return (co_await subscription.Receive()).status();
  }
  void Release() { (void)primitive->TryPublish(1); }
};

struct GateCase {
  static constexpr bool kWakesAll = true;
  static constexpr char kName[] = "a Gate";
  static constexpr char kPhrase[] = "1 to leave gate";
  std::optional<Gate> primitive{std::in_place};
  Gate::Pass pass = *primitive->Enter();
  Task<absl::Status> Wait(Waiters::Arrival arrive) {
    arrive();
    co_return co_await primitive->Close();
  }
  void Release() { pass.Leave(); }
};

using WaitCases =
    ::testing::Types<MutexCase, WriterCase, ReaderCase, SemaphoreCase, ConditionVariableCase,
                     EventCase, LatchCase, BarrierCase, SendCase<0>, SendCase<2>, ReceiveCase<0>,
                     ReceiveCase<2>, PublishCase, SubscriberCase, GateCase>;

}  // namespace pelton::testing

#endif  // PELTON_TESTS_SCHED_SYNC_WAIT_CASES_H_
