// ShardChannel<T>: values from senders to receivers of any shards, through a bounded buffer that one
// shard owns.
//
//   ShardChannel<Job> jobs(/*home=*/ShardId(0), /*capacity=*/64);      // where all shards see it
//   PELTON_CO_RETURN_IF_ERROR(co_await jobs.Send(std::move(job)));     // on any shard
//   co_await jobs.Close();
//   while (true) {
//     PELTON_CO_ASSIGN_OR_RETURN(std::optional<Job> job, co_await jobs.Receive());
//     if (!job) break;                                                 // closed and empty
//   }
//
// It does across shards what a Channel (sched/sync/channel.h) does on one, and ends in the same way.
//
// Shard affinity: any shard's tasks, where nothing else is said. It may be made anywhere, also
// before the service runs, and dies on its home shard or after the service has ended (checked).
// Ownership: owns the values that are in it; outlives the tasks that use it: dies when some are in
// line. A value is moved, and may be destroyed, on the home shard, so it must not be bound to the
// shard that made it, as a TcpStream is. What is owned by a ForeignPtr may travel.
// Invariants: those of Channel, in the order in which requests come home: one shard's do so in the
// order in which they were made. A batch stays together: nobody's value comes in between.
// Cost: at home no message. From elsewhere two messages for a send or a receive, or for a whole
// batch. No allocation and no frame; a value is moved straight between frames and the buffer.

#ifndef PELTON_FRAMEWORK_SHARD_CHANNEL_H_
#define PELTON_FRAMEWORK_SHARD_CHANNEL_H_

#include <algorithm>
#include <cstddef>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/cache_line.h"
#include "framework/base/check.h"
#include "framework/base/shard_id.h"
#include "framework/internal/home_request.h"
#include "framework/on.h"
#include "sched/sync/channel.h"
#include "sched/task.h"

namespace pelton {

// T is movable, and its move constructor throws nothing.
template <typename T>
class ShardChannel {
 public:
  // A capacity of 0 makes each sender wait until a receiver takes its value.
  ShardChannel(ShardId home, size_t capacity)
      : home_(home), capacity_(capacity), values_(capacity) {}
  ShardChannel(const ShardChannel&) = delete;
  ShardChannel& operator=(const ShardChannel&) = delete;
  ~ShardChannel() {
    framework_internal::CheckMayEnd("a ShardChannel", home_, senders_);
    framework_internal::CheckMayEnd("a ShardChannel", home_, receivers_);
  }

  // `co_await` yields an absl::Status: OK once the channel or a receiver has taken the value;
  // FAILED_PRECONDITION when the channel is closed, also while this waits; or the stop status of a
  // task that is told to stop. Then `value` is as it was. Await within the same expression.
  [[nodiscard]] auto Send(T&& value [[clang::lifetimebound]]) { return SendAwaiter(*this, value); }

  // The same for all of `values`, in order and together, which are more than fit if need be: waits
  // until the last one was taken. Those that were taken are gone from `values` afterwards; an error
  // leaves the others.
  [[nodiscard]] auto SendBatch(std::vector<T>& values [[clang::lifetimebound]]) {
    return SendBatchAwaiter(*this, values);
  }

  // `co_await` yields an absl::StatusOr<std::optional<T>>: a value; std::nullopt when the channel is
  // closed and empty; or the stop status of a task that is told to stop.
  [[nodiscard]] auto Receive() { return ReceiveAwaiter(*this); }

  // Appends to `values` what is there, `most` at most, and waits only while there is nothing. Yields
  // an absl::StatusOr<size_t>: how many they are, or 0 when the channel is closed and empty; or the
  // stop status. REQUIRES: most > 0.
  [[nodiscard]] auto ReceiveBatch(std::vector<T>& values [[clang::lifetimebound]], size_t most) {
    return ReceiveBatchAwaiter(*this, values, most);
  }

  // Lets no further value in, once it is awaited: senders, also those that wait, get
  // FAILED_PRECONDITION; receivers get what is in the buffer, then the end. Yields void. Goes
  // through in a task that is told to stop, too. Idempotent. COST: as On().
  [[nodiscard("co_await it")]] auto Close() {
    return On(home_, [this]() -> Task<void> {
      values_.Close();
      senders_.FinishAll();
      receivers_.FinishAll();
      co_return;
    });
  }

  // The shard that owns the buffer.
  ShardId home() const { return home_; }
  // How many values fit.
  size_t capacity() const { return capacity_; }
  // How many values are in the buffer. REQUIRES: on the home shard.
  size_t size() const {
    framework_internal::CheckAtHome("a ShardChannel", home_);
    return values_.size();
  }
  // REQUIRES: on the home shard.
  bool closed() const {
    framework_internal::CheckAtHome("a ShardChannel", home_);
    return values_.closed();
  }

 private:
  // Has values to give, one after the other.
  class Sender : public framework_internal::HomeRequest {
   public:
    void Describe(std::ostream& out) const override {
      out << "room in a channel of shard " << channel_.home_;
      if (this->at_home()) {
        out << ", which holds " << channel_.size() << " of " << channel_.capacity() << " values";
      }
    }

   protected:
    Sender(ShardChannel& channel, T* values, size_t count)
        : HomeRequest(channel.home_), channel_(channel), next_(values), left_(count) {}
    absl::Status Outcome() const {
      if (this->stopped()) [[unlikely]]
        return this->StopStatus();
      if (left_ == 0) [[likely]]
        return absl::OkStatus();
      return absl::FailedPreconditionError("sent on a channel that is closed");
    }
    size_t left() const { return left_; }

   private:
    friend class ShardChannel;
    bool TryFinish() override { return channel_.TakeFrom(*this) || channel_.values_.closed(); }
    framework_internal::HomeLine& line() override { return channel_.senders_; }
    // The next value, which the caller moves away at once. REQUIRES: left() > 0.
    T&& Take() {
      --left_;
      return std::move(*next_++);
    }

    ShardChannel& channel_;
    T* next_;
    size_t left_;
  };

  class [[nodiscard("co_await it")]] SendAwaiter final : public Sender {
   public:
    SendAwaiter(ShardChannel& channel, T& value) : Sender(channel, &value, 1) {}
    absl::Status await_resume() const { return this->Outcome(); }
  };

  class [[nodiscard("co_await it")]] SendBatchAwaiter final : public Sender {
   public:
    SendBatchAwaiter(ShardChannel& channel, std::vector<T>& values)
        : Sender(channel, values.data(), values.size()), values_(values) {}
    absl::Status await_resume() const {
      values_.erase(values_.begin(), values_.end() - static_cast<ptrdiff_t>(this->left()));
      return this->Outcome();
    }

   private:
    std::vector<T>& values_;
  };

  // Takes values, as many as it has room for.
  class Receiver : public framework_internal::HomeRequest {
   public:
    void Describe(std::ostream& out) const override {
      out << "a value from a channel of shard " << channel_.home_;
    }

   protected:
    Receiver(ShardChannel& channel, size_t room)
        : HomeRequest(channel.home_), channel_(channel), room_(room) {}
    virtual void Keep(T&& value) = 0;

   private:
    friend class ShardChannel;
    bool TryFinish() override { return channel_.GiveTo(*this) || channel_.values_.closed(); }
    framework_internal::HomeLine& line() override { return channel_.receivers_; }
    bool has_room() const { return room_ > 0; }
    void Accept(T&& value) {
      --room_;
      Keep(std::move(value));
    }

    ShardChannel& channel_;
    size_t room_;
  };

  class [[nodiscard("co_await it")]] ReceiveAwaiter final : public Receiver {
   public:
    explicit ReceiveAwaiter(ShardChannel& channel) : Receiver(channel, 1) {}
    absl::StatusOr<std::optional<T>> await_resume() {
      if (this->stopped()) [[unlikely]]
        return this->StopStatus();
      return std::move(value_);
    }

   private:
    void Keep(T&& value) override { value_.emplace(std::move(value)); }
    std::optional<T> value_;
  };

  class [[nodiscard("co_await it")]] ReceiveBatchAwaiter final : public Receiver {
   public:
    ReceiveBatchAwaiter(ShardChannel& channel, std::vector<T>& values, size_t most)
        : Receiver(channel, most), values_(values), size_before_(values.size()) {
      PELTON_CHECK(most > 0) << "ReceiveBatch() of no values would never end";
      // Of its own shard's memory, and before anything is handed over.
      values.reserve(values.size() + std::min(most, std::max<size_t>(channel.capacity_, 1)));
    }
    absl::StatusOr<size_t> await_resume() const {
      if (this->stopped()) [[unlikely]]
        return this->StopStatus();
      return values_.size() - size_before_;
    }

   private:
    void Keep(T&& value) override { values_.push_back(std::move(value)); }
    std::vector<T>& values_;
    const size_t size_before_;
  };

  // The rest runs at home. Senders are in line only while the buffer is full, receivers only while
  // it is empty.

  // Moves values of `sender` on to receivers in line and into the buffer, as far as they go. Returns
  // whether that was all of them.
  bool TakeFrom(Sender& sender) {
    if (values_.closed()) return sender.left_ == 0;
    while (sender.left_ > 0 && !receivers_.empty()) {
      Receiver& receiver = *static_cast<Receiver*>(receivers_.front());
      while (sender.left_ > 0 && receiver.has_room()) receiver.Accept(sender.Take());
      receivers_.FinishFront();
    }
    Buffer(sender);
    return sender.left_ == 0;
  }

  // Hands `receiver` as many values as there are and it has room for. Returns whether there was one.
  bool GiveTo(Receiver& receiver) {
    bool gave = false;
    while (receiver.has_room()) {
      if (std::optional<T> value = values_.TryReceive()) {
        receiver.Accept(*std::move(value));
      } else if (!senders_.empty()) {
        receiver.Accept(static_cast<Sender*>(senders_.front())->Take());
      } else {
        break;
      }
      gave = true;
      Refill();
    }
    return gave;
  }

  // Lets senders in line go on with the room that there is, and those that have sent all go.
  void Refill() {
    while (!senders_.empty()) {
      Sender& first = *static_cast<Sender*>(senders_.front());
      Buffer(first);
      if (first.left_ > 0) return;
      senders_.FinishFront();
    }
  }

  void Buffer(Sender& sender) {
    while (sender.left_ > 0 && values_.size() < capacity_) {
      const SendResult result = values_.TrySend(sender.Take());
      PELTON_DCHECK(result == SendResult::kSent);
    }
  }

  // Read by all shards.
  const ShardId home_;
  const size_t capacity_;
  // The home shard's alone. Nobody waits for the channel within: it is the buffer.
  alignas(kCacheLineBytes) Channel<T> values_;
  framework_internal::HomeLine senders_;
  framework_internal::HomeLine receivers_;
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_SHARD_CHANNEL_H_
