// What the kernel says about a process and about the machine, from /proc.
//
// Shard affinity: none. Cost: a few files opened and read a call, some 10 µs each; for the edges of
// a measurement.
//
//   const uint64_t before = CpuNanoseconds(server_pid);
//   ... load ...
//   const uint64_t used = CpuNanoseconds(server_pid) - before;

#ifndef PELTON_BENCH_ECHO_PROCESS_STATS_H_
#define PELTON_BENCH_ECHO_PROCESS_STATS_H_

#include <sys/types.h>

#include <cstdint>
#include <string_view>

namespace pelton::bench {

struct ProcessMemory {
  uint64_t resident_bytes = 0;
  uint64_t anonymous_bytes = 0;  // heap, stacks, anonymous mappings, shared ones among them
};

// CPU time of all living threads of `pid`, from /proc/PID/task/*/schedstat; 0 when there is no such
// process. The kernel brings a running thread's figure up to date at ticks: up to 4 ms late at 250
// Hz.
uint64_t CpuNanoseconds(pid_t pid);

// CPU time of the calling process.
uint64_t OwnCpuNanoseconds();

// From /proc/PID/smaps_rollup; zeros when there is no such process. COST: walks the process's page
// tables.
ProcessMemory MemoryOf(pid_t pid);

// Time that all cores together have spent on anything but idling, steal time included, from
// /proc/stat. Resolution: 10 ms.
uint64_t MachineBusyNanoseconds();

namespace internal {
// The parts of the above that parse; `text` is the content of the file.
uint64_t ParseSchedstat(std::string_view text);
ProcessMemory ParseSmapsRollup(std::string_view text);
uint64_t ParseBusyTicks(std::string_view text);
}  // namespace internal

}  // namespace pelton::bench

#endif  // PELTON_BENCH_ECHO_PROCESS_STATS_H_
