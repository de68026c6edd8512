// Sees when a turn of a shard's loop lasts too long, and what the shard does then.
//
//   detector.BeginTurn(now);          // the shard, in every turn
//   detector.BeginIdle(now);          // the shard, when it has nothing to do
//   if (now - turn >= threshold) detector.RequestCapture(turn);    // a watching thread, now and then
//   if (const Stall* stall = detector.stall()) ...                 // ... and a moment later
//
// The shard only says when its turns begin; a watching thread (framework/stall_reporter.h) reads
// that. It sends a signal to a shard whose turn has lasted too long, and to no other: a healthy
// shard is never interrupted, in no system call either. The handler copies the stacks into memory
// that was set aside. A turn that was too long and that nobody looked at (the watching thread got no
// CPU either) is noted by the shard when it ends. An idle shard rings once when it wakes, if the
// watching thread rests.
//
// Shard affinity: the members are marked. Ownership: outlives the shard's thread and the watching
// thread's last look.
// Invariants: 1. a turn makes at most one Stall; 2. whoever moved `state_` away from kFree or
// kRequested writes the Stall, and the watching thread alone frees it.
// Cost: a turn pays a load, a store and a compare; waking from idleness a barrier.

#ifndef PELTON_SCHED_STALL_DETECTOR_H_
#define PELTON_SCHED_STALL_DETECTOR_H_

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "framework/base/cache_line.h"
#include "framework/base/compiler.h"
#include "sched/backtrace.h"
#include "sched/mailbox.h"
#include "sched/native_stack.h"
#include "sched/scheduler.h"
#include "sched/timestamp.h"

namespace pelton {

// Wakes the watching thread. One for all shards that it watches.
class StallBell {
 public:
  StallBell();
  ~StallBell();
  StallBell(const StallBell&) = delete;
  StallBell& operator=(const StallBell&) = delete;

  // Any thread; async-signal-safe.
  void Ring();
  // A shard that was idle: rings when the watching thread rests.
  void RingIfResting();

  // The watching thread: waits until somebody rings or `until` has come.
  void WaitUntil(Timestamp until);
  // The watching thread: announces a rest. It looks at its shards once more, and then waits.
  void PrepareToRest() { resting_.PrepareToSleep(); }
  void EndRest() { resting_.WakeUp(); }

 private:
  sem_t rings_;
  SleepFlag resting_;
};

// What was seen of a turn that lasted too long.
struct Stall {
  int64_t turn = 0;  // when it began, in the clock's nanoseconds
  // Whether somebody looked while it went on; without that there is nothing below.
  bool captured = false;
  int64_t captured_at = 0;
  bool in_task = false;  // else in the loop itself: delivering, submitting, reaping
  SchedulingGroup group;
  NativeStack native;
  Backtrace tasks;  // of the running task
};

class alignas(kCacheLineBytes) StallDetector {
 public:
  // What turn() is while the shard has nothing to do.
  static constexpr int64_t kIdle = -(int64_t{1} << 62);

  // `bell` must outlive the detector. REQUIRES: threshold > 0.
  StallDetector(absl::Duration threshold, StallBell& bell);
  ~StallDetector();
  StallDetector(const StallDetector&) = delete;
  StallDetector& operator=(const StallDetector&) = delete;

  // The shard
  // ----------------------------------------------------------------------------------------------

  // From here on the calling thread may be looked at, as one that runs `scheduler`. Gives the thread
  // a stack for signals, so that a handler fits when a fiber's small stack is in use.
  void Attach(Scheduler& scheduler);
  // Undoes Attach(). The same thread.
  void Detach();

  // A turn begins, and the one before ends.
  void BeginTurn(Timestamp now) { Change(now.nanoseconds(), now.nanoseconds()); }
  // The turn ends, and nothing is to be done until the next one begins.
  void BeginIdle(Timestamp now) { Change(kIdle, now.nanoseconds()); }

  // The watching thread
  // ----------------------------------------------------------------------------------------------

  // When the turn that goes on began, in the clock's nanoseconds; kIdle when none does.
  int64_t turn() const { return turn_.load(std::memory_order_acquire); }
  // Has the shard's thread look at itself if it is still in `turn`; stall() tells what it saw, and
  // the bell rings. Returns false when there is a stall() already.
  bool RequestCapture(int64_t turn);
  // Takes the request back. Returns false when it has been obeyed.
  bool WithdrawRequest();
  // What is to be reported; null when there is nothing. Stays until Release().
  const Stall* stall() const {
    return state_.load(std::memory_order_acquire) == State::kFilled ? stall_.get() : nullptr;
  }
  // When the turn of stall() ended; 0 while it goes on. REQUIRES: stall() is not null.
  int64_t ended_at() const { return ended_at_.load(std::memory_order_acquire); }
  // Frees stall(). No other of the same turn follows.
  void Release();
  // No stall of `turn` is to be noted any more.
  void Settle(int64_t turn) { settled_turn_.store(turn, std::memory_order_release); }
  int64_t settled_turn() const { return settled_turn_.load(std::memory_order_relaxed); }
  // How many turns were too long while stall() was not yet released, since this was asked last.
  uint64_t TakeMissed() { return missed_.exchange(0, std::memory_order_relaxed); }

  absl::Duration threshold() const { return absl::Nanoseconds(threshold_ns_); }
  // The signal that asks a thread to look at itself. One for the process, the highest real-time
  // signal that had no handler when the first detector was attached.
  static int signal();

 private:
  enum class State : uint8_t {
    kFree,
    kRequested,  // by the watching thread
    kWriting,    // the shard's thread fills in stall_
    kFilled,     // the watching thread reads stall_
  };

  static void OnSignal(int number, siginfo_t* info, void* context);
  static int InstallHandler();

  void Change(int64_t turn, int64_t now) {
    const int64_t before = turn_.load(std::memory_order_relaxed);
    // Release: the watching thread sees what Attach() wrote. Costs nothing on x86.
    turn_.store(turn, std::memory_order_release);
    if (now - before >= threshold_ns_) [[unlikely]]
      ChangeSlow(before, now);
  }
  // The shard was idle, or its turn was too long.
  PELTON_COLD void ChangeSlow(int64_t before, int64_t now);
  void Capture(const ucontext_t& context);
  bool Claim(State from, State to);

  static inline PELTON_SHARD_LOCAL StallDetector* current_ = nullptr;

  // Written by the shard in each turn; read by both.
  std::atomic<int64_t> turn_ = kIdle;
  const int64_t threshold_ns_;
  StallBell& bell_;
  Scheduler* scheduler_ = nullptr;
  pthread_t thread_ = {};
  const std::unique_ptr<Stall> stall_;
  std::unique_ptr<unsigned char[]> signal_stack_;
  stack_t previous_signal_stack_ = {};
  // Written seldom.
  alignas(kCacheLineBytes) std::atomic<State> state_ = State::kFree;
  std::atomic<int64_t> suspect_ = kIdle;  // the turn that RequestCapture() is about
  std::atomic<int64_t> ended_at_ = 0;
  std::atomic<int64_t> settled_turn_ = kIdle;
  std::atomic<uint64_t> missed_ = 0;
};

}  // namespace pelton

#endif  // PELTON_SCHED_STALL_DETECTOR_H_
