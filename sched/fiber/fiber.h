// Fibers: functions with a stack of their own that wait, at any depth of calls, without blocking the
// shard. For C callbacks, for libraries that read by blocking, and for code that recurses deeply.
//
//   auto sorted = co_await RunFiber([&] {
//     std::qsort(keys, count, sizeof(*keys), [](const void* a, const void* b) {
//       return Await(CompareRemotely(a, b));   // a Task<int>: other tasks run meanwhile
//     });
//   }, {.stack_bytes = 64 * 1024, .name = "sort"});
//
// A fiber is a part of the flow that awaits it: it has its cancellation, deadline and scheduling
// group, and what the fiber awaits is interrupted like any other wait. To run fibers side by side,
// spawn them or use WhenAll(), as with any Task.
//
// Shard affinity: the shard and thread of the task that awaits it.
// Ownership: RunFiber()'s task owns the fiber, and is awaited to its end as every task.
// Invariants: 1. one stack runs at a time, and fibers give way only in Await(); 2. what a fiber
// awaits runs on the scheduler's stack, so it costs none of the fiber's; 3. `catch` blocks and
// destructors may Await(): exceptions in flight belong to their fiber. errno does not: read it
// before you Await().
// Overflow: below each stack lies a guard, 16 KiB without access. Who runs into it dies by SIGSEGV,
// after a line that names the fiber and its stack's size. Compile code with larger local arrays
// with -fstack-clash-protection, lest it steps over the guard.
// Cost: a switch (one way) about 7 ns, starting and ending about 60 ns with a stack of the pool; a
// waiting fiber takes its stack's touched pages (one, if its frames fit) and a frame of about 300
// bytes. A coroutine is cheaper in all of it: prefer `co_await` where you write the code.
// Source: the switch is Boost.Context's fcontext.

#ifndef PELTON_SCHED_FIBER_FIBER_H_
#define PELTON_SCHED_FIBER_FIBER_H_

#include <coroutine>
#include <exception>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/status.h"
#include "sched/awaitable.h"
#include "sched/fiber/fiber_options.h"
#include "sched/fiber/fiber_statistics.h"
#include "sched/fiber/internal/fiber_control.h"
#include "sched/preemption.h"
#include "sched/task.h"

namespace pelton {

namespace sched_internal {

// What RunFiber() yields for a function that returns a T.
template <typename T>
struct FiberResult {
  using type = absl::StatusOr<T>;
};
template <>
struct FiberResult<void> {
  using type = absl::Status;
};
template <>
struct FiberResult<absl::Status> {
  using type = absl::Status;
};
template <typename T>
struct FiberResult<absl::StatusOr<T>> {
  using type = absl::StatusOr<T>;
};

// The function that a fiber runs, and how it ended.
template <typename Function>
class FiberBody {
 public:
  using Returned = std::invoke_result_t<Function>;
  static_assert(!AnyTask<Returned>, "RunFiber() takes a plain function; inside it, Await() a task");
  static_assert(!std::is_reference_v<Returned>,
                "RunFiber() takes a function that returns a value; return a pointer instead");
  using Result = typename FiberResult<Returned>::type;

  explicit FiberBody(Function function) : function_(std::move(function)) {}

  // A FiberControl::Body.
  static void Run(void* self) noexcept { static_cast<FiberBody*>(self)->Run(); }

  // REQUIRES: the fiber has ended; called once.
  Result TakeResult() {
    if (exception_) [[unlikely]]
      std::rethrow_exception(exception_);
    return *std::move(result_);
  }

 private:
  void Run() noexcept {
    try {
      if constexpr (std::is_void_v<Returned>) {
        std::invoke(std::move(function_));
        result_.emplace();
      } else {
        result_.emplace(std::invoke(std::move(function_)));
      }
    } catch (...) {
      exception_ = std::current_exception();
    }
  }

  Function function_;
  std::optional<Result> result_;
  std::exception_ptr exception_;
};

// Suspends the fiber as a co_await in its carrier would.
template <typename Awaiter>
[[gnu::always_inline]] inline void SuspendFiber(FiberControl& fiber, Awaiter& awaiter) {
  const std::coroutine_handle<PromiseBase> carrier = fiber.carrier().handle();
  using Returned = decltype(awaiter.await_suspend(carrier));
  if constexpr (std::is_void_v<Returned>) {
    awaiter.await_suspend(carrier);
    fiber.SwitchBack(std::noop_coroutine());
  } else if constexpr (std::is_same_v<Returned, bool>) {
    if (awaiter.await_suspend(carrier)) fiber.SwitchBack(std::noop_coroutine());
  } else {
    fiber.SwitchBack(awaiter.await_suspend(carrier));
  }
}

}  // namespace sched_internal

// Whether the caller runs on a fiber, so that it may Await(). COST: a load.
inline bool InFiber() { return sched_internal::FiberControl::Running() != nullptr; }

// Calls `function()` on a fiber and yields what it returns: as an absl::Status when that is void or
// a Status, as an absl::StatusOr otherwise. An exception that leaves the function is rethrown at the
// await. The function and its captures live in the task's frame.
// ERRORS, in which case the function is not called: INVALID_ARGUMENT when options.stack_bytes is out
// of range; RESOURCE_EXHAUSTED when the kernel gives no stack.
// COST: one frame; a stack of the thread's pool, or some microseconds for a new one.
template <typename Function>
  requires std::is_invocable_v<Function>
Task<typename sched_internal::FiberBody<Function>::Result> RunFiber(
    Function function, FiberOptions options = {},
    std::source_location location = std::source_location::current()) {
  sched_internal::FiberBody<Function> body(std::move(function));
  sched_internal::FiberControl fiber(options, &sched_internal::FiberBody<Function>::Run, &body,
                                     location);
  PELTON_CO_RETURN_IF_ERROR(fiber.TakeStack());
  while (!fiber.ended()) co_await fiber.Run();
  co_return body.TakeResult();
}

// On a fiber, what co_await is in a coroutine: waits for a task or any other awaitable, and yields
// its result or rethrows its exception. Suspends this fiber only; the shard runs other tasks.
// Backtraces name `location` as the place of the await.
// REQUIRES: InFiber(); a program that awaits elsewhere dies with a message. Holds nothing that is
// the thread's (a lock, a borrowed thread-local buffer) across the call.
// COST: two switches when it has to wait; none when the awaitable is ready.
template <Awaitable A>
[[gnu::always_inline]] inline AwaitResult<A> Await(
    A&& awaitable, std::source_location location = std::source_location::current()) {
  sched_internal::FiberControl& fiber = sched_internal::FiberControl::RunningFor(location);
  fiber.set_location(location);
  auto&& transformed = fiber.carrier().await_transform(std::forward<A>(awaitable), location);
  auto&& awaiter = sched_internal::GetAwaiter(std::forward<decltype(transformed)>(transformed));
  if (!awaiter.await_ready()) sched_internal::SuspendFiber(fiber, awaiter);
  return awaiter.await_resume();
}

// Gives way to every task that is ready now. In a loop that only computes,
// `Await(PreemptionPoint())` does so when it is due, and costs a nanosecond when not.
// REQUIRES: InFiber().
[[gnu::always_inline]] inline void FiberYield(
    std::source_location location = std::source_location::current()) {
  Await(Yield(), location);
}

}  // namespace pelton

#endif  // PELTON_SCHED_FIBER_FIBER_H_
