// Gather: one future of several, with the values of all or the first error.
//
//   absl::StatusOr<std::vector<Page>> pages = co_await Gather(std::move(page_futures));
//   Future<std::tuple<User, Cart>> both = Gather(std::move(user), std::move(cart));
//
// It needs no task that waits. (WhenAll() is for tasks; it awaits futures like everything else.)
// After an error, what leads to the other futures goes on, and their outcomes are dropped.
//
// Shard affinity: the shard of the futures. Cost: one allocation of the pool for each future, and
// the memory of the values.

#ifndef PELTON_SCHED_FUTURE_GATHER_H_
#define PELTON_SCHED_FUTURE_GATHER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "framework/base/status.h"
#include "sched/future/future.h"

namespace pelton {

namespace sched_internal {

// Collects outcomes into `Values` and settles a promise of `Result`. Dies with the last outcome.
template <typename Result, typename Values>
class Gathering {
 public:
  Gathering(size_t futures, Values values, const std::source_location& location)
      : remaining_(futures), values_(std::move(values)), promise_(location) {}

  Future<Result> future() { return promise_.future(); }

  // One of the futures was settled. `store(values, outcome)` keeps its value; `finish(values,
  // promise)` makes the result of all of them.
  template <typename T, typename Store, typename Finish>
  void OnOutcome(T outcome, Store&& store, Finish&& finish) {
    const std::unique_ptr<Gathering> last(--remaining_ == 0 ? this : nullptr);
    if (!promise_.pending()) return;
    if (!outcome.ok()) return promise_.Reject(base_internal::StatusOf(std::move(outcome)));
    store(values_, std::move(outcome));
    if (remaining_ == 0) finish(values_, promise_);
  }

 private:
  size_t remaining_;
  Values values_;
  Promise<Result> promise_;
};

template <typename Result, typename... Ts, size_t... Is>
Future<Result> GatherTuple(const std::source_location& location, std::index_sequence<Is...>,
                           Future<Ts>... futures) {
  using Values = std::tuple<std::optional<Stored<Ts>>...>;
  auto* gathering = new Gathering<Result, Values>(sizeof...(Ts), Values(), location);
  Future<Result> result = gathering->future();
  (std::move(futures).OnSettled([gathering](Outcome<Ts> outcome) {
    gathering->OnOutcome(
        std::move(outcome),
        [](Values& values, Outcome<Ts>&& arrived) {
          if constexpr (std::is_void_v<Ts>) {
            std::get<Is>(values).emplace();
          } else {
            std::get<Is>(values).emplace(*std::move(arrived));
          }
        },
        [](Values& values, Promise<Result>& promise) {
          std::apply([&promise](auto&... all) { promise.Fulfil(std::move(*all)...); }, values);
        });
  }),
   ...);
  return result;
}

}  // namespace sched_internal

// Fulfilled with the values in the order of `futures`, when all are fulfilled; rejected by the
// first error. Future<void> leads to Future<void>.
template <typename T>
auto Gather(std::vector<Future<T>> futures,
            std::source_location location = std::source_location::current()) {
  using Values = std::vector<std::optional<sched_internal::Stored<T>>>;
  using Result =
      std::conditional_t<std::is_void_v<T>, void, std::vector<sched_internal::Stored<T>>>;
  if (futures.empty()) {
    Promise<Result> promise(location);
    Future<Result> result = promise.future();
    promise.Fulfil();
    return result;
  }
  auto* gathering = new sched_internal::Gathering<Result, Values>(futures.size(),
                                                                  Values(futures.size()), location);
  Future<Result> result = gathering->future();
  for (size_t i = 0; i < futures.size(); ++i) {
    std::move(futures[i]).OnSettled([gathering, i](Outcome<T> outcome) {
      gathering->OnOutcome(
          std::move(outcome),
          [i](Values& values, Outcome<T>&& arrived) {
            if constexpr (std::is_void_v<T>) {
              values[i].emplace();
            } else {
              values[i].emplace(*std::move(arrived));
            }
          },
          [](Values& values, Promise<Result>& promise) {
            if constexpr (std::is_void_v<T>) {
              promise.Fulfil();
            } else {
              Result all;
              all.reserve(values.size());
              for (auto& value : values) all.push_back(*std::move(value));
              promise.Fulfil(std::move(all));
            }
          });
    });
  }
  return result;
}

// Fulfilled with a std::tuple of the values (std::monostate for void), when all are fulfilled;
// rejected by the first error.
template <typename... Ts>
  requires(sizeof...(Ts) > 0)
Future<std::tuple<sched_internal::Stored<Ts>...>> Gather(Future<Ts>... futures) {
  using Result = std::tuple<sched_internal::Stored<Ts>...>;
  return sched_internal::GatherTuple<Result>(
      std::source_location::current(), std::index_sequence_for<Ts...>(), std::move(futures)...);
}

}  // namespace pelton

#endif  // PELTON_SCHED_FUTURE_GATHER_H_
