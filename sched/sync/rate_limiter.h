// RateLimiter: lets so much happen in a time, by a token bucket.
//
//   RateLimiter limiter({.tokens = 100, .per = absl::Seconds(1), .burst = 10});
//   PELTON_CO_RETURN_IF_ERROR(co_await limiter.Acquire());      // waits for its turn
//
// The bucket is full at the beginning, fills at the rate, and holds `burst` tokens.
//
// Shard affinity: the owning shard alone, by its clock: time is that of the turn's beginning.
// Ownership: outlives the tasks that wait for it (checked).
// Invariants: 1. in any time t at most burst + t * tokens / per are granted, plus what a late timer
// owes: lateness of up to a millisecond is made up for while tasks wait, so that they get the whole
// rate; 2. granted in the order of arrival: a big request is not overtaken by small ones; 3. never
// early; 4. a request that is told to stop takes nothing, and lets the next come forward; when a
// grant and a stop meet, the first wins.
// Cost: a few ns when enough is there, no allocation; one timer for all that wait.

#ifndef PELTON_SCHED_SYNC_RATE_LIMITER_H_
#define PELTON_SCHED_SYNC_RATE_LIMITER_H_

#include <cstdint>
#include <ostream>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "sched/scheduler.h"
#include "sched/sync/internal/wait_queue.h"

namespace pelton {

class RateLimiter final : private Timer {
 public:
  struct Options {
    // The rate: this many tokens in this time. REQUIRES: tokens > 0; `per` is a nanosecond or more, and
    // finite.
    uint64_t tokens = 1;
    absl::Duration per = absl::Seconds(1);
    // How many tokens gather while nobody takes any; also the biggest request. REQUIRES: burst > 0.
    uint64_t burst = 1;
  };

  explicit RateLimiter(const Options& options);
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;
  ~RateLimiter();

  // `co_await` yields an absl::Status: OK once `count` tokens were taken; INVALID_ARGUMENT when it is
  // more than the burst, which would never be there; or the stop status of a task that is told to
  // stop.
  [[nodiscard]] auto Acquire(uint64_t count = 1) { return AcquireAwaiter(*this, count); }

  // Takes the tokens when they are there and nobody is in line. Never waits. REQUIRES: called on a
  // shard.
  [[nodiscard]] bool TryAcquire(uint64_t count = 1) { return line_.empty() && TryTake(count); }

  // How many whole tokens are there. REQUIRES: called on a shard.
  uint64_t available();

 private:
  // Tokens times period_ns_, so that every nanosecond adds a whole number of them.
  __extension__ using Level = unsigned __int128;

  class [[nodiscard("co_await it")]] AcquireAwaiter final
      : public sched_internal::QueuedAwaiter<AcquireAwaiter> {
   public:
    AcquireAwaiter(RateLimiter& limiter, uint64_t count) : limiter_(limiter), count_(count) {}
    absl::Status await_resume() const {
      if (count_ > limiter_.burst_ && !stopped()) [[unlikely]]
        return limiter_.TooMany(count_);
      return Outcome();
    }
    void Describe(std::ostream& out) const override { limiter_.Describe(out, count_); }

   private:
    friend class sched_internal::QueuedAwaiter<AcquireAwaiter>;
    friend class RateLimiter;
    bool TryFinish() { return count_ > limiter_.burst_ || limiter_.TryAcquire(count_); }
    sched_internal::WaitQueue& line() { return limiter_.line_; }
    void Enqueue() {
      limiter_.line_.PushBack(*this);
      if (!limiter_.armed()) limiter_.GrantFromLine();
    }
    void GaveUp() { limiter_.GrantFromLine(); }

    RateLimiter& limiter_;
    const uint64_t count_;
  };

  bool TryTake(uint64_t count) {
    Refill();
    const Level needed = Level{count} * period_ns_;
    if (needed > level_) return false;
    level_ -= needed;
    return true;
  }
  // Adds what has come since the last call.
  void Refill() {
    const Timestamp now = Scheduler::Current()->now();
    if (now == refilled_at_ && line_.empty()) [[likely]]
      return;
    RefillAt(now);
  }
  void RefillAt(Timestamp now);
  // Grants what is there to those in line, and arms the timer for the first that has to wait.
  void GrantFromLine();
  void Fire() override { GrantFromLine(); }
  absl::Status TooMany(uint64_t count) const;
  void Describe(std::ostream& out, uint64_t count) const;

  const uint64_t tokens_;
  const uint64_t period_ns_;
  const uint64_t burst_;
  Level level_;
  Timestamp refilled_at_;
  sched_internal::WaitQueue line_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_SYNC_RATE_LIMITER_H_
