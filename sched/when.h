// Runs several awaitables at once on this shard.
//
//   auto [user, orders] = co_await WhenAll(FetchUser(id), FetchOrders(id));
//   auto first = co_await WhenAny(Primary(), SleepFor(absl::Seconds(1)));  // std::variant: index() says who won
//   auto both = co_await WhenAll(FailFast(), FetchUser(id), FetchOrders(id));  // StatusOr of the values
//
// Each runs in a flow of its own, below the awaiting one: what cancels the awaiting task cancels
// them. All have ended when the await returns, the losers of WhenAny as well. Of ranges: see
// when_range.h; the first success: race.h.
//
// Awaitables that are not tasks are referred to, so a combination of them is awaited in the
// expression that makes it; see awaitable.h.
// Exceptions: the first one cancels the others and is rethrown when all have ended.
// Cost: a frame for each awaitable, none else.

#ifndef PELTON_SCHED_WHEN_H_
#define PELTON_SCHED_WHEN_H_

#include <array>
#include <cstddef>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/awaitable.h"
#include "sched/branch_group.h"
#include "sched/task.h"

namespace pelton {

// The first argument of a WhenAll() whose first error cancels the rest.
struct FailFast {};

namespace sched_internal {

// What is left of a result of type T once it is known to be no error.
template <typename T>
struct ValueOfResult {
  using type = Stored<T>;
  static type Take(Stored<T>&& result) { return std::forward<Stored<T>>(result); }
  static absl::Status Error(const Stored<T>&) { return absl::OkStatus(); }
};
template <>
struct ValueOfResult<absl::Status> {
  using type = std::monostate;
  static type Take(absl::Status&&) { return {}; }
  static const absl::Status& Error(const absl::Status& status [[clang::lifetimebound]]) {
    return status;  // NOLINT(bugprone-return-const-ref-from-parameter): checked by lifetimebound
  }
};
template <typename T>
struct ValueOfResult<absl::StatusOr<T>> {
  using type = T;
  static type Take(absl::StatusOr<T>&& result) { return *std::move(result); }
  static const absl::Status& Error(const absl::StatusOr<T>& result) { return result.status(); }
};

// The tuple of values that WhenAll(FailFast(), ...) yields; without values, just a status.
template <typename... Values>
using AllOf = std::conditional_t<(std::is_same_v<Values, std::monostate> && ...), absl::Status,
                                 absl::StatusOr<std::tuple<Values...>>>;

template <bool kFailFast, typename... As>
class WhenAllAwaiter final : private BranchGroup {
  template <size_t I>
  using ResultOf = Stored<AwaitResult<std::tuple_element_t<I, std::tuple<As...>>>>;
  using Result = typename std::conditional_t<
      kFailFast,
      std::type_identity<
          AllOf<typename ValueOfResult<std::remove_cvref_t<Stored<AwaitResult<As>>>>::type...>>,
      std::type_identity<std::tuple<Stored<AwaitResult<As>>...>>>::type;

 public:
  explicit WhenAllAwaiter(As&&... awaitables) : awaitables_(std::forward<As>(awaitables)...) {}

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    StartAll(task.promise(), [this](TaskContext& context) {
      return Branches(context, std::index_sequence_for<As...>());
    });
  }
  Result await_resume() {
    EndAll();
    if constexpr (kFailFast) {
      if (!first_error_.ok()) [[unlikely]]
        return std::move(first_error_);
    }
    return std::apply([](auto&... results) { return TakeAll(*std::move(results)...); }, results_);
  }

 private:
  static Result TakeAll(Stored<AwaitResult<As>>&&... results) {
    if constexpr (!kFailFast) {
      return Result(std::move(results)...);
    } else if constexpr (std::is_same_v<Result, absl::Status>) {
      return absl::OkStatus();
    } else {
      return std::tuple<typename ValueOfResult<Stored<AwaitResult<As>>>::type...>(
          ValueOfResult<Stored<AwaitResult<As>>>::Take(std::move(results))...);
    }
  }

  template <size_t... Is>
  std::array<Branch, sizeof...(Is)> Branches(TaskContext& context, std::index_sequence<Is...>) {
    return {Run<Is>(*this, context, *this)...};
  }
  template <size_t I>
  static Branch Run(BranchOwner&, TaskContext&, WhenAllAwaiter& self) {
    auto& result = std::get<I>(self.results_)
                       .emplace(co_await Storing(std::get<I>(std::move(self.awaitables_))));
    if constexpr (kFailFast) self.Judge(ValueOfResult<ResultOf<I>>::Error(result));
  }
  void Judge(const absl::Status& status) {
    if (status.ok() || !first_error_.ok()) return;
    first_error_ = status;
    CancelOthers();
  }

  std::tuple<Held<As>...> awaitables_;
  std::tuple<std::optional<Stored<AwaitResult<As>>>...> results_;
  absl::Status first_error_;  // only with FailFast
};

template <typename... As>
class WhenAnyAwaiter final : private BranchGroup {
 public:
  using Result = std::variant<Stored<AwaitResult<As>>...>;

  explicit WhenAnyAwaiter(As&&... awaitables) : awaitables_(std::forward<As>(awaitables)...) {}

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    StartAll(task.promise(), [this](TaskContext& context) {
      return Branches(context, std::index_sequence_for<As...>());
    });
  }
  Result await_resume() {
    EndAll();
    return *std::move(result_);
  }

 private:
  template <size_t... Is>
  std::array<Branch, sizeof...(Is)> Branches(TaskContext& context, std::index_sequence<Is...>) {
    return {Run<Is>(*this, context, *this)...};
  }
  template <size_t I>
  static Branch Run(BranchOwner&, TaskContext&, WhenAnyAwaiter& self) {
    self.template End<I>(co_await Storing(std::get<I>(std::move(self.awaitables_))));
  }
  template <size_t I, typename T>
  void End(T&& value) {
    if (result_.has_value() || threw()) return;
    result_.emplace(std::in_place_index<I>, std::forward<T>(value));
    CancelOthers();
  }
  void OnBranchException(std::exception_ptr exception) override {
    if (!result_.has_value()) BranchGroup::OnBranchException(std::move(exception));
  }

  std::tuple<Held<As>...> awaitables_;
  std::optional<Result> result_;
};

template <typename... As>
inline constexpr bool kAllTasks = (AnyTask<As> && ...);

}  // namespace sched_internal

// Runs all tasks and yields a std::tuple of their results (std::monostate for void, a
// std::reference_wrapper for a reference), when all have ended.
template <typename... Ts>
  requires(sizeof...(Ts) > 0)
[[nodiscard("co_await it")]] auto WhenAll(Task<Ts>... tasks) {
  return sched_internal::WhenAllAwaiter<false, Task<Ts>...>(std::move(tasks)...);
}
// The same for any awaitables.
template <Awaitable... As>
  requires(sizeof...(As) > 0 && !sched_internal::kAllTasks<As...>)
[[nodiscard("co_await it")]] auto WhenAll(As&&... awaitables [[clang::lifetimebound]]) {
  return sched_internal::WhenAllAwaiter<false, As...>(std::forward<As>(awaitables)...);
}

// Runs all tasks; the first one that yields an error (an absl::Status or absl::StatusOr) cancels
// the others. Yields that error when all have ended; else the values as an absl::StatusOr of a
// std::tuple (std::monostate for an OK status and void), or OK when no task has a value.
template <typename... Ts>
  requires(sizeof...(Ts) > 0)
[[nodiscard("co_await it")]] auto WhenAll(FailFast, Task<Ts>... tasks) {
  return sched_internal::WhenAllAwaiter<true, Task<Ts>...>(std::move(tasks)...);
}
// The same for any awaitables.
template <Awaitable... As>
  requires(sizeof...(As) > 0 && !sched_internal::kAllTasks<As...>)
[[nodiscard("co_await it")]] auto WhenAll(FailFast, As&&... awaitables [[clang::lifetimebound]]) {
  return sched_internal::WhenAllAwaiter<true, As...>(std::forward<As>(awaitables)...);
}

// Runs all tasks; the first one that ends, by whatever result, wins. The others are cancelled and
// awaited. Yields a std::variant of the results (std::monostate for void) at the winner's index. An
// exception that is thrown before anybody has won cancels the rest and is rethrown; one that a
// loser throws is dropped with the loser's result.
template <typename... Ts>
  requires(sizeof...(Ts) > 0)
[[nodiscard("co_await it")]] auto WhenAny(Task<Ts>... tasks) {
  return sched_internal::WhenAnyAwaiter<Task<Ts>...>(std::move(tasks)...);
}
// The same for any awaitables.
template <Awaitable... As>
  requires(sizeof...(As) > 0 && !sched_internal::kAllTasks<As...>)
[[nodiscard("co_await it")]] auto WhenAny(As&&... awaitables [[clang::lifetimebound]]) {
  return sched_internal::WhenAnyAwaiter<As...>(std::forward<As>(awaitables)...);
}

}  // namespace pelton

#endif  // PELTON_SCHED_WHEN_H_
