// Signals as events of a shard.
//
//   PELTON_CO_ASSIGN_OR_RETURN(Signals signals, Signals::Open({SIGHUP, SIGUSR1}));
//   for (;;) {
//     PELTON_CO_ASSIGN_OR_RETURN(SignalEvent event, co_await signals.Next());
//     if (event.signal == SIGHUP) ... reload ...
//   }
//
// As long as it lives, these signals do not have their default effect, whichever thread gets them: a
// handler passes them on through a pipe. Not a signalfd(2): that would need them blocked in every thread
// of the process, in those that libraries have started before as well, and children would inherit that.
// What the handler costs: a call that a thread of a library is in may end with EINTR, unless the kernel
// restarts it (SA_RESTART).
//
// Coalescing: a signal below SIGRTMIN that comes again before any thread has taken it is told once, as
// the kernel keeps but one of each. Signals that came before Open() are not told. When a task takes
// none while some thousands come, those beyond are dropped, and counted by none.
//
// SIGTERM, SIGINT and SIGQUIT are the runtime's: it drains, stops and dumps by them (runtime.h).
//
// Shard affinity: the shard that made it; each signal goes to at most one Signals of the process.
// Ownership: movable; destroying it brings back what was in effect before.
// Cost: three system calls a signal; no allocation.

#ifndef PELTON_IO_PROCESS_SIGNALS_H_
#define PELTON_IO_PROCESS_SIGNALS_H_

#include <sys/types.h>

#include <initializer_list>
#include <memory>

#include "absl/status/statusor.h"
#include "sched/task.h"

namespace pelton {

// A signal that has come.
struct SignalEvent {
  int signal = 0;
  // Who sent it by kill(2), sigqueue(3) and the like; 0 when the kernel did.
  pid_t sender = 0;
  uid_t sender_user = 0;
};

class Signals {
 public:
  // Begins to take `signals`. ERRORS: INVALID_ARGUMENT names a number that is no signal, or one that
  // cannot be taken (SIGKILL, SIGSTOP, those of defects such as SIGSEGV); ALREADY_EXISTS one that is
  // taken: by the runtime, by another Signals, or by a handler of the program's own; RESOURCE_EXHAUSTED
  // (EMFILE).
  static absl::StatusOr<Signals> Open(std::initializer_list<int> signals);

  Signals(Signals&& other) noexcept;
  Signals& operator=(Signals&& other) noexcept;
  // REQUIRES: no task awaits Next().
  ~Signals();

  // Suspends until one has come, and yields them in the order in which they came. One task at a time.
  // ERRORS: the stop status; no signal is lost by that. COST: a frame.
  Task<absl::StatusOr<SignalEvent>> Next();

 private:
  class State;

  explicit Signals(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace pelton

#endif  // PELTON_IO_PROCESS_SIGNALS_H_
