// Sharded<T>: one instance of T on every shard.
//
//   Sharded<Store> store;
//   PELTON_CO_RETURN_IF_ERROR(co_await store.Start(capacity));                  // once, from one shard
//   auto value = co_await store.Invoke(OwnerOf(key), &Store::Get, key);         // from any shard
//   co_await store.Stop();                                                      // before it is destroyed
//
// T is constructed as T(arguments...), on its shard. If it has `Task<absl::Status> Start()`, that
// is awaited after all shards have constructed theirs, in the order of the shards; if it has
// `Task<void> Stop()`, that is awaited in the opposite order.
//
// Shard affinity: Start() and Stop() from one task; Local() and Invoke() from any shard between
// them. Each instance is touched on its own shard alone.

#ifndef PELTON_FRAMEWORK_SHARDED_H_
#define PELTON_FRAMEWORK_SHARDED_H_

#include <exception>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "framework/base/cache_line.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "framework/on.h"
#include "framework/shard.h"
#include "sched/task.h"

namespace pelton {

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
