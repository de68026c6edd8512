// Channel<T>: values from senders to receivers, through a bounded buffer.
//
//   Channel<Job> jobs(/*capacity=*/16);
//   PELTON_CO_RETURN_IF_ERROR(co_await jobs.Send(std::move(job)));    // waits while it is full
//   jobs.Close();
//   while (true) {
//     PELTON_CO_ASSIGN_OR_RETURN(std::optional<Job> job, co_await jobs.Receive());
//     if (!job) break;                                                // closed and empty
//   }
//
// Shard affinity: the owning shard alone.
// Ownership: owns the values that are in it, and destroys those that are left; outlives the tasks that
// wait for it (checked).
// Invariants: 1. values come out in the order in which they were sent, each at one receiver; senders
// and receivers are served in the order of their arrival; 2. senders are in line only while the
// buffer is full, receivers only while it is empty; 3. a value is moved from the sender at the moment
// at which the channel or a receiver takes it, never before: a send that yields an error has left it
// as it was; 4. once a value was handed to a receiver, that one gets it, also when told to stop
// before it runs; who is told to stop while in line takes nothing. So no value is lost or doubled.
// A capacity of 0 makes each sender wait until a receiver takes its value.
// Cost: a few ns for a send or a receive that does not wait; one allocation when it is made.

#ifndef PELTON_SCHED_SYNC_CHANNEL_H_
#define PELTON_SCHED_SYNC_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/sync/internal/bounded_ring.h"
#include "sched/sync/internal/wait_queue.h"

namespace pelton {

// What became of a value that was to be sent without waiting.
enum class SendResult : uint8_t { kSent, kFull, kClosed };

// T is movable, and its move constructor throws nothing.
template <typename T>
class Channel {
 public:
  explicit Channel(size_t capacity) : values_(capacity) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  ~Channel() {
    senders_.CheckEmpty("a Channel");
    receivers_.CheckEmpty("a Channel");
  }

  // `co_await` yields an absl::Status: OK once the channel or a receiver has taken the value;
  // FAILED_PRECONDITION when the channel is closed, also while this waits; or the stop status of a task
  // that is told to stop. `value` stays where it is until then: await within the same expression.
  [[nodiscard]] auto Send(T&& value [[clang::lifetimebound]]) { return SendAwaiter(*this, value); }

  // `co_await` yields an absl::StatusOr<std::optional<T>>: a value; std::nullopt when the channel is
  // closed and empty; or the stop status of a task that is told to stop.
  [[nodiscard]] auto Receive() { return ReceiveAwaiter(*this); }

  // Sends without waiting. `value` is moved from only when the result is kSent.
  [[nodiscard]] SendResult TrySend(T&& value) {
    if (closed_) return SendResult::kClosed;
    return Put(value) ? SendResult::kSent : SendResult::kFull;
  }

  // Receives without waiting; nothing when there is none now, or ever: see drained().
  [[nodiscard]] std::optional<T> TryReceive() {
    std::optional<T> value;
    Take(value);
    return value;
  }

  // Lets no further value in: senders, also those that wait, get FAILED_PRECONDITION. Receivers get
  // what is in the buffer, then std::nullopt. Idempotent.
  void Close() {
    closed_ = true;
    senders_.WakeAll();
    receivers_.WakeAll();
  }
  bool closed() const { return closed_; }
  // Whether no value will ever come again.
  bool drained() const { return closed_ && values_.empty(); }

  // How many values are in the buffer, and how many fit.
  size_t size() const { return values_.size(); }
  size_t capacity() const { return values_.capacity(); }

 private:
  class [[nodiscard("co_await it")]] SendAwaiter final
      : public sched_internal::QueuedAwaiter<SendAwaiter> {
   public:
    SendAwaiter(Channel& channel, T& value) : channel_(channel), value_(value) {}
    absl::Status await_resume() const {
      if (sent_) [[likely]]
        return absl::OkStatus();
      if (this->stopped()) return this->Outcome();
      return absl::FailedPreconditionError("sent on a channel that is closed");
    }
    void Describe(std::ostream& out) const override {
      out << "room in channel " << static_cast<const void*>(&channel_) << ", which holds "
          << channel_.size() << " of " << channel_.capacity() << " values";
    }

   private:
    friend class sched_internal::QueuedAwaiter<SendAwaiter>;
    friend class Channel;
    bool TryFinish() {
      if (channel_.closed_) return true;
      sent_ = channel_.Put(value_);
      return sent_;
    }
    sched_internal::WaitQueue& line() { return channel_.senders_; }

    Channel& channel_;
    T& value_;
    bool sent_ = false;
  };

  class [[nodiscard("co_await it")]] ReceiveAwaiter final
      : public sched_internal::QueuedAwaiter<ReceiveAwaiter> {
   public:
    explicit ReceiveAwaiter(Channel& channel) : channel_(channel) {}
    absl::StatusOr<std::optional<T>> await_resume() {
      if (this->stopped()) [[unlikely]]
        return this->Outcome();
      return std::move(value_);
    }
    void Describe(std::ostream& out) const override {
      out << "a value from channel " << static_cast<const void*>(&channel_);
    }

   private:
    friend class sched_internal::QueuedAwaiter<ReceiveAwaiter>;
    friend class Channel;
    bool TryFinish() { return channel_.Take(value_) || channel_.closed_; }
    sched_internal::WaitQueue& line() { return channel_.receivers_; }

    Channel& channel_;
    std::optional<T> value_;
  };

  // Moves `value` to the first receiver in line, or into the buffer. Returns whether either took it.
  // REQUIRES: !closed_.
  bool Put(T& value) {
    if (!receivers_.empty()) {
      static_cast<ReceiveAwaiter*>(receivers_.front())->value_.emplace(std::move(value));
      receivers_.WakeFront();
      return true;
    }
    if (values_.full()) return false;
    values_.PushBack(std::move(value));
    return true;
  }

  // Moves the oldest value to `value`, and lets the first sender in line put its own. Returns whether
  // there was one.
  bool Take(std::optional<T>& value) {
    if (!values_.empty()) {
      value.emplace(std::move(values_.front()));
      values_.PopFront();
      if (!senders_.empty()) values_.PushBack(TakeFromSender());
      return true;
    }
    if (senders_.empty()) return false;
    value.emplace(TakeFromSender());
    return true;
  }

  // Wakes the first sender in line, whose value the caller moves away at once.
  T&& TakeFromSender() {
    SendAwaiter& sender = *static_cast<SendAwaiter*>(senders_.front());
    sender.sent_ = true;
    senders_.WakeFront();
    return std::move(sender.value_);
  }

  bool closed_ = false;
  sched_internal::BoundedRing<T> values_;
  sched_internal::WaitQueue senders_;
  sched_internal::WaitQueue receivers_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_SYNC_CHANNEL_H_
