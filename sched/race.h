// Runs several tasks at once; the first one that succeeds wins.
//
//   absl::StatusOr<Page> page = co_await Race(FetchFrom(primary), FetchFrom(replica));
//   absl::StatusOr<Page> any = co_await Race(std::move(tasks));    // a std::vector of them
//
// Unlike WhenAny(), a failure does not win: the others go on. The losers are cancelled and awaited
// when there is a winner. When nobody wins, the error tells all errors.
//
// Each task yields the same absl::Status or absl::StatusOr, and runs below the awaiting task.
// Exceptions: a task that throws has failed; the first exception is rethrown when nobody wins.
// Cost: a frame for each task; strings when all fail.

#ifndef PELTON_SCHED_RACE_H_
#define PELTON_SCHED_RACE_H_

#include <array>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "sched/awaitable.h"
#include "sched/branch_group.h"
#include "sched/task.h"

namespace pelton {

namespace sched_internal {

// The error of a race that nobody won: the code of its first runner, or of `stopped` when the
// awaiting task was stopped, and the messages of all.
absl::Status AllFailed(const std::vector<absl::Status>& errors, const absl::Status& stopped);

template <typename T>
concept RaceResult = std::same_as<T, absl::Status> || requires(T result) {
  { result.status() } -> std::convertible_to<absl::Status>;
};

// What races have in common. Result is an absl::Status or absl::StatusOr.
template <RaceResult Result>
class RaceBase : protected BranchGroup {
 protected:
  explicit RaceBase(size_t runners) : errors_(runners) {}

  void Finish(size_t runner, Result result) {
    if (winner_.has_value()) return;
    if (!result.ok()) {
      errors_[runner] = base_internal::StatusOf(std::move(result));
      return;
    }
    winner_.emplace(std::move(result));
    CancelOthers();
  }
  Result End() {
    if (winner_.has_value()) DropException();
    EndAll();
    if (winner_.has_value()) [[likely]]
      return *std::move(winner_);
    const TaskContext& flow = Scheduler::Current()->current_context();
    return AllFailed(
        errors_, flow.StoppedFrom(StopPhase::kEverything) ? flow.StopStatus() : absl::OkStatus());
  }

 private:
  void OnBranchException(std::exception_ptr exception) final { KeepException(exception); }

  std::vector<absl::Status> errors_;  // by runner
  std::optional<Result> winner_;
};

template <typename Result, typename... As>
class RaceAwaiter final : private RaceBase<Result> {
 public:
  explicit RaceAwaiter(As&&... awaitables)
      : RaceBase<Result>(sizeof...(As)), awaitables_(std::forward<As>(awaitables)...) {}

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    this->StartAll(task.promise(), [this](TaskContext& context) {
      return Branches(context, std::index_sequence_for<As...>());
    });
  }
  Result await_resume() { return this->End(); }

 private:
  template <size_t... Is>
  std::array<Branch, sizeof...(Is)> Branches(TaskContext& context, std::index_sequence<Is...>) {
    return {Run<Is>(*this, context, *this)...};
  }
  template <size_t I>
  static Branch Run(BranchOwner&, TaskContext&, RaceAwaiter& self) {
    self.Finish(I, co_await std::get<I>(std::move(self.awaitables_)));
  }

  std::tuple<Held<As>...> awaitables_;
};

template <typename Result>
class RaceOfRange final : private RaceBase<Result> {
 public:
  explicit RaceOfRange(std::vector<Task<Result>> tasks)
      : RaceBase<Result>(tasks.size()), tasks_(std::move(tasks)) {
    PELTON_CHECK(!tasks_.empty()) << "Race() of nothing";
  }

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    this->StartAll(task.promise(), [this](TaskContext& context) {
      std::vector<Branch> branches;
      branches.reserve(tasks_.size());
      for (size_t i = 0; i < tasks_.size(); ++i) {
        branches.push_back(Run(*this, context, *this, i));
      }
      return branches;
    });
  }
  Result await_resume() { return this->End(); }

 private:
  static Branch Run(BranchOwner&, TaskContext&, RaceOfRange& self, size_t index) {
    self.Finish(index, co_await std::move(self.tasks_[index]));
  }

  std::vector<Task<Result>> tasks_;
};

}  // namespace sched_internal

// Runs all awaitables and yields the first result that is OK, when all have ended. When none is,
// yields an error with the code of the first argument's (the stop status's when the awaiting task
// was stopped) and a message that lists all of them.
// REQUIRES: awaited in the expression that makes it, unless all are tasks; see awaitable.h.
template <Awaitable First, Awaitable... Rest>
[[nodiscard("co_await it")]] auto Race(First&& first [[clang::lifetimebound]],
                                       Rest&&... rest [[clang::lifetimebound]]) {
  using Result = std::remove_cvref_t<AwaitResult<First>>;
  static_assert(sched_internal::RaceResult<Result>,
                "Race() needs results that are an absl::Status or absl::StatusOr");
  static_assert((std::same_as<Result, std::remove_cvref_t<AwaitResult<Rest>>> && ...),
                "Race() needs results of the same type");
  return sched_internal::RaceAwaiter<Result, First, Rest...>(std::forward<First>(first),
                                                             std::forward<Rest>(rest)...);
}
// The same for a number of tasks that is known at run time. REQUIRES: there is one.
template <sched_internal::RaceResult Result>
[[nodiscard("co_await it")]] auto Race(std::vector<Task<Result>> tasks) {
  return sched_internal::RaceOfRange<Result>(std::move(tasks));
}

}  // namespace pelton

#endif  // PELTON_SCHED_RACE_H_
