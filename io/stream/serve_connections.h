// The loop of a listener's ForEach(): accepts until the task is told to stop, and then what the
// kernel had accepted already.
//
// Shard affinity: the acceptor's. Private to listeners.

#ifndef PELTON_IO_STREAM_SERVE_CONNECTIONS_H_
#define PELTON_IO_STREAM_SERVE_CONNECTIONS_H_

#include <utility>

#include "absl/status/status.h"
#include "io/stream/acceptor.h"
#include "sched/scheduler.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton::io {

// Serves `acceptor`, which it takes at the end; TcpListener::ForEach() says how. `Awaiter` is the
// AcceptAwaiter of the listener.
template <typename Awaiter, typename Handler>
Task<absl::Status> ServeConnections(Acceptor*& acceptor, TaskScope& scope, Handler handler) {
  absl::Status status;
  while (true) {
    status = co_await scope.WaitForRoom();
    if (!status.ok()) break;
    auto stream = co_await Awaiter(*acceptor);
    if (!stream.ok()) {
      status = stream.status();
      break;
    }
    scope.SpawnContained(handler, *std::move(stream));
  }
  const TaskContext& flow = Scheduler::Current()->current_context();
  if (flow.StoppedFrom(StopPhase::kAccepting)) {
    status = flow.stop_reason() == StopReason::kDraining ? absl::OkStatus() : flow.StopStatus();
    if (!flow.StoppedFrom(StopPhase::kEverything)) {
      acceptor->StopHandshakes();
      co_await acceptor->StopAccepting();
      // Their handshake is done: to close the socket now would reset them.
      acceptor->AcceptRemaining([&](int accepted) {
        scope.SpawnContained(handler, Awaiter::Adopt(accepted, *acceptor));
      });
    }
  } else if (!status.ok()) {
    scope.Cancel();
  }
  std::exchange(acceptor, nullptr)->Abandon();
  const absl::Status joined = co_await scope.Join();
  co_return status.ok() ? joined : status;
}

}  // namespace pelton::io

#endif  // PELTON_IO_STREAM_SERVE_CONNECTIONS_H_
