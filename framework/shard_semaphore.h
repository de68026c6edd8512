// ShardSemaphore: counted permits for the tasks of all shards, kept by one of them.
//
//   ShardSemaphore uploads(/*home=*/ShardId(0), /*permits=*/8);            // where all shards see it
//   PELTON_CO_ASSIGN_OR_RETURN(ShardSemaphore::Permits permit, co_await uploads.Acquire());   // on any shard
//
// What a Semaphore (sched/sync/semaphore.h) is on one shard. When a few permits are enough for each
// shard, a Semaphore on each is much cheaper.
//
// Shard affinity: any shard's tasks, where nothing else is said. It may be made anywhere, also
// before the service runs, and dies on its home shard or after the service has ended (checked).
// Permits may move between shards, and die on any (checked).
// Ownership: outlives its permits, until they are back home, and the tasks that wait for it
// (checked). Who wants to destroy it at home waits by acquiring all permits.
// Invariants: those of Semaphore, in the order in which requests come home: one shard's do so in the
// order in which they were made. Permits that die elsewhere go home by mail: the destructor neither
// waits nor fails, and they count as work of the service until they are back.
// Cost: one small allocation for Permits. From elsewhere also two messages for acquiring and one for
// giving back; at home none.

#ifndef PELTON_FRAMEWORK_SHARD_SEMAPHORE_H_
#define PELTON_FRAMEWORK_SHARD_SEMAPHORE_H_

#include <cstdint>
#include <memory>
#include <ostream>
#include <utility>

#include "absl/status/statusor.h"
#include "framework/base/cache_line.h"
#include "framework/base/shard_id.h"
#include "framework/internal/home_request.h"
#include "framework/mail.h"

namespace pelton {

class ShardSemaphore {
  // The permits with the message that takes them home, so that a destructor never has to allocate.
  struct Parcel : MailNode {
    Parcel(ShardSemaphore* owner, uint64_t permits) : semaphore(owner), count(permits) {}
    ShardSemaphore* semaphore;
    uint64_t count;
  };

 public:
  // Permits of a semaphore, which go home when this dies. Move-only.
  class [[nodiscard]] Permits {
   public:
    // No permits, to be assigned to.
    Permits() = default;
    Permits(Permits&& other) noexcept = default;
    Permits& operator=(Permits&& other) noexcept {
      Permits taken(std::move(other));
      parcel_.swap(taken.parcel_);
      return *this;
    }
    // REQUIRES: called on a shard, unless there are none.
    ~Permits() { Release(); }

    uint64_t count() const { return parcel_ == nullptr ? 0 : parcel_->count; }
    // Gives all of them back now: at home at once, else by mail.
    void Release() {
      if (parcel_ != nullptr) SendHome(std::move(parcel_));
    }
    // Takes `count` of them out, as Permits of their own. REQUIRES: count <= this->count().
    Permits Split(uint64_t count);

   private:
    friend class ShardSemaphore;
    explicit Permits(std::unique_ptr<Parcel> parcel) : parcel_(std::move(parcel)) {}

    std::unique_ptr<Parcel> parcel_;
  };

  ShardSemaphore(ShardId home, uint64_t permits) : home_(home), available_(permits) {}
  ShardSemaphore(const ShardSemaphore&) = delete;
  ShardSemaphore& operator=(const ShardSemaphore&) = delete;
  ~ShardSemaphore();

  // `co_await` yields an absl::StatusOr<Permits>: the permits once it is this task's turn and enough
  // are available, or the stop status of a task that is told to stop. A request for more than there
  // will ever be waits until it is told to stop.
  [[nodiscard]] auto Acquire(uint64_t count = 1) { return AcquireAwaiter(*this, count); }

  // The shard that keeps the permits.
  ShardId home() const { return home_; }
  // How many could be had at once. REQUIRES: on the home shard.
  uint64_t available() const;

 private:
  class [[nodiscard("co_await it")]] AcquireAwaiter final : public framework_internal::HomeRequest {
   public:
    AcquireAwaiter(ShardSemaphore& semaphore, uint64_t count)
        : HomeRequest(semaphore.home_), parcel_(std::make_unique<Parcel>(&semaphore, count)) {}
    absl::StatusOr<Permits> await_resume() {
      if (stopped()) [[unlikely]]
        return StopStatus();
      return Permits(std::move(parcel_));
    }
    void Describe(std::ostream& out) const override;

   private:
    friend class ShardSemaphore;
    ShardSemaphore& semaphore() { return *parcel_->semaphore; }
    bool TryFinish() override { return semaphore().TryTake(parcel_->count); }
    framework_internal::HomeLine& line() override { return semaphore().line_; }
    void GaveUp() override { semaphore().GrantFromLine(); }

    std::unique_ptr<Parcel> parcel_;
  };

  static void SendHome(std::unique_ptr<Parcel> parcel);

  // The rest runs at home.
  bool TryTake(uint64_t count) {
    if (count > available_ || !line_.empty()) return false;
    Take(count);
    return true;
  }
  void Take(uint64_t count) {
    available_ -= count;
    held_ += count;
  }
  void TakeBack(uint64_t count);
  void GrantFromLine();

  // Read by all shards.
  const ShardId home_;
  // The home shard's alone.
  alignas(kCacheLineBytes) uint64_t available_;
  uint64_t held_ = 0;  // by Permits, by requests that were granted, and on their way home
  framework_internal::HomeLine line_;
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_SHARD_SEMAPHORE_H_
