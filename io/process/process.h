// Process: a child process.
//
//   Command command("gzip", {"-c"});
//   command.input = command.output = ChildStream::Pipe();
//   PELTON_CO_ASSIGN_OR_RETURN(Process gzip, co_await Process::Spawn(command));
//   ... co_await gzip.input().Write(bytes); gzip.input().Close();
//   ... co_await gzip.output().ReadToEnd(1 << 20) ...         // at the same time: see run_command.h
//   PELTON_CO_ASSIGN_OR_RETURN(ExitStatus status, co_await gzip.Wait());
//
// Shard affinity: the shard that spawned it.
// Ownership: movable. Destroying a Process whose child still runs kills it with SIGKILL and reaps it in
// the background; the shard does not end before. So no zombie is ever left, and no child outlives what
// started it unless it makes itself a daemon.
// Invariant: the child begins with default signal dispositions, an empty signal mask, and no descriptor
// but its standard streams and those that were passed.
// Cost: a start blocks a thread of the blocking pool while the kernel loads the program: some 0.1 ms,
// on a busy machine milliseconds. Needs Linux 5.4 (pidfds); where they are missing, Spawn() says so
// (UNIMPLEMENTED).

#ifndef PELTON_IO_PROCESS_PROCESS_H_
#define PELTON_IO_PROCESS_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "io/process/child.h"
#include "io/process/command.h"
#include "io/process/exit_status.h"
#include "io/process/pipe.h"
#include "sched/task.h"

namespace pelton {

class Process {
 public:
  // Starts `command`; it runs when this returns. ERRORS: what keeps it from running, by name: NOT_FOUND
  // (ENOENT), PERMISSION_DENIED (EACCES), E2BIG, a working directory or file that cannot be opened,
  // RESOURCE_EXHAUSTED or UNAVAILABLE (EMFILE, EAGAIN: RLIMIT_NPROC, pids.max); INVALID_ARGUMENT names
  // what is wrong with the command; the stop status, when the task is told to stop before the start has
  // begun. COST: see above.
  static Task<absl::StatusOr<Process>> Spawn(Command command);

  // No process.
  Process() = default;

  // This process's ends of the pipes that the command asked for; not valid() for the others. They may
  // be closed, or moved elsewhere.
  PipeWriter& input() { return input_; }
  PipeReader& output() { return output_; }
  PipeReader& error() { return error_; }

  // Suspends until the child has ended, and reaps it. May be asked again, and by several tasks. The
  // child's pipes may hold unread bytes then, and may be held open by children of its own. A task that
  // is told to stop gets its stop status, and the child goes on. ERRORS: FAILED_PRECONDITION when
  // somebody else has reaped the child.
  Task<absl::StatusOr<ExitStatus>> Wait();

  // Sends a signal; to its whole group if the command gave it one. OK and without effect once the child
  // has ended. ERRORS: INVALID_ARGUMENT for no signal, PERMISSION_DENIED when it is another user's by now.
  absl::Status Kill(int signal) { return child_->Signal(signal); }

  // Asks the child to end with SIGTERM, kills it with SIGKILL when it has not after `grace`, and yields
  // how it ended. When the task is told to stop meanwhile, the child is killed at once.
  Task<absl::StatusOr<ExitStatus>> Terminate(absl::Duration grace);

  bool valid() const { return child_ != nullptr; }
  // REQUIRES: valid(). The number means this child until it has been waited for.
  pid_t pid() const { return child_->pid(); }
  // For messages: "gzip[4711]".
  const std::string& name() const { return child_->name(); }

 private:
  explicit Process(io::ChildPointer child) : child_(std::move(child)) {}

  io::ChildPointer child_;
  PipeWriter input_;
  PipeReader output_;
  PipeReader error_;
};

}  // namespace pelton

#endif  // PELTON_IO_PROCESS_PROCESS_H_
