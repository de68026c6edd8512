// Says which fiber overflowed its stack, before the process dies of it.
//
// A fiber that runs into the guard below its stack causes SIGSEGV. The handler runs on a stack of
// its own (sigaltstack(2)), compares the address with the guard of the fiber that runs, writes
//
//   FATAL fiber NAME overflowed its stack of N bytes; raise FiberOptions::stack_bytes, ...
//
// and hands the signal on, as every other SIGSEGV, to the handler that was there before: a
// sanitizer's or a crash reporter's; without one, the process dies by the signal, with a core file
// that shows the fault.
//
// Shard affinity: any thread. The handler is the process's, the alternate stack the thread's.
// What it leaves alone: an alternate stack that the thread has already. Who installs a SIGSEGV
// handler later and hands nothing on switches these messages off.

#ifndef PELTON_SCHED_FIBER_INTERNAL_STACK_OVERFLOW_H_
#define PELTON_SCHED_FIBER_INTERNAL_STACK_OVERFLOW_H_

namespace pelton::sched_internal {

// Makes sure that overflows on this thread are told of. COST: some system calls at a thread's first
// call, a load and a branch later.
void ReportStackOverflows();

}  // namespace pelton::sched_internal

#endif  // PELTON_SCHED_FIBER_INTERNAL_STACK_OVERFLOW_H_
