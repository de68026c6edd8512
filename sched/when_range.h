// WhenAll() and WhenAny() of as many tasks as a range has elements.
//
//   std::vector<Page> pages = co_await WhenAll(urls, Fetch, {.limit = 16});             // in the order of urls
//   absl::StatusOr<std::vector<Page>> all = co_await WhenAll(FailFast(), urls, TryFetch, {.limit = 16});
//   auto [index, reply] = co_await WhenAny(std::move(tasks));
//
// At most `limit` of them run at once, which start in order. Each runs below the awaiting task, and
// all that were started have ended when the await returns.
//
// Cancellation: with FailFast, what has not begun when the awaiting task is stopped never does, and
// the stop status is the error; without, everything begins, in a stopped flow, since each has a
// result to give.
// Exceptions: the first one cancels those that run, prevents those that have not begun, and is
// rethrown when all have ended.
// Cost: min(limit, elements) frames, and two vectors.

#ifndef PELTON_SCHED_WHEN_RANGE_H_
#define PELTON_SCHED_WHEN_RANGE_H_

#include <algorithm>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "sched/awaitable.h"
#include "sched/branch_group.h"
#include "sched/task.h"
#include "sched/when.h"

namespace pelton {

// How many of a range's tasks may run at once; at least one.
struct Concurrency {
  size_t limit = std::numeric_limits<size_t>::max();
};

// Which of a range of tasks has ended first, and its result.
template <typename T>
struct IndexedResult {
  size_t index;
  T value;
};

namespace sched_internal {

// Where WhenAll() of a range takes what it awaits: tasks that were made before.
template <typename T>
class TaskSource {
 public:
  using Item = Task<T>;
  explicit TaskSource(std::vector<Task<T>> tasks) : tasks_(std::move(tasks)) {}
  size_t size() const { return tasks_.size(); }
  Item Next() { return std::move(tasks_[next_++]); }

 private:
  std::vector<Task<T>> tasks_;
  size_t next_ = 0;
};

// The same, made by a function of each element at its turn. R is a reference for a range that is
// the caller's.
template <typename R, typename F>
class MappedSource {
 public:
  using Item = std::invoke_result_t<F&, std::ranges::range_reference_t<R>>;
  MappedSource(R&& range, F function)
      : range_(std::forward<R>(range)), function_(std::move(function)) {}
  size_t size() { return static_cast<size_t>(std::ranges::distance(range_)); }
  Item Next() {
    if (!next_.has_value()) next_ = std::ranges::begin(range_);
    return std::invoke(function_, *(*next_)++);
  }

 private:
  R range_;
  F function_;
  std::optional<std::ranges::iterator_t<R>> next_;  // begun late: this object may be moved before
};

template <bool kFailFast, typename Source>
class WhenAllOfRange final : private BranchGroup {
  static_assert(Awaitable<typename Source::Item>, "the function returns a Task, or an awaitable");
  using OneResult = Stored<AwaitResult<typename Source::Item>>;
  using Value = typename ValueOfResult<OneResult>::type;
  static constexpr bool kOnlyStatus = kFailFast && std::is_same_v<Value, std::monostate>;
  using Result = typename std::conditional_t<
      kOnlyStatus, std::type_identity<absl::Status>,
      std::conditional_t<kFailFast, std::type_identity<absl::StatusOr<std::vector<Value>>>,
                         std::type_identity<std::vector<OneResult>>>>::type;

 public:
  WhenAllOfRange(Source source, Concurrency concurrency)
      : source_(std::move(source)), concurrency_(concurrency), size_(source_.size()) {
    PELTON_CHECK(concurrency.limit > 0) << "WhenAll() with a limit of 0 would never end";
  }

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (size_ == 0) return Suspension::Requeue(task.promise());
    results_.resize(size_);
    StartAll(task.promise(), [this](TaskContext& context) {
      std::vector<Branch> branches;
      const size_t count = std::min(concurrency_.limit, size_);
      branches.reserve(count);
      for (size_t i = 0; i < count; ++i) branches.push_back(Work(*this, context, *this));
      return branches;
    });
  }
  Result await_resume() {
    EndAll();
    if constexpr (kFailFast) {
      if (!first_error_.ok()) [[unlikely]]
        return std::move(first_error_);
    }
    if constexpr (kOnlyStatus) {
      return absl::OkStatus();
    } else if constexpr (kFailFast) {
      std::vector<Value> values;
      values.reserve(size_);
      for (auto& result : results_) {
        values.push_back(ValueOfResult<OneResult>::Take(*std::move(result)));
      }
      return values;
    } else {
      std::vector<OneResult> values;
      values.reserve(size_);
      for (auto& result : results_) values.push_back(*std::move(result));
      return values;
    }
  }

 private:
  // Awaits one element after another until there is none.
  static Branch Work(BranchOwner&, TaskContext&, WhenAllOfRange& self) {
    while (self.MayBeginAnother()) {
      const size_t index = self.begun_++;
      auto& result = self.results_[index].emplace(co_await Storing(self.source_.Next()));
      if constexpr (kFailFast) self.Judge(ValueOfResult<OneResult>::Error(result));
    }
  }
  bool MayBeginAnother() {
    if (begun_ == size_ || threw()) return false;
    if constexpr (kFailFast) {
      if (group_context().StoppedFrom(StopPhase::kEverything)) {
        if (first_error_.ok()) first_error_ = group_context().StopStatus();
        return false;
      }
    }
    return true;
  }
  void Judge(const absl::Status& status) {
    if (status.ok() || !first_error_.ok()) return;
    first_error_ = status;
    CancelOthers();
  }

  Source source_;
  const Concurrency concurrency_;
  const size_t size_;
  size_t begun_ = 0;
  std::vector<std::optional<OneResult>> results_;
  absl::Status first_error_;  // only with FailFast
};

template <typename T>
class WhenAnyOfRange final : private BranchGroup {
 public:
  explicit WhenAnyOfRange(std::vector<Task<T>> tasks) : tasks_(std::move(tasks)) {
    PELTON_CHECK(!tasks_.empty()) << "WhenAny() of nothing would never end";
  }

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    StartAll(task.promise(), [this](TaskContext& context) {
      std::vector<Branch> branches;
      branches.reserve(tasks_.size());
      for (size_t i = 0; i < tasks_.size(); ++i) {
        branches.push_back(Run(*this, context, *this, i));
      }
      return branches;
    });
  }
  IndexedResult<Stored<T>> await_resume() {
    EndAll();
    return *std::move(result_);
  }

 private:
  static Branch Run(BranchOwner&, TaskContext&, WhenAnyOfRange& self, size_t index) {
    Stored<T> value = co_await Storing(std::move(self.tasks_[index]));
    if (self.result_.has_value() || self.threw()) co_return;
    self.result_.emplace(index, std::move(value));
    self.CancelOthers();
  }
  void OnBranchException(std::exception_ptr exception) override {
    if (!result_.has_value()) BranchGroup::OnBranchException(std::move(exception));
  }

  std::vector<Task<T>> tasks_;
  std::optional<IndexedResult<Stored<T>>> result_;
};

}  // namespace sched_internal

// Runs all tasks and yields a std::vector of their results (std::monostate for void) in their
// order.
template <typename T>
[[nodiscard("co_await it")]] auto WhenAll(std::vector<Task<T>> tasks,
                                          Concurrency concurrency = {}) {
  return sched_internal::WhenAllOfRange<false, sched_internal::TaskSource<T>>(
      sched_internal::TaskSource<T>(std::move(tasks)), concurrency);
}
// Runs `function(element)`, which returns a Task or another awaitable, for each element. A range
// that is an lvalue is the caller's and stays as it is during the await; another is moved in.
template <std::ranges::forward_range R, typename F>
  requires std::invocable<F&, std::ranges::range_reference_t<R>>
[[nodiscard("co_await it")]] auto WhenAll(R&& range, F function, Concurrency concurrency = {}) {
  using Source = sched_internal::MappedSource<R, F>;
  return sched_internal::WhenAllOfRange<false, Source>(
      Source(std::forward<R>(range), std::move(function)), concurrency);
}

// Runs all tasks; the first one that yields an error (an absl::Status or absl::StatusOr) cancels
// those that run, and the others do not begin. Yields that error when all have ended; else an
// absl::StatusOr of a std::vector of the values, or OK when the tasks have no values.
template <typename T>
[[nodiscard("co_await it")]] auto WhenAll(FailFast, std::vector<Task<T>> tasks,
                                          Concurrency concurrency = {}) {
  return sched_internal::WhenAllOfRange<true, sched_internal::TaskSource<T>>(
      sched_internal::TaskSource<T>(std::move(tasks)), concurrency);
}
template <std::ranges::forward_range R, typename F>
  requires std::invocable<F&, std::ranges::range_reference_t<R>>
[[nodiscard("co_await it")]] auto WhenAll(FailFast, R&& range, F function,
                                          Concurrency concurrency = {}) {
  using Source = sched_internal::MappedSource<R, F>;
  return sched_internal::WhenAllOfRange<true, Source>(
      Source(std::forward<R>(range), std::move(function)), concurrency);
}

// Runs all tasks; the first one that ends, by whatever result, wins; see WhenAny() of when.h.
// REQUIRES: there is one.
template <typename T>
[[nodiscard("co_await it")]] auto WhenAny(std::vector<Task<T>> tasks) {
  return sched_internal::WhenAnyOfRange<T>(std::move(tasks));
}

}  // namespace pelton

#endif  // PELTON_SCHED_WHEN_RANGE_H_
