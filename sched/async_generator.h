// AsyncGenerator<T>: a coroutine that yields a sequence of T and may await in between.
//
//   AsyncGenerator<Row> Rows(Query query) { while (...) co_yield co_await NextRow(); }
//
//   AsyncGenerator<Row> rows = Rows(query);
//   while (Row* row = co_await rows.Next()) Use(*row);
//   PELTON_FOR_CO_AWAIT(Row& row, Rows(query)) { Use(row); }         // the same; break and continue work
//
// It runs only while its consumer awaits Next(), on the consumer's flow: the consumer's
// cancellation and deadline reach what it awaits, and an exception that leaves it comes out of
// Next() and ends the sequence. Values are yielded by reference, without a copy: one lives until
// the next Next().
//
// Shard affinity: its consumer's. One task at a time consumes.
// Ownership: the object owns the frame. It may be destroyed at any time but during Next(): locals
// of the generator are destroyed where it stands. So whatever a generator opens that has to be
// awaited to its end (a TaskScope, WhenAll) or that is nested in the flow (ScopedDeadline,
// ScopedShield) it closes before the next co_yield; the latter is checked.
// Cost: one frame of the pool; a step about what awaiting a ready task costs without its frame.

#ifndef PELTON_SCHED_ASYNC_GENERATOR_H_
#define PELTON_SCHED_ASYNC_GENERATOR_H_

#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "framework/base/check.h"
#include "framework/base/compiler.h"
#include "sched/promise.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_context.h"

namespace pelton {

template <typename T>
class AsyncGenerator;

namespace sched_internal {

template <typename T>
class GeneratorPromise final : public PromiseBase {
  using Value = std::remove_reference_t<T>;

 public:
  // Gives control back to the consumer.
  struct ToConsumer {
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(
        std::coroutine_handle<GeneratorPromise> generator) const noexcept {
      return generator.promise().Leave();
    }
    void await_resume() const noexcept {}
  };
  // The same, with a value that had to be copied.
  struct CopyToConsumer : ToConsumer {
    explicit CopyToConsumer(const Value& value) : copy(value) {}
    std::coroutine_handle<> await_suspend(
        std::coroutine_handle<GeneratorPromise> generator) noexcept {
      generator.promise().value_ = std::addressof(copy);
      return generator.promise().Leave();
    }
    Value copy;
  };

  AsyncGenerator<T> get_return_object() {
    return AsyncGenerator<T>(std::coroutine_handle<GeneratorPromise>::from_promise(*this));
  }
  ToConsumer yield_value(Value& value) noexcept {
    value_ = std::addressof(value);
    return {};
  }
  // The temporary lives until the generator goes on.
  ToConsumer yield_value(Value&& value) noexcept
    requires(!std::is_const_v<Value>)
  {
    value_ = std::addressof(value);
    return {};
  }
  CopyToConsumer yield_value(const Value& value)
    requires(!std::is_const_v<Value> && std::copy_constructible<Value>)
  {
    return CopyToConsumer(value);
  }
  ToConsumer final_suspend() noexcept {
    value_ = nullptr;
    return {};
  }
  void return_void() const noexcept {}
  void unhandled_exception() noexcept { exception_ = std::current_exception(); }

  // Lets `consumer` wait for the next value; its flow goes on in the generator.
  std::coroutine_handle<> Enter(PromiseBase& consumer) {
    PELTON_CHECK(context_ == nullptr) << "two tasks await Next() of one AsyncGenerator";
    Scheduler& scheduler = *Scheduler::Current();
    set_parent(&consumer);
    context_ = &scheduler.current_context();
    if (scheduler.Due()) [[unlikely]]
      return scheduler.Preempt(*this);
    scheduler.SetLeaf(*this);
    return handle();
  }
  Value* TakeValue() {
    if (exception_) [[unlikely]]
      std::rethrow_exception(std::exchange(exception_, nullptr));
    return value_;
  }
  // Whether Next() is awaited now.
  bool running() const { return context_ != nullptr; }

 private:
  std::coroutine_handle<> Leave() noexcept {
    Scheduler& scheduler = *Scheduler::Current();
    PELTON_CHECK(&scheduler.current_context() == context_)
        << "an AsyncGenerator yielded inside of a ScopedDeadline or ScopedShield of its own; end "
           "its block before the co_yield";
    context_ = nullptr;
    scheduler.SetLeaf(*parent());
    return parent()->handle();
  }

  Value* value_ = nullptr;
  TaskContext* context_ = nullptr;  // the consumer's, during Next()
  std::exception_ptr exception_;
};

}  // namespace sched_internal

// T may be a reference or const: Next() yields a pointer to what it refers to.
template <typename T>
class [[nodiscard("an AsyncGenerator does nothing until Next() is awaited")]] AsyncGenerator {
  using Value = std::remove_reference_t<T>;

 public:
  using promise_type = sched_internal::GeneratorPromise<T>;
  using value_type = T;

  // An empty generator, to be assigned to.
  AsyncGenerator() = default;
  AsyncGenerator(AsyncGenerator&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)) {}
  AsyncGenerator& operator=(AsyncGenerator&& other) noexcept {
    AsyncGenerator moved(std::move(other));
    std::swap(handle_, moved.handle_);
    return *this;
  }
  // REQUIRES: no Next() is awaited (checked).
  ~AsyncGenerator() {
    if (!handle_) return;
    PELTON_CHECK(!handle_.promise().running())
        << "an AsyncGenerator was destroyed while its Next() was awaited";
    handle_.destroy();
  }

  // Suspends until the generator yields; a pointer to the value, which is good until the next
  // Next(), or null when the sequence has ended, and ever after. Rethrows what left the generator.
  [[nodiscard("co_await it")]] auto Next() { return NextAwaiter{handle_}; }

 private:
  friend promise_type;

  struct NextAwaiter {
    std::coroutine_handle<promise_type> generator;

    bool await_ready() const noexcept {
      PELTON_DCHECK(generator) << "Next() of an empty AsyncGenerator";
      return generator.done() && !Scheduler::Current()->Due();
    }
    template <PeltonPromise Consumer>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Consumer> consumer) const {
      if (generator.done()) {
        Scheduler::Current()->Requeue(consumer.promise());
        return std::noop_coroutine();
      }
      return generator.promise().Enter(consumer.promise());
    }
    Value* await_resume() const { return generator.promise().TakeValue(); }
  };

  explicit AsyncGenerator(std::coroutine_handle<promise_type> handle) : handle_(handle) {
    static_assert(alignof(promise_type) <= kMaxPromiseAlignment);
  }

  std::coroutine_handle<promise_type> handle_;
};

// Runs the statement that follows for each value of an AsyncGenerator, which may be a temporary:
// `PELTON_FOR_CO_AWAIT(const Row& row, Rows(query)) { ... }`. `break`, `continue` and `return` do
// what they do in a `for`.
#define PELTON_FOR_CO_AWAIT(declaration, ...)                                          \
  if (auto&& pelton_generator = (__VA_ARGS__); false) {                                \
  } else /* NOLINT */                                                                  \
    for (auto* pelton_item = co_await pelton_generator.Next(); pelton_item != nullptr; \
         pelton_item = co_await pelton_generator.Next())                               \
      if (declaration = *pelton_item; false) {                                         \
      } else /* NOLINT */

}  // namespace pelton

#endif  // PELTON_SCHED_ASYNC_GENERATOR_H_
