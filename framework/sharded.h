// Sharded<T>: one instance of T on every shard.
//
//   Sharded<Store> store;
//   PELTON_CO_RETURN_IF_ERROR(co_await store.Start(capacity));                  // once, from one shard
//   auto value = co_await store.Invoke(OwnerOf(key), &Store::Get, key);         // from any shard
//   PELTON_CO_RETURN_IF_ERROR(co_await store.InvokeOnAll(&Store::Flush));       // on all shards at once
//   co_await store.Stop();                                                      // before it is destroyed
//
// T is constructed as T(arguments...), on its shard. If it has `Task<absl::Status> Start()`, that
// is awaited after all shards have constructed theirs, in the order of the shards; if it has
// `Task<void> Stop()`, that is awaited in the opposite order.
//
// What all instances answer is put together by MapReduce(); see map_reduce.h.
//
// Shard affinity: Start() and Stop() from one task; Local(), Invoke() and InvokeOnAll() from any
// shard between them. Each instance is touched on its own shard alone.

#ifndef PELTON_FRAMEWORK_SHARDED_H_
#define PELTON_FRAMEWORK_SHARDED_H_

#include <exception>
#include <functional>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/cache_line.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "framework/on.h"
#include "framework/shard.h"
#include "sched/task.h"
#include "sched/when_range.h"

namespace pelton {

namespace framework_internal {

// What a call on all shards yields, given what it yields on one.
template <typename T>
struct ResultOfAll {
  using type = std::vector<T>;
};
template <typename T>
struct ResultOfAll<absl::StatusOr<T>> {
  using type = absl::StatusOr<std::vector<T>>;
};
template <typename T>
  requires std::is_void_v<T> || std::is_same_v<T, absl::Status>
struct ResultOfAll<T> {
  using type = T;
};

// Whether a result of type T may be an error.
template <typename T>
inline constexpr bool kMayFail = std::is_same_v<T, absl::Status>;
template <typename T>
inline constexpr bool kMayFail<absl::StatusOr<T>> = true;

// What a task yields; a plain result as it is.
template <typename Returned>
struct ResultOfCall {
  using type = Returned;
};
template <AnyTask Returned>
struct ResultOfCall<Returned> {
  using type = typename Returned::value_type;
};
template <typename T, typename Member, typename... Arguments>
using ResultOfMember = typename ResultOfCall<std::invoke_result_t<Member, T&, Arguments...>>::type;

}  // namespace framework_internal

template <typename T>
class Sharded {
 public:
  Sharded() = default;
  Sharded(const Sharded&) = delete;
  Sharded& operator=(const Sharded&) = delete;
  ~Sharded() { PELTON_CHECK(instances_.empty()) << "a Sharded was destroyed before Stop()"; }

  // Constructs an instance on every shard from copies of `arguments`, then starts them. When one
  // fails to start, or an exception leaves it, those that had started are stopped, all are
  // destroyed, and its error is returned, or its exception rethrown. REQUIRES: not started.
  template <typename... Arguments>
  Task<absl::Status> Start(Arguments... arguments) {
    PELTON_CHECK(instances_.empty()) << "Start() of a Sharded that is started";
    instances_.resize(Shard::Current()->shards());
    absl::Status status;
    std::exception_ptr exception;
    try {
      for (uint32_t i = 0; i < instances_.size(); ++i) {
        co_await On(ShardId(i), [this, i, arguments...]() -> Task<void> {
          instances_[i].object = std::make_unique<T>(arguments...);
          co_return;
        });
      }
      status = co_await StartInstances();
    } catch (...) {
      exception = std::current_exception();
    }
    if (!status.ok() || exception) co_await Stop();
    if (exception) std::rethrow_exception(exception);
    co_return status;
  }

  // Stops and destroys the instances, each on its shard. Goes through to the end in a task that is
  // cancelled, too; what the instances' Stop() awaits is interrupted then.
  Task<void> Stop() {
    if constexpr (requires(T& object) { object.Stop(); }) {
      for (uint32_t i = started_; i > 0; --i) {
        T* object = instances_[i - 1].object.get();
        co_await On(ShardId(i - 1), [object] { return object->Stop(); });
      }
    }
    started_ = 0;
    for (uint32_t i = static_cast<uint32_t>(instances_.size()); i > 0; --i) {
      co_await On(ShardId(i - 1), [this, i]() -> Task<void> {
        instances_[i - 1].object.reset();
        co_return;
      });
    }
    instances_.clear();
  }

  // The current shard's instance.
  T& Local() { return *instances_[Shard::Current()->id().index()].object; }

  // Calls `member(arguments...)` of the instance of `shard`, on that shard. Awaitable; yields what
  // the member's Task yields, or its plain result. Arguments are moved to the call.
  template <typename Member, typename... Arguments>
  [[nodiscard("co_await it")]] auto Invoke(ShardId shard, Member member, Arguments... arguments) {
    PELTON_CHECK(shard.index() < instances_.size())
        << "Invoke() on shard " << shard << " of a Sharded with " << instances_.size()
        << " instances";
    T* object = instances_[shard.index()].object.get();
    using Returned = std::invoke_result_t<Member, T&, Arguments...>;
    return On(shard, [object, member, ... arguments = std::move(arguments)]() mutable {
      if constexpr (AnyTask<Returned>) {
        return std::invoke(member, *object, std::move(arguments)...);
      } else {
        return CallPlain<Returned>(object, member, std::move(arguments)...);
      }
    });
  }

  // Invokes copies of `member` with copies of `arguments` on all shards at once, and yields when the
  // last one has ended. When they yield an absl::Status or absl::StatusOr, the first error cancels
  // those that still run and is the result; otherwise the results are in the order of the shards:
  //
  //   void -> void    absl::Status -> absl::Status    V -> std::vector<V>
  //   absl::StatusOr<V> -> absl::StatusOr<std::vector<V>>
  //
  // An exception cancels the others, too, and is rethrown. Cancelling the awaiting task cancels all.
  // COST: an On() and a frame for each shard, and a vector.
  template <typename Member, typename... Arguments>
  Task<typename framework_internal::ResultOfAll<
      framework_internal::ResultOfMember<T, Member, Arguments...>>::type>
  InvokeOnAll(Member member, Arguments... arguments) {
    PELTON_CHECK(!instances_.empty()) << "InvokeOnAll() of a Sharded that is not started";
    using Result = framework_internal::ResultOfMember<T, Member, Arguments...>;
    const auto invoke = [&](uint32_t shard) {
      return Invoke(ShardId(shard), member, arguments...);
    };
    const auto shards = std::views::iota(uint32_t{0}, static_cast<uint32_t>(instances_.size()));
    if constexpr (std::is_void_v<Result>) {
      co_await WhenAll(shards, invoke);
    } else if constexpr (framework_internal::kMayFail<Result>) {
      co_return co_await WhenAll(FailFast(), shards, invoke);
    } else {
      co_return co_await WhenAll(shards, invoke);
    }
  }

 private:
  // Instances of different shards share no cache line.
  struct alignas(kCacheLineBytes) Instance {
    std::unique_ptr<T> object;
  };

  Task<absl::Status> StartInstances() {
    if constexpr (requires(T& object) { object.Start(); }) {
      for (; started_ < instances_.size(); ++started_) {
        T* object = instances_[started_].object.get();
        PELTON_CO_RETURN_IF_ERROR(
            co_await On(ShardId(started_), [object] { return object->Start(); }));
      }
    } else {
      started_ = static_cast<uint32_t>(instances_.size());
    }
    co_return absl::OkStatus();
  }

  template <typename Returned, typename Member, typename... Arguments>
  static Task<Returned> CallPlain(T* object, Member member, Arguments... arguments) {
    co_return std::invoke(member, *object, std::move(arguments)...);
  }

  std::vector<Instance> instances_;
  uint32_t started_ = 0;
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_SHARDED_H_
