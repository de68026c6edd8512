// Awaitable: whatever a Pelton task can co_await, and what comes of it.
//
//   template <Awaitable A> Task<void> Log(A&& awaitable);     // Log(SleepFor(...)), Log(mutex.Lock()), Log(SomeTask())
//   static_assert(std::same_as<AwaitResult<SleepFor>, absl::Status>);
//
// An awaitable is an awaiter (await_ready, await_suspend, await_resume) or has an `operator
// co_await` that makes one. The value category counts, as it does in `co_await`: Task<int> is
// awaitable, Task<int>& is not, since a task is awaited as an rvalue.
//
// Awaiters in general cannot be moved, since the scheduler refers to them while their task waits.
// So functions that combine awaitables refer to an awaiter that is passed as a temporary, and are
// awaited in the same full expression, where the temporary lives. They take a Task by value.

#ifndef PELTON_SCHED_AWAITABLE_H_
#define PELTON_SCHED_AWAITABLE_H_

#include <concepts>
#include <coroutine>
#include <functional>
#include <type_traits>
#include <utility>
#include <variant>

#include "sched/promise.h"

namespace pelton {

namespace sched_internal {

// The promise that awaitables are tried with.
struct ProbePromise final : PromiseBase {};

template <typename T>
concept Awaiter = requires(T& awaiter, std::coroutine_handle<ProbePromise> task) {
  { awaiter.await_ready() } -> std::convertible_to<bool>;
  awaiter.await_suspend(task);
  awaiter.await_resume();
};

template <typename A>
concept HasMemberCoAwait = requires(A&& awaitable) {
  { std::forward<A>(awaitable).operator co_await() } -> Awaiter;
};
template <typename A>
concept HasFreeCoAwait = requires(A&& awaitable) {
  { operator co_await(std::forward<A>(awaitable)) } -> Awaiter;
};

}  // namespace sched_internal

// What `co_await` takes in a coroutine of Pelton. `A&&` is what is awaited: Awaitable<A> is about
// an rvalue, Awaitable<A&> about an lvalue.
template <typename A>
concept Awaitable = sched_internal::HasMemberCoAwait<A> || sched_internal::HasFreeCoAwait<A> ||
                    sched_internal::Awaiter<A>;

namespace sched_internal {

// The awaiter of an awaitable: what its operator makes, else itself.
template <Awaitable A>
decltype(auto) GetAwaiter(A&& awaitable) {
  if constexpr (HasMemberCoAwait<A>) {
    return std::forward<A>(awaitable).operator co_await();
  } else if constexpr (HasFreeCoAwait<A>) {
    return operator co_await(std::forward<A>(awaitable));
  } else {
    return std::forward<A>(awaitable);
  }
}

// What GetAwaiter() yields: a value, or a reference to the awaitable.
template <Awaitable A>
using AwaiterOf = decltype(GetAwaiter(std::declval<A>()));

// How a result of type T is kept until somebody takes it: std::monostate for void, a reference
// wrapper for an lvalue reference.
template <typename T>
struct StoredResult {
  using type = std::remove_cvref_t<T>;
};
template <typename T>
struct StoredResult<T&> {
  using type = std::reference_wrapper<T>;
};
template <typename T>
  requires std::is_void_v<T>
struct StoredResult<T> {
  using type = std::monostate;
};
template <typename T>
using Stored = typename StoredResult<T>::type;

}  // namespace sched_internal

// What `co_await` of an A (see Awaitable) yields; may be void or a reference.
template <Awaitable A>
using AwaitResult = decltype(std::declval<sched_internal::AwaiterOf<A>&>().await_resume());

namespace sched_internal {

// Yields the result as it is stored, for code that is the same for all kinds of results.
template <Awaitable A>
class Storing {
 public:
  explicit Storing(A&& awaitable) : awaiter_(GetAwaiter(std::forward<A>(awaitable))) {}
  Storing(const Storing&) = delete;
  Storing& operator=(const Storing&) = delete;

  bool await_ready() { return bool{awaiter_.await_ready()}; }
  template <PeltonPromise Promise>
  auto await_suspend(std::coroutine_handle<Promise> task) {
    return awaiter_.await_suspend(task);
  }
  Stored<AwaitResult<A>> await_resume() {
    if constexpr (std::is_void_v<AwaitResult<A>>) {
      awaiter_.await_resume();
      return {};
    } else {
      return awaiter_.await_resume();
    }
  }

 private:
  AwaiterOf<A> awaiter_;
};
template <Awaitable A>
Storing(A&&) -> Storing<A>;

}  // namespace sched_internal

}  // namespace pelton

#endif  // PELTON_SCHED_AWAITABLE_H_
