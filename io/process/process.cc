#include "io/process/process.h"

#include <cerrno>
#include <csignal>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/descriptor/call_awaiter.h"
#include "io/descriptor/descriptor_record.h"
#include "io/descriptor/readiness.h"
#include "io/process/spawn.h"
#include "sched/deadline.h"

namespace pelton {

Task<absl::StatusOr<Process>> Process::Spawn(Command command) {
  io::SpawnRequest request(command);
  PELTON_CO_RETURN_IF_ERROR(request.Prepare());
  auto start = [&request] { return request.Start(); };
  // The kernel's signal at the parent's end is about the thread that started the child, and those of
  // the pool come and go.
  const int result = command.signal_when_shard_ends != 0
                         ? request.Start()
                         : co_await io::CallAwaiter(start, "the start of a process");
  if (result == -ECANCELED) co_return io::OperationFailure(ECANCELED, "run", command.program);
  if (result < 0) co_return request.Failure();
  const std::string name = absl::StrCat(command.program, "[", request.pid(), "]");
  Process process(io::ChildPointer(new io::Child(request.pid(), request.TakeProcessDescriptor(),
                                                 command.group != Command::Group::kSame, name)));
  if (const int end = request.TakePipe(0); end >= 0) {
    process.input_ = PipeWriter::Adopt(end, absl::StrCat("the input of ", name));
  }
  if (const int end = request.TakePipe(1); end >= 0) {
    process.output_ = PipeReader::Adopt(end, absl::StrCat("the output of ", name));
  }
  if (const int end = request.TakePipe(2); end >= 0) {
    process.error_ = PipeReader::Adopt(end, absl::StrCat("the error output of ", name));
  }
  co_return process;
}

Task<absl::StatusOr<ExitStatus>> Process::Wait() {
  while (!child_->Ended()) {
    PELTON_CO_RETURN_IF_ERROR(co_await AwaitReadable(child_->process_descriptor()));
  }
  co_return child_->status();
}

Task<absl::StatusOr<ExitStatus>> Process::Terminate(absl::Duration grace) {
  PELTON_CO_RETURN_IF_ERROR(Kill(SIGTERM));
  (void)co_await WithTimeout(grace, Wait());  // Ended() tells
  if (!child_->Ended()) PELTON_CO_RETURN_IF_ERROR(Kill(SIGKILL));
  co_return co_await Wait();
}

}  // namespace pelton
