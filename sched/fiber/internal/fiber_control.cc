#include "sched/fiber/internal/fiber_control.h"

#include <boost/context/detail/fcontext.hpp>
#include <utility>

#include "sched/fiber/internal/fiber_stack_pool.h"
#include "sched/fiber/internal/stack_overflow.h"

#ifdef PELTON_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef PELTON_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace pelton::sched_internal {

namespace context = boost::context::detail;

namespace {

// The first frame on every fiber's stack. Never returns, so its frame's shadow would stay poisoned
// for the stack's next fiber.
__attribute__((no_sanitize("address"))) void FirstFrame(context::transfer_t from) {
  static_cast<FiberControl*>(from.data)->RunOnStack(from.fctx);
}

}  // namespace

FiberControl::FiberControl(const FiberOptions& options, Body body, void* argument,
                           std::source_location location)
    : location_(location), body_(body), argument_(argument), options_(options) {}

FiberControl::~FiberControl() {
  PELTON_CHECK(state_ == State::kNew || state_ == State::kEnded)
      << "fiber " << name()
      << " was destroyed while it was suspended; a fiber is awaited to its end";
  if (stack_ != nullptr) FiberStackPool::Current().Return(std::move(stack_));
}

absl::Status FiberControl::TakeStack() {
  absl::Status usable = CheckFiberOptions(options_);
  if (!usable.ok()) return usable;
  FiberStackPool& pool = FiberStackPool::Current();
  absl::StatusOr<std::unique_ptr<FiberStack>> stack = pool.Take(options_.stack_bytes);
  if (!stack.ok()) return std::move(stack).status();
  stack_ = *std::move(stack);
  if (options_.stack_used_bytes != nullptr) pool.Empty(*stack_);
  return absl::OkStatus();
}

void FiberControl::DieOutside(const std::source_location& location) {
  PELTON_FATAL() << "Await() at " << location.file_name() << ":" << location.line()
                 << " is not on a fiber. In a coroutine write co_await; elsewhere call it below "
                    "RunFiber()'s function. InFiber() tells";
}

void FiberControl::Begin() noexcept {
  PELTON_CHECK(stack_ != nullptr) << "fiber " << name() << " has no stack";
  ReportStackOverflows();
  FiberStackPool::Current().CountStart();
  exceptions_ = reinterpret_cast<ExceptionState*>(abi::__cxa_get_globals());
  sanitizers_.Begin();
  other_side_ = context::make_fcontext(stack_->top(), stack_->usable_bytes(), &FirstFrame);
}

void FiberControl::End() noexcept {
  state_ = State::kEnded;
  sanitizers_.End();
  FiberStackPool& pool = FiberStackPool::Current();
  pool.CountEnd();
  if (options_.stack_used_bytes != nullptr) *options_.stack_used_bytes = stack_->UsedBytes();
  pool.Return(std::move(stack_));
}

__attribute__((no_sanitize("address"))) void FiberControl::RunOnStack(void* carrier) noexcept {
  other_side_ = carrier;
  sanitizers_.OnArrival();
  body_(argument_);
  sanitizers_.BeforeSwitchBack(/*for_good=*/true);
  StackJump(other_side_, nullptr);
  PELTON_FATAL() << "a fiber was resumed after its end";
}

void FiberControl::SanitizerNotes::Begin() {
#ifdef PELTON_TSAN
  fiber_ = __tsan_create_fiber(0);
#endif
}

void FiberControl::SanitizerNotes::End() {
#ifdef PELTON_TSAN
  __tsan_destroy_fiber(fiber_);
#endif
}

#if defined(PELTON_ASAN) || defined(PELTON_TSAN)

// ThreadSanitizer keeps a stack of calls for each fiber. A function that switches between them and
// then returns must have no part in that: its entry would be on one, its exit on the other.
#ifdef PELTON_TSAN
#define PELTON_NOT_INSTRUMENTED __attribute__((disable_sanitizer_instrumentation))
#else
#define PELTON_NOT_INSTRUMENTED
#endif

PELTON_NOT_INSTRUMENTED void FiberControl::SanitizerNotes::BeforeSwitchTo(
    [[maybe_unused]] const FiberStack& stack) {
#ifdef PELTON_ASAN
  __sanitizer_start_switch_fiber(&carrier_fake_stack_, stack.bottom(), stack.usable_bytes());
#endif
#ifdef PELTON_TSAN
  carrier_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(fiber_, 0);
#endif
}

void FiberControl::SanitizerNotes::AfterSwitchBack() {
#ifdef PELTON_ASAN
  __sanitizer_finish_switch_fiber(carrier_fake_stack_, nullptr, nullptr);
#endif
}

void FiberControl::SanitizerNotes::OnArrival() {
#ifdef PELTON_ASAN
  __sanitizer_finish_switch_fiber(fiber_fake_stack_, &carrier_stack_bottom_, &carrier_stack_bytes_);
#endif
}

PELTON_NOT_INSTRUMENTED void FiberControl::SanitizerNotes::BeforeSwitchBack(
    [[maybe_unused]] bool for_good) {
#ifdef PELTON_ASAN
  __sanitizer_start_switch_fiber(for_good ? nullptr : &fiber_fake_stack_, carrier_stack_bottom_,
                                 carrier_stack_bytes_);
#endif
#ifdef PELTON_TSAN
  __tsan_switch_to_fiber(carrier_, 0);
#endif
}

#endif

}  // namespace pelton::sched_internal
