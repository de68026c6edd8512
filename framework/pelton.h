// Pelton: services on every core, over io_uring. The one include that a service needs.
//
//   pelton::Task<absl::Status> Serve(pelton::Shard& shard);       // runs once on every shard
//   int main(int argc, char** argv) { return pelton::Main(argc, argv, Serve); }

#ifndef PELTON_FRAMEWORK_PELTON_H_
#define PELTON_FRAMEWORK_PELTON_H_

// IWYU pragma: begin_exports
#include "framework/base/check.h"
#include "framework/base/log.h"
#include "framework/base/shard_id.h"
#include "framework/base/status.h"
#include "framework/blocking.h"
#include "framework/foreign.h"
#include "framework/foreign_ptr.h"
#include "framework/main.h"
#include "framework/map_reduce.h"
#include "framework/on.h"
#include "framework/shard.h"
#include "framework/shard_channel.h"
#include "framework/shard_semaphore.h"
#include "framework/sharded.h"
#include "io/chunk.h"
#include "io/socket_address.h"
#include "io/tcp_listener.h"
#include "io/tcp_stream.h"
#include "sched/async_generator.h"
#include "sched/backtrace.h"
#include "sched/deadline.h"
#include "sched/defer.h"
#include "sched/in_group.h"
#include "sched/loop.h"
#include "sched/preemption.h"
#include "sched/race.h"
#include "sched/retry.h"
#include "sched/scheduling_group.h"
#include "sched/shield.h"
#include "sched/sleep.h"
#include "sched/sync/channel.h"
#include "sched/sync/event.h"
#include "sched/sync/mutex.h"
#include "sched/sync/semaphore.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "sched/when_range.h"
// IWYU pragma: end_exports

#endif  // PELTON_FRAMEWORK_PELTON_H_
