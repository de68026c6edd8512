// RunBlocking on the service's own pool of threads.
//
//   PELTON_CO_ASSIGN_OR_RETURN(Table table, co_await RunBlocking([&] { return LoadTable(path); }));
//
// See sched/blocking/run_blocking.h for what the function may do and what comes of it. The pool is
// the runtime's (Runtime::Options::blocking, --blocking_threads, --blocking_queue), one for all
// shards: work that must not wait behind others' gets a BlockingPool of its own.

#ifndef PELTON_FRAMEWORK_BLOCKING_H_
#define PELTON_FRAMEWORK_BLOCKING_H_

#include <utility>

#include "framework/shard.h"
#include "sched/blocking/blocking_pool.h"
#include "sched/blocking/run_blocking.h"

namespace pelton {

// Calls `function` on a thread of the runtime's pool; when its queue is full, waits its turn behind
// it. REQUIRES: called on a shard, awaited at once.
template <typename Function>
[[nodiscard("co_await it")]] auto RunBlocking(Function function) {
  return RunBlocking(Shard::Current()->blocking_pool(), std::move(function));
}

// The same, but yields RESOURCE_EXHAUSTED at once when the queue is full.
template <typename Function>
[[nodiscard("co_await it")]] auto TryRunBlocking(Function function) {
  return TryRunBlocking(Shard::Current()->blocking_pool(), std::move(function));
}

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_BLOCKING_H_
