// Broadcast<T>: every subscriber sees every value that is published while it is subscribed.
//
//   Broadcast<Config> changes({.capacity = 8});
//   Broadcast<Config>::Subscription mine = changes.Subscribe();
//   PELTON_CO_RETURN_IF_ERROR(co_await changes.Publish(std::move(config)));
//   PELTON_CO_ASSIGN_OR_RETURN(std::optional<Config> change, co_await mine.Receive());
//
// A slow subscriber is one that has `capacity` values to read: by default it delays the publisher;
// with kLosesOldest the publisher never waits, the subscriber's oldest value is dropped, and its next
// Receive() says how many were.
//
// Shard affinity: the owning shard alone.
// Ownership: owns the values until the last subscriber has read them; outlives its subscriptions
// and the tasks that wait for it (checked).
// Invariants: 1. each subscriber sees the values in the order of publishing, from its Subscribe() on;
// 2. publishers are served in the order of arrival, and are in line only while the buffer is full;
// 3. a value is moved from the publisher at the moment at which it is published: an error leaves it as
// it was; 4. a subscriber that is told to stop while it waits has read nothing: the value is there
// for its next Receive(). Once one is there, a stop comes too late.
// Cost: one allocation when it is made. Publishing is linear in the subscribers that wait; reading
// copies the value, and moves it for the last that reads it.

#ifndef PELTON_SCHED_SYNC_BROADCAST_H_
#define PELTON_SCHED_SYNC_BROADCAST_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "sched/sync/internal/bounded_ring.h"
#include "sched/sync/internal/wait_queue.h"

namespace pelton {

// What a subscriber does that has as many values to read as the buffer holds.
enum class SlowSubscriber : uint8_t { kDelaysPublisher, kLosesOldest };

// What became of a value that was to be published without waiting.
enum class PublishResult : uint8_t { kPublished, kFull, kClosed };

// T is copyable, and its move constructor throws nothing.
template <typename T>
class Broadcast {
  class ReceiveAwaiter;

 public:
  struct Options {
    // How many values are kept for those that have not read them. At least 1.
    size_t capacity = 16;
    SlowSubscriber slow_subscriber = SlowSubscriber::kDelaysPublisher;
  };

  // Reads what is published; unsubscribes when it dies. Move-only; stays where it is while a task
  // waits in Receive().
  class [[nodiscard]] Subscription {
   public:
    // Subscribes to nothing, to be assigned to.
    Subscription() = default;
    Subscription(Subscription&& other) noexcept { Swap(other); }
    Subscription& operator=(Subscription&& other) noexcept {
      Subscription(std::move(other)).Swap(*this);
      return *this;
    }
    ~Subscription() {
      PELTON_CHECK(!receiving_) << "a Subscription was destroyed while a task receives from it";
      if (broadcast_ != nullptr) broadcast_->Unsubscribe(next_);
    }

    // `co_await` yields an absl::StatusOr<std::optional<T>>: the next value; std::nullopt when the
    // broadcast is closed and everything is read; DATA_LOSS, once for each gap, when values were
    // dropped before it read them; or the stop status of a task that is told to stop. One task at a
    // time may receive.
    [[nodiscard]] auto Receive() { return ReceiveAwaiter(*this); }

    // Reads the next value, passing over what was lost, without waiting; nothing when there is none now.
    // REQUIRES: nobody waits in Receive().
    [[nodiscard]] std::optional<T> TryReceive() {
      PELTON_CHECK(!receiving_) << "two tasks receive from one Subscription";
      SkipLost();
      return broadcast_->Read(next_);
    }

    // How many values it has lost since it subscribed, as far as it has noticed.
    uint64_t lost() const { return lost_; }

   private:
    friend class Broadcast;
    explicit Subscription(Broadcast& broadcast) : broadcast_(&broadcast), next_(broadcast.End()) {}

    void Swap(Subscription& other) {
      PELTON_CHECK(!receiving_ && !other.receiving_)
          << "a Subscription was moved while a task receives from it";
      std::swap(broadcast_, other.broadcast_);
      std::swap(next_, other.next_);
      std::swap(lost_, other.lost_);
    }
    bool HasNews() const { return next_ != broadcast_->End() || broadcast_->closed_; }
    uint64_t SkipLost() {
      const uint64_t lost = std::max(next_, broadcast_->oldest_) - next_;
      next_ += lost;
      lost_ += lost;
      return lost;
    }

    Broadcast* broadcast_ = nullptr;
    uint64_t next_ = 0;  // the number of the value to read next
    uint64_t lost_ = 0;
    bool receiving_ = false;
  };

  Broadcast() : Broadcast(Options()) {}
  explicit Broadcast(const Options& options)
      : values_(options.capacity), slow_subscriber_(options.slow_subscriber) {
    PELTON_CHECK(options.capacity > 0) << "a Broadcast without room for a value";
  }
  Broadcast(const Broadcast&) = delete;
  Broadcast& operator=(const Broadcast&) = delete;
  ~Broadcast() {
    publishers_.CheckEmpty("a Broadcast");
    receivers_.CheckEmpty("a Broadcast");
    PELTON_CHECK(subscribers_ == 0)
        << "a Broadcast was destroyed before " << subscribers_ << " of its subscriptions";
  }

  // A subscription to all that is published from now on.
  Subscription Subscribe() {
    ++subscribers_;
    return Subscription(*this);
  }

  // `co_await` yields an absl::Status: OK once the value is published, at once when there are no
  // subscribers; FAILED_PRECONDITION when the broadcast is closed, also while this waits; or the stop
  // status of a task that is told to stop. `value` stays where it is until then: await within the
  // same expression.
  [[nodiscard]] auto Publish(T&& value [[clang::lifetimebound]]) {
    return PublishAwaiter(*this, value);
  }

  // Publishes without waiting. `value` is moved from only when the result is kPublished.
  [[nodiscard]] PublishResult TryPublish(T&& value) {
    if (closed_) return PublishResult::kClosed;
    return Put(value) ? PublishResult::kPublished : PublishResult::kFull;
  }

  // Lets no further value in: publishers, also those that wait, get FAILED_PRECONDITION. Subscribers
  // get what they have not read, then std::nullopt. Idempotent.
  void Close() {
    closed_ = true;
    publishers_.WakeAll();
    receivers_.WakeAll();
  }
  bool closed() const { return closed_; }
  size_t subscribers() const { return subscribers_; }
  // How many values some subscriber has not read.
  size_t size() const { return values_.size(); }

 private:
  struct Slot {
    T value;
    size_t unread;  // by how many subscribers; never more than in the slot after it
  };

  class [[nodiscard("co_await it")]] PublishAwaiter final
      : public sched_internal::QueuedAwaiter<PublishAwaiter> {
   public:
    PublishAwaiter(Broadcast& broadcast, T& value) : broadcast_(broadcast), value_(value) {}
    absl::Status await_resume() const {
      if (published_) [[likely]]
        return absl::OkStatus();
      if (this->stopped()) return this->Outcome();
      return absl::FailedPreconditionError("published on a broadcast that is closed");
    }
    void Describe(std::ostream& out) const override {
      out << "the slowest of " << broadcast_.subscribers_ << " subscribers of broadcast "
          << static_cast<const void*>(&broadcast_);
    }

   private:
    friend class sched_internal::QueuedAwaiter<PublishAwaiter>;
    friend class Broadcast;
    bool TryFinish() {
      if (broadcast_.closed_) return true;
      published_ = broadcast_.Put(value_);
      return published_;
    }
    sched_internal::WaitQueue& line() { return broadcast_.publishers_; }

    Broadcast& broadcast_;
    T& value_;
    bool published_ = false;
  };

  class [[nodiscard("co_await it")]] ReceiveAwaiter final
      : public sched_internal::QueuedAwaiter<ReceiveAwaiter> {
   public:
    explicit ReceiveAwaiter(Subscription& subscription) : subscription_(subscription) {
      PELTON_CHECK(!subscription.receiving_) << "two tasks receive from one Subscription";
      subscription.receiving_ = true;
    }
    absl::StatusOr<std::optional<T>> await_resume() {
      subscription_.receiving_ = false;
      if (this->stopped()) [[unlikely]]
        return this->Outcome();
      if (const uint64_t lost = subscription_.SkipLost(); lost > 0) [[unlikely]] {
        return absl::DataLossError(
            absl::StrCat("a slow subscriber of a broadcast lost ", lost, " values"));
      }
      return subscription_.broadcast_->Read(subscription_.next_);
    }
    void Describe(std::ostream& out) const override {
      out << "a value from broadcast " << static_cast<const void*>(subscription_.broadcast_);
    }

   private:
    friend class sched_internal::QueuedAwaiter<ReceiveAwaiter>;
    bool TryFinish() const { return subscription_.HasNews(); }
    sched_internal::WaitQueue& line() { return subscription_.broadcast_->receivers_; }

    Subscription& subscription_;
  };

  // The number of the value that is published next.
  uint64_t End() const { return oldest_ + values_.size(); }

  // Publishes `value` if there is room. REQUIRES: !closed_.
  bool Put(T& value) {
    if (subscribers_ == 0) {
      static_cast<void>(T(std::move(value)));  // nobody will see it
      return true;
    }
    if (values_.full()) {
      if (slow_subscriber_ == SlowSubscriber::kDelaysPublisher) return false;
      DropOldest();
    }
    values_.PushBack(Slot{std::move(value), subscribers_});
    receivers_.WakeAll();
    return true;
  }

  // The value of number `next`, which becomes the next number; nothing when it is not published yet.
  std::optional<T> Read(uint64_t& next) {
    if (next == End()) return std::nullopt;
    Slot& slot = values_[next - oldest_];
    std::optional<T> value;
    if (slot.unread > 1) {
      value.emplace(slot.value);
    } else {
      value.emplace(std::move(slot.value));
    }
    --slot.unread;
    ++next;
    DropRead();
    return value;
  }

  void Unsubscribe(uint64_t next) {
    --subscribers_;
    for (next = std::max(next, oldest_); next != End(); ++next) --values_[next - oldest_].unread;
    DropRead();
  }

  void DropOldest() {
    values_.PopFront();
    ++oldest_;
  }

  // Drops what all have read, and publishes for those in line.
  void DropRead() {
    while (!values_.empty() && values_.front().unread == 0) DropOldest();
    while (!publishers_.empty()) {
      PublishAwaiter& publisher = *static_cast<PublishAwaiter*>(publishers_.front());
      if (!Put(publisher.value_)) return;
      publisher.published_ = true;
      publishers_.WakeFront();
    }
  }

  bool closed_ = false;
  size_t subscribers_ = 0;
  uint64_t oldest_ = 0;  // the number of the first value in the buffer
  sched_internal::BoundedRing<Slot> values_;
  const SlowSubscriber slow_subscriber_;
  sched_internal::WaitQueue publishers_;
  sched_internal::WaitQueue receivers_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_SYNC_BROADCAST_H_
