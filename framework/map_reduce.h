// MapReduce(): asks all instances of a Sharded<T> at once, and reduces their answers here.
//
//   uint64_t total = co_await MapReduce(stores, &Store::CountKeys, uint64_t{0}, std::plus<>());
//   absl::StatusOr<Histogram> all = co_await MapReduce(stores, [](Store& store) -> Task<absl::StatusOr<Histogram>> {
//     co_return co_await store.Measure();
//   }, Histogram(), &Histogram::Merged);
//
// The answers are collected by Sharded::InvokeOnAll(), whose rules for errors, exceptions and
// cancellation hold here, too; then they are reduced in the order of the shards, whichever came
// first: so the result is the same each time, also when the order matters.
//
// Shard affinity: any shard's task; `map` runs on each shard, `reduce` on the calling one.
// Cost: as InvokeOnAll(), and one frame.

#ifndef PELTON_FRAMEWORK_MAP_REDUCE_H_
#define PELTON_FRAMEWORK_MAP_REDUCE_H_

#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/status.h"
#include "framework/sharded.h"
#include "sched/task.h"

namespace pelton {

namespace framework_internal {

template <typename T, typename Map, typename Accumulator, typename Reduce>
struct MapReduceTypes {
  using Answers =
      typename decltype(std::declval<Sharded<T>&>().InvokeOnAll(std::declval<Map>()))::value_type;
  static_assert(!std::is_void_v<Answers> && !std::is_same_v<Answers, absl::Status>,
                "map yields nothing to reduce: use InvokeOnAll()");
  static constexpr bool kMapMayFail = kMayFail<Answers>;
  template <typename A>
  struct ValueOf {
    using type = typename A::value_type;
  };
  template <typename A>
  struct ValueOf<absl::StatusOr<A>> : ValueOf<A> {};
  using Value = typename ValueOf<Answers>::type;
  using Reduced = std::invoke_result_t<Reduce&, Accumulator, Value>;
  static constexpr bool kReduceMayFail = kMayFail<Reduced>;
  using Result =
      std::conditional_t<kMapMayFail || kReduceMayFail, absl::StatusOr<Accumulator>, Accumulator>;
};

}  // namespace framework_internal

// Calls `map(instance)` (a function, or a member of T) on all shards, and then, for each answer V in
// the order of the shards, accumulator = reduce(std::move(accumulator), std::move(V)), beginning
// with `initial`. `map` may be a coroutine. Yields the accumulator; an absl::StatusOr of it when
// `map` yields an absl::StatusOr<V> or `reduce` returns an absl::StatusOr<Accumulator>: the first
// error ends it. REQUIRES: `sharded` is started; `map` may be copied.
template <typename T, typename Map, typename Accumulator, typename Reduce>
Task<typename framework_internal::MapReduceTypes<T, Map, Accumulator, Reduce>::Result> MapReduce(
    Sharded<T>& sharded, Map map, Accumulator initial, Reduce reduce) {
  using Types = framework_internal::MapReduceTypes<T, Map, Accumulator, Reduce>;
  std::vector<typename Types::Value> answers;
  if constexpr (Types::kMapMayFail) {
    PELTON_CO_ASSIGN_OR_RETURN(answers, co_await sharded.InvokeOnAll(std::move(map)));
  } else {
    answers = co_await sharded.InvokeOnAll(std::move(map));
  }
  // By index, since the elements of a std::vector<bool> are no objects.
  // NOLINTNEXTLINE(pelton-await-free-loop): one round for each shard.
  for (size_t i = 0; i < answers.size(); ++i) {
    typename Types::Value answer = std::move(answers[i]);
    if constexpr (Types::kReduceMayFail) {
      PELTON_CO_ASSIGN_OR_RETURN(initial,
                                 std::invoke(reduce, std::move(initial), std::move(answer)));
    } else {
      initial = std::invoke(reduce, std::move(initial), std::move(answer));
    }
  }
  co_return initial;
}

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_MAP_REDUCE_H_
