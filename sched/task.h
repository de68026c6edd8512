// Task<T>: a lazy stackless coroutine that computes a T.
//
//   Task<int> Sum(int n) { int sum = 0; for (int i = 0; i < n; ++i) sum += co_await One(); co_return sum; }
//
// A task runs when it is awaited by another task, or spawned into a TaskScope; there is no way to
// let one run loose.
//
// Shard affinity: a task runs on the shard that awaits or spawns it.
// Ownership: the Task object owns the coroutine frame. A frame that is suspended on an operation is
// never destroyed: to end it, cancel its scope and await it. Arguments taken by reference must
// outlive the task.
// Exceptions that leave the body are rethrown at the await.
// Cost: create, run and destroy about 5 ns; the frame comes from the shard's pool.

#ifndef PELTON_SCHED_TASK_H_
#define PELTON_SCHED_TASK_H_

#include <coroutine>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "framework/base/check.h"
#include "framework/base/compiler.h"
#include "sched/backtrace.h"
#include "sched/promise.h"
#include "sched/scheduler.h"

namespace pelton {

template <typename T>
class Task;

namespace sched_internal {

template <typename Owner, typename T>
class TaskBranch;

// Passes control from a finished task to the one that awaits it.
struct ReturnToParent {
  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> task) const noexcept {
    PromiseBase& parent = *task.promise().parent();
    Scheduler::Current()->SetLeaf(parent);
    return parent.handle();
  }
  void await_resume() const noexcept {}
};

// The result of a task: nothing yet, a value, or an exception.
template <typename T>
class TaskResult {
 public:
  TaskResult() {}
  ~TaskResult() {
    if (state_ == State::kValue) value_.~T();
    if (state_ == State::kException) exception_.~exception_ptr();
  }

  template <typename U = T>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& value) {
    std::construct_at(std::addressof(value_), std::forward<U>(value));
    state_ = State::kValue;
  }
  void unhandled_exception() noexcept {
    std::construct_at(&exception_, std::current_exception());
    state_ = State::kException;
    RecordException(exception_);
  }

  T Take() {
    if (state_ == State::kException) [[unlikely]]
      std::rethrow_exception(exception_);
    PELTON_DCHECK(state_ == State::kValue);
    return std::move(value_);
  }

 private:
  enum class State : unsigned char { kEmpty, kValue, kException };
  union {
    T value_;
    std::exception_ptr exception_;
  };
  State state_ = State::kEmpty;
};

template <typename T>
class TaskResult<T&> {
 public:
  void return_value(T& value) { value_ = std::addressof(value); }
  void unhandled_exception() noexcept {
    exception_ = std::current_exception();
    RecordException(exception_);
  }
  T& Take() {
    if (exception_) [[unlikely]]
      std::rethrow_exception(exception_);
    return *value_;
  }

 private:
  T* value_ = nullptr;
  std::exception_ptr exception_;
};

template <>
class TaskResult<void> {
 public:
  void return_void() noexcept {}
  void unhandled_exception() noexcept {
    exception_ = std::current_exception();
    RecordException(exception_);
  }
  void Take() {
    if (exception_) [[unlikely]]
      std::rethrow_exception(exception_);
  }

 private:
  std::exception_ptr exception_;
};

template <typename T>
class TaskPromise final : public PromiseBase, public TaskResult<T> {
 public:
  Task<T> get_return_object();
  ReturnToParent final_suspend() const noexcept { return {}; }
};

}  // namespace sched_internal

template <typename T = void>
class [[nodiscard("a Task does nothing until it is awaited or spawned")]] Task {
 public:
  using promise_type = sched_internal::TaskPromise<T>;
  using value_type = T;

  // An empty task, to be assigned to.
  Task() = default;
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    Task(std::move(other)).Swap(*this);
    return *this;
  }
  // REQUIRES: the task has not started, or has finished.
  ~Task() {
    if (handle_) handle_.destroy();
  }

  // Whether this object holds a coroutine.
  bool valid() const { return handle_ != nullptr; }

  // Runs the task on the awaiting task's flow and yields its result. Await each task once, as an
  // rvalue: `co_await std::move(task)`.
  auto operator co_await() && noexcept { return Awaiter{handle_}; }

 private:
  friend promise_type;
  template <typename Owner, typename U>
  friend class sched_internal::TaskBranch;

  struct Awaiter {
    std::coroutine_handle<promise_type> child;

    bool await_ready() const noexcept { return false; }
    template <PeltonPromise Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) const noexcept {
      PELTON_DCHECK(child && !child.done()) << "a task was awaited twice";
      child.promise().set_parent(&parent.promise());
      Scheduler& scheduler = *Scheduler::Current();
      if (scheduler.Due()) [[unlikely]]
        return scheduler.Preempt(child.promise());
      scheduler.SetLeaf(child.promise());
      return child;
    }
    T await_resume() const { return child.promise().Take(); }
  };

  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {
    static_assert(alignof(promise_type) <= kMaxPromiseAlignment,
                  "Task<T> of an over-aligned T: return a std::unique_ptr<T> instead");
  }
  void Swap(Task& other) { std::swap(handle_, other.handle_); }

  std::coroutine_handle<promise_type> handle_;
};

template <typename T>
Task<T> sched_internal::TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}

namespace sched_internal {
template <typename T>
struct IsTask : std::false_type {};
template <typename T>
struct IsTask<Task<T>> : std::true_type {};
}  // namespace sched_internal

// Task<T> for some T.
template <typename T>
concept AnyTask = sched_internal::IsTask<std::remove_cvref_t<T>>::value;

}  // namespace pelton

#endif  // PELTON_SCHED_TASK_H_
