// Completion<T>: what a callback API is given to call when it is done; see from_callback.h.
//
// It is a function object that takes an absl::StatusOr<T> (absl::Status for void), and so a plain T
// or an error, too. Copies stand for the same completion, so it fits into a std::function; exactly
// one of them is called once (a second call is a defect and checked as long as anybody holds it).
// When the last copy is destroyed without a call, the wait ends with ABORTED.
//
// Shard affinity: the shard of the task that awaits; ForeignCompletion is for other threads.
// Ownership: the copies and the awaiting task share one record. A task that stopped waiting does
// not get in the way of a late call, which then has no effect.
// Cost: one allocation of the pool for the record, none for copies and calls.

#ifndef PELTON_SCHED_CALLBACK_COMPLETION_H_
#define PELTON_SCHED_CALLBACK_COMPLETION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "alloc/frame_pool.h"
#include "framework/base/check.h"
#include "sched/future/outcome.h"
#include "sched/scheduler.h"

namespace pelton {

// A completion for C: `function(argument, value)`, or `function(argument)` for void, is to be
// called once. Plain data, so it may be copied. When the library turns out not to call it (its start
// failed), Drop() it; otherwise the task waits until it is cancelled, and the record is leaked.
template <typename T>
struct CCallback {
  void (*function)(void* argument, T value);
  void* argument;
  void (*drop)(void* argument);

  // The completion will not be called: the wait ends with ABORTED. Instead of the call.
  void Drop() const { drop(argument); }
};
template <>
struct CCallback<void> {
  void (*function)(void* argument);
  void* argument;
  void (*drop)(void* argument);

  void Drop() const { drop(argument); }
};

namespace sched_internal {

// Who waits for a completion.
class CompletionWaiter {
 public:
  // The outcome is there. Called on the waiter's shard; makes something ready.
  virtual void OnCompleted() = 0;

 protected:
  ~CompletionWaiter() = default;
};

// What the copies of a completion and the waiting task share. Dies when all have let go.
template <typename T>
class CompletionRecord {
 public:
  // Held by one waiter and no completion.
  CompletionRecord() : home_(Scheduler::Current()) {}
  CompletionRecord(const CompletionRecord&) = delete;
  CompletionRecord& operator=(const CompletionRecord&) = delete;

  static void* operator new(size_t bytes) { return FramePool::Allocate(bytes); }
  static void operator delete(void* record, size_t bytes) { FramePool::Free(record, bytes); }

  void AddCompletion() { ++completions_; }
  void DropCompletion() {
    CheckHome();
    if (--completions_ > 0) return;
    if (!called_ && held_by_waiter_) Break();
    DeleteUnlessHeld();
  }
  void Complete(Outcome<T> outcome) {
    CheckHome();
    PELTON_CHECK(!called_) << "a Completion was called twice";
    called_ = true;
    if (held_by_waiter_) Store(std::move(outcome));
  }

  // The waiter's. Whom to tell, or null.
  void set_waiter(CompletionWaiter* waiter) { waiter_ = waiter; }
  bool completed() const { return outcome_.has_value(); }
  // Whether the outcome is that nobody will call.
  bool broken() const { return !called_ && completed(); }
  Outcome<T> TakeOutcome() { return *std::move(outcome_); }
  void DropWaiter() {
    held_by_waiter_ = false;
    waiter_ = nullptr;
    DeleteUnlessHeld();
  }

 private:
  void CheckHome() const {
    PELTON_CHECK(Scheduler::Current() == home_)
        << "a Completion was used away from its shard; use FromForeignCallback()";
  }
  void Break() {
    Store(absl::AbortedError(
        "broken callback: every copy of the Completion was destroyed without a call"));
  }
  void Store(Outcome<T> outcome) {
    outcome_.emplace(std::move(outcome));
    if (waiter_ != nullptr) waiter_->OnCompleted();
  }
  void DeleteUnlessHeld() {
    if (completions_ == 0 && !held_by_waiter_) delete this;
  }

  Scheduler* const home_;
  CompletionWaiter* waiter_ = nullptr;
  uint32_t completions_ = 0;
  bool held_by_waiter_ = true;
  bool called_ = false;
  std::optional<Outcome<T>> outcome_;
};

}  // namespace sched_internal

template <typename T>
class Completion {
 public:
  // The library's: another completion of `record`.
  explicit Completion(sched_internal::CompletionRecord<T>& record) : record_(&record) {
    record.AddCompletion();
  }
  Completion(const Completion& other) : record_(other.record_) {
    if (record_ != nullptr) record_->AddCompletion();
  }
  Completion(Completion&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  Completion& operator=(Completion other) noexcept {
    std::swap(record_, other.record_);
    return *this;
  }
  ~Completion() {
    if (record_ != nullptr) record_->DropCompletion();
  }

  // Ends the wait with `outcome`; the task runs later, never inside this call. For void, without an
  // argument, too. REQUIRES: no copy was called before; not moved away.
  void operator()(Outcome<T> outcome) const { CheckedRecord().Complete(std::move(outcome)); }
  void operator()() const
    requires std::is_void_v<T>
  {
    CheckedRecord().Complete(absl::OkStatus());
  }

  // The same completion for a C library. See CCallback.
  CCallback<T> AsCCallback() const {
    CheckedRecord().AddCompletion();
    return {.function = CFunction(), .argument = record_, .drop = [](void* argument) {
              FromArgument(argument).DropCompletion();
            }};
  }

 private:
  using Record = sched_internal::CompletionRecord<T>;

  static Record& FromArgument(void* argument) { return *static_cast<Record*>(argument); }
  static auto CFunction() {
    if constexpr (std::is_void_v<T>) {
      return [](void* argument) {
        FromArgument(argument).Complete(absl::OkStatus());
        FromArgument(argument).DropCompletion();
      };
    } else {
      return [](void* argument, T value) {
        FromArgument(argument).Complete(std::move(value));
        FromArgument(argument).DropCompletion();
      };
    }
  }
  Record& CheckedRecord() const {
    PELTON_CHECK(record_ != nullptr) << "a Completion was used after it was moved away";
    return *record_;
  }

  Record* record_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_CALLBACK_COMPLETION_H_
