// RunCommand: runs a program to its end, feeds it, and gathers what it says.
//
//   PELTON_CO_ASSIGN_OR_RETURN(CommandResult sorted, co_await RunCommand(Command("sort"), {.input = text}));
//   if (!sorted.status.ok()) ... sorted.status.ToString(), sorted.error ...
//
// Shard affinity: the awaiting task's. The child is killed when the task is cancelled, so a deadline is
// WithTimeout(limit, RunCommand(...)).

#ifndef PELTON_IO_PROCESS_RUN_COMMAND_H_
#define PELTON_IO_PROCESS_RUN_COMMAND_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "io/process/command.h"
#include "io/process/exit_status.h"
#include "sched/task.h"

namespace pelton {

struct CommandResult {
  ExitStatus status;
  std::string output;
  std::string error;
};

struct RunCommandOptions {
  // What the program reads; must live until the await returns. A program that ends without having read
  // all of it is no error.
  std::string_view input;
  // How much it may write, to each of its two outputs.
  size_t output_limit = size_t{1} << 20;
};

// Runs `command`, whose standard streams are pipes to here but where it says otherwise than
// ChildStream::Inherit(); reads and writes them at the same time; and waits for the end of the outputs
// and of the program. A program that fails is no error of this call: see CommandResult::status.
// ERRORS: those of Process::Spawn(); RESOURCE_EXHAUSTED when it writes more than the limit, the stop
// status: in both cases it is killed.
Task<absl::StatusOr<CommandResult>> RunCommand(Command command, RunCommandOptions options = {});

}  // namespace pelton

#endif  // PELTON_IO_PROCESS_RUN_COMMAND_H_
