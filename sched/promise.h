// What the promise of every Pelton coroutine begins with: who awaits it, and where it awaits.
//
// The parent links and locations make the asynchronous backtrace. They cost one store each per
// await.

#ifndef PELTON_SCHED_PROMISE_H_
#define PELTON_SCHED_PROMISE_H_

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <type_traits>
#include <utility>

#include "alloc/frame_pool.h"
#include "framework/base/compiler.h"

namespace pelton {

namespace sched_internal {
struct DebugAccess;
}  // namespace sched_internal

class PromiseBase {
 public:
  PromiseBase() = default;
  PromiseBase(const PromiseBase&) = delete;
  PromiseBase& operator=(const PromiseBase&) = delete;

  // Frames come from the shard's pool.
  static void* operator new(std::size_t bytes) { return FramePool::Allocate(bytes); }
  static void operator delete(void* frame, std::size_t bytes) { FramePool::Free(frame, bytes); }

  // A task starts when it is awaited or spawned.
  std::suspend_always initial_suspend() const noexcept { return {}; }

  // Every co_await passes here and leaves its location.
  template <typename Awaitable>
  Awaitable&& await_transform(Awaitable&& awaitable,
                              std::source_location location = std::source_location::current()) {
    awaiting_at_ = location;
    return std::forward<Awaitable>(awaitable);
  }

  // The task that awaits this one; null at the root of a flow.
  PromiseBase* parent() const { return parent_; }
  void set_parent(PromiseBase* parent) { parent_ = parent; }

  // Who waits for this task, for backtraces: its parent, or, at the root of a flow that works for a
  // task of another shard, that task. It is suspended until this flow has ended; control never
  // passes to it from here.
  struct Caller {
    PromiseBase* promise;  // null at the root of other flows
    bool on_other_shard;
  };
  Caller caller() const {
    const auto bits = reinterpret_cast<uintptr_t>(parent_);
    return {reinterpret_cast<PromiseBase*>(bits & ~kOtherShard), (bits & kOtherShard) != 0};
  }
  // REQUIRES: the root of a flow.
  void set_caller_on_other_shard(PromiseBase& caller) {
    parent_ = reinterpret_cast<PromiseBase*>(reinterpret_cast<uintptr_t>(&caller) | kOtherShard);
  }
  // Where this task awaits, or awaited last.
  const std::source_location& awaiting_at() const { return awaiting_at_; }

  // The coroutine of this promise. Compilers put the promise at a fixed offset of its frame as long
  // as it is not over-aligned, which Task checks.
  std::coroutine_handle<PromiseBase> handle() {
    return std::coroutine_handle<PromiseBase>::from_promise(*this);
  }

 protected:
  ~PromiseBase() = default;

 private:
  friend struct sched_internal::DebugAccess;

  // Marks a parent that is a task of another shard.
  static constexpr uintptr_t kOtherShard = 1;

  PromiseBase* parent_ = nullptr;
  std::source_location awaiting_at_;
};

static_assert(sizeof(PromiseBase) == 16, "a word for the parent and one for the location");

// The alignment up to which from_promise() of the base finds the frame of a derived promise.
inline constexpr std::size_t kMaxPromiseAlignment = 2 * sizeof(void*);

// Awaiters of Pelton accept only the handles of Pelton's coroutines.
template <typename Promise>
concept PeltonPromise = std::is_base_of_v<PromiseBase, Promise>;

}  // namespace pelton

#endif  // PELTON_SCHED_PROMISE_H_
