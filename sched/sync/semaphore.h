// Semaphore: counted permits, for bounding how much of something is in use.
//
//   Semaphore memory(64 << 20);
//   PELTON_CO_ASSIGN_OR_RETURN(Semaphore::Permits permits, co_await memory.Acquire(bytes));
//
// Shard affinity: the owning shard alone.
// Ownership: outlives its Permits and the tasks that wait for it (checked).
// Invariants: 1. granted in the order of arrival, whatever the sizes: a big request is not overtaken
// by small ones that would fit; 2. the first in line asks for more than is available; 3. a request that
// is told to stop takes nothing, and those behind it that fit are granted at once; 4. when a
// grant and a stop meet, the first wins.
// A request for more permits than there will ever be waits until it is told to stop.
// Cost: a few ns when enough is available, no allocation.

#ifndef PELTON_SCHED_SYNC_SEMAPHORE_H_
#define PELTON_SCHED_SYNC_SEMAPHORE_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <utility>

#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "sched/sync/internal/wait_queue.h"

namespace pelton {

class Semaphore {
 public:
  // Permits of a semaphore, which go back when this dies. Move-only.
  class [[nodiscard]] Permits {
   public:
    // No permits, to be assigned to.
    Permits() = default;
    Permits(Permits&& other) noexcept
        : semaphore_(std::exchange(other.semaphore_, nullptr)),
          count_(std::exchange(other.count_, 0)) {}
    Permits& operator=(Permits&& other) noexcept {
      if (this != &other) {
        Release();
        semaphore_ = std::exchange(other.semaphore_, nullptr);
        count_ = std::exchange(other.count_, 0);
      }
      return *this;
    }
    ~Permits() { Release(); }

    uint64_t count() const { return count_; }
    // Gives all of them back now.
    void Release() {
      if (semaphore_ == nullptr) return;
      Semaphore& semaphore = *std::exchange(semaphore_, nullptr);
      const uint64_t count = std::exchange(count_, 0);
      semaphore.held_ -= count;
      semaphore.Release(count);
    }
    // Gives `count` of them back now. REQUIRES: count <= this->count().
    void Release(uint64_t count) { Split(count).Release(); }
    // Takes `count` of them out, as Permits of their own. REQUIRES: count <= this->count().
    Permits Split(uint64_t count) {
      PELTON_CHECK(count <= count_) << count << " permits split off " << count_;
      if (count == 0) return Permits();
      count_ -= count;
      return Permits(*semaphore_, count);
    }
    // Leaves it to the caller to give them back, by Semaphore::Release(). Returns how many.
    [[nodiscard]] uint64_t Detach() {
      if (semaphore_ == nullptr) return 0;
      std::exchange(semaphore_, nullptr)->held_ -= count_;
      return std::exchange(count_, 0);
    }

   private:
    friend class Semaphore;
    Permits(Semaphore& semaphore, uint64_t count) : semaphore_(&semaphore), count_(count) {}

    Semaphore* semaphore_ = nullptr;
    uint64_t count_ = 0;
  };

  explicit Semaphore(uint64_t permits) : available_(permits) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;
  ~Semaphore();

  // `co_await` yields an absl::StatusOr<Permits>: the permits once it is this task's turn and enough
  // are available, or the stop status of a task that is told to stop. A request for none waits
  // for its turn.
  [[nodiscard]] auto Acquire(uint64_t count = 1) { return AcquireAwaiter(*this, count); }

  // Takes permits when enough are available and nobody is in line. Never waits.
  std::optional<Permits> TryAcquire(uint64_t count = 1) {
    if (!TryTake(count)) return std::nullopt;
    return Permits(*this, count);
  }

  // Makes `count` more permits available, whoever took them: those of Permits::Detach(), or new ones.
  void Release(uint64_t count = 1);

  uint64_t available() const { return available_; }

 private:
  class [[nodiscard("co_await it")]] AcquireAwaiter final
      : public sched_internal::QueuedAwaiter<AcquireAwaiter> {
   public:
    AcquireAwaiter(Semaphore& semaphore, uint64_t count) : semaphore_(semaphore), count_(count) {}
    absl::StatusOr<Permits> await_resume() {
      if (stopped()) [[unlikely]]
        return Outcome();
      return Permits(semaphore_, count_);
    }
    void Describe(std::ostream& out) const override { semaphore_.Describe(out, count_); }

   private:
    friend class sched_internal::QueuedAwaiter<AcquireAwaiter>;
    friend class Semaphore;
    bool TryFinish() { return semaphore_.TryTake(count_); }
    sched_internal::WaitQueue& line() { return semaphore_.line_; }
    void GaveUp() { semaphore_.GrantFromLine(); }

    Semaphore& semaphore_;
    const uint64_t count_;
  };

  bool TryTake(uint64_t count) {
    if (count > available_ || !line_.empty()) return false;
    Take(count);
    return true;
  }
  void Take(uint64_t count) {
    available_ -= count;
    held_ += count;
  }
  void GrantFromLine();
  void Describe(std::ostream& out, uint64_t count) const;

  uint64_t available_;
  uint64_t held_ = 0;  // by Permits, and by requests that were granted and have not run yet
  sched_internal::WaitQueue line_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_SYNC_SEMAPHORE_H_
