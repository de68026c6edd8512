// The control block of a fiber, and the switch between its stack and the scheduler's.
//
// A fiber is carried by a coroutine, its carrier (see RunFiber()): a member of a flow like any
// other, whose promise is the parent of what the fiber awaits. While the fiber runs, the carrier is
// suspended in `co_await Run()`, inside which the switch takes place. To await is to tell the
// awaiter the carrier's handle, and to switch back to the scheduler's stack, which goes on with what
// the awaiter says. When the carrier is resumed, it switches to the fiber again.
//
// Shard affinity: the shard of the flow, and its thread; a fiber never changes the thread (checked
// in debug builds).
// Ownership: lives in the carrier's frame, and owns the stack from TakeStack() to the fiber's end.
// Never destroyed while the fiber is suspended (checked).
// Invariants: 1. fibers do not nest on each other's stacks: Running() is suspended before anything
// else of the shard runs; 2. exceptions that are being handled or thrown in the fiber are out of
// sight on the scheduler's stack, and the other way round.
// Cost: a switch is about 7 ns: the jump, and a look at the exceptions of both sides.

#ifndef PELTON_SCHED_FIBER_INTERNAL_FIBER_CONTROL_H_
#define PELTON_SCHED_FIBER_INTERNAL_FIBER_CONTROL_H_

#include <cxxabi.h>

#include <coroutine>
#include <cstddef>
#include <cstring>
#include <memory>
#include <source_location>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "framework/base/check.h"
#include "framework/base/compiler.h"
#include "sched/fiber/fiber_options.h"
#include "sched/fiber/internal/fiber_stack.h"
#include "sched/fiber/internal/stack_jump.h"
#include "sched/promise.h"

#if defined(__SANITIZE_THREAD__)
#define PELTON_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PELTON_TSAN 1
#endif
#endif

namespace pelton::sched_internal {

// What the C++ runtime keeps per thread of exceptions in flight (the Itanium ABI's
// __cxa_eh_globals). Each stack has its own.
struct ExceptionState {
  void* caught = nullptr;
  unsigned int uncaught = 0;

  friend bool operator==(const ExceptionState&, const ExceptionState&) = default;
};

class FiberControl final {
 public:
  // What the fiber does. Lets no exception out.
  using Body = void (*)(void* argument);

  // `location` is where the fiber is started, for backtraces.
  FiberControl(const FiberOptions& options, Body body, void* argument,
               std::source_location location);
  // REQUIRES: the fiber has ended, or has not begun.
  ~FiberControl();
  FiberControl(const FiberControl&) = delete;
  FiberControl& operator=(const FiberControl&) = delete;

  // Gets the fiber its stack, so that it may run. ERRORS: INVALID_ARGUMENT (see
  // CheckFiberOptions()), RESOURCE_EXHAUSTED.
  absl::Status TakeStack();

  // For the carrier: `while (!fiber.ended()) co_await fiber.Run();`. REQUIRES: TakeStack()
  // succeeded.
  auto Run() { return Switch{*this}; }
  bool ended() const { return state_ == State::kEnded; }

  // The fiber that runs on this thread now; null outside of fibers.
  static FiberControl* Running() { return running_; }
  // The fiber that runs; dies with a message that names `location` outside of fibers.
  static FiberControl& RunningFor(const std::source_location& location) {
    if (running_ == nullptr) [[unlikely]]
      DieOutside(location);
    return *running_;
  }

  // On the fiber: switches to the scheduler's stack, which goes on with `next`; returns when the
  // carrier is resumed.
  [[gnu::always_inline]] void SwitchBack(std::coroutine_handle<> next);

  // What the first frame on the fiber's stack does; `carrier` is the stack that it was entered from.
  [[noreturn]] void RunOnStack(void* carrier) noexcept;

  // The promise of the coroutine that carries the fiber. REQUIRES: the fiber runs.
  PromiseBase& carrier() { return *carrier_; }
  // The place in the fiber's code where it awaits, for backtraces.
  void set_location(std::source_location location) { location_ = location; }

  std::string_view name() const { return options_.name; }
  // Null before TakeStack() and after the end.
  const FiberStack* stack() const { return stack_.get(); }

 private:
  enum class State : unsigned char { kNew, kRunning, kSuspended, kEnded };

  struct Switch {
    FiberControl& fiber;
    bool await_ready() const noexcept { return false; }
    template <PeltonPromise Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> carrier) const noexcept {
      return fiber.SwitchTo(carrier.promise());
    }
    void await_resume() const noexcept {}
  };

  // What sanitizers have to be told around each switch. Empty without them.
  class SanitizerNotes {
   public:
    void Begin();
    void End();
    void BeforeSwitchTo(const FiberStack& stack);
    void AfterSwitchBack();
    void OnArrival();  // on the fiber, after each switch to it
    void BeforeSwitchBack(bool for_good);

   private:
#ifdef PELTON_ASAN
    void* fiber_fake_stack_ = nullptr;
    void* carrier_fake_stack_ = nullptr;
    const void* carrier_stack_bottom_ = nullptr;
    size_t carrier_stack_bytes_ = 0;
#endif
#ifdef PELTON_TSAN
    void* fiber_ = nullptr;
    void* carrier_ = nullptr;
#endif
  };

  // From the carrier to the fiber, and back when that awaits or ends: then returns what to resume.
  [[gnu::always_inline]] std::coroutine_handle<> SwitchTo(PromiseBase& carrier) noexcept;
  void ExchangeExceptionState() noexcept;
  [[noreturn]] PELTON_COLD static void DieOutside(const std::source_location& location);
  PELTON_COLD void Begin() noexcept;
  PELTON_COLD void End() noexcept;

  static inline PELTON_SHARD_LOCAL FiberControl* running_ = nullptr;

  // The stack pointer of whichever side does not run: the fiber's, or the scheduler's.
  void* other_side_ = nullptr;
  PromiseBase* carrier_ = nullptr;
  ExceptionState other_exceptions_;
  ExceptionState* exceptions_ = nullptr;  // the thread's
  std::source_location location_;
  State state_ = State::kNew;
  [[no_unique_address]] SanitizerNotes sanitizers_;
  const Body body_;
  void* const argument_;
  const FiberOptions options_;
  std::unique_ptr<FiberStack> stack_;
};

// The switch is inlined into whatever awaits: after it, the processor mispredicts each return, as
// the calls that it remembers were those of the other stack.

inline void FiberControl::ExchangeExceptionState() noexcept {
  ExceptionState current;
  // By memcpy, for the runtime knows these words by another type.
  std::memcpy(&current, exceptions_, sizeof(current));
  if (current == other_exceptions_) [[likely]]
    return;  // mostly neither side has any
  std::memcpy(exceptions_, &other_exceptions_, sizeof(other_exceptions_));
  other_exceptions_ = current;
}

inline std::coroutine_handle<> FiberControl::SwitchTo(PromiseBase& carrier) noexcept {
  if (state_ == State::kNew) [[unlikely]]
    Begin();
  PELTON_DCHECK(state_ != State::kRunning && state_ != State::kEnded);
  PELTON_DCHECK(static_cast<void*>(exceptions_) == abi::__cxa_get_globals())
      << "fiber " << name() << " changed the thread";
  carrier_ = &carrier;
  // `co_await Run()` has left its own place there; what counts is the fiber's.
  carrier.await_transform(nullptr, location_);
  FiberControl* const outer = std::exchange(running_, this);
  state_ = State::kRunning;
  ExchangeExceptionState();
  sanitizers_.BeforeSwitchTo(*stack_);
  const StackArrival back = StackJump(other_side_, this);
  sanitizers_.AfterSwitchBack();
  ExchangeExceptionState();
  running_ = outer;
  if (back.data == nullptr) [[unlikely]] {
    End();
    return carrier.handle();
  }
  other_side_ = back.from;
  state_ = State::kSuspended;
  return std::coroutine_handle<>::from_address(back.data);
}

inline void FiberControl::SwitchBack(std::coroutine_handle<> next) {
  sanitizers_.BeforeSwitchBack(/*for_good=*/false);
  other_side_ = StackJump(other_side_, next.address()).from;
  sanitizers_.OnArrival();
}

#if !defined(PELTON_ASAN) && !defined(PELTON_TSAN)
inline void FiberControl::SanitizerNotes::BeforeSwitchTo(const FiberStack&) {}
inline void FiberControl::SanitizerNotes::AfterSwitchBack() {}
inline void FiberControl::SanitizerNotes::OnArrival() {}
inline void FiberControl::SanitizerNotes::BeforeSwitchBack(bool) {}
#endif

}  // namespace pelton::sched_internal

#endif  // PELTON_SCHED_FIBER_INTERNAL_FIBER_CONTROL_H_
