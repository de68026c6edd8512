#include "io/process/run_command.h"

#include <cerrno>
#include <utility>

#include "framework/base/status.h"
#include "io/process/process.h"
#include "sched/when.h"

namespace pelton {
namespace {

void UsePipe(ChildStream& stream) {
  if (stream.kind() == ChildStream::Kind::kInherit) stream = ChildStream::Pipe();
}

Task<absl::Status> Feed(PipeWriter& target, std::string_view bytes) {
  if (!target.valid()) co_return absl::OkStatus();
  const absl::Status written = co_await target.Write(bytes);
  target.Close();
  co_return GetErrno(written) == EPIPE ? absl::OkStatus() : written;
}

Task<absl::Status> Gather(PipeReader& source, size_t limit, std::string& text) {
  if (!source.valid()) co_return absl::OkStatus();
  PELTON_CO_ASSIGN_OR_RETURN(text, co_await source.ReadToEnd(limit));
  co_return absl::OkStatus();
}

}  // namespace

Task<absl::StatusOr<CommandResult>> RunCommand(Command command, RunCommandOptions options) {
  UsePipe(command.input);
  UsePipe(command.output);
  UsePipe(command.error);
  PELTON_CO_ASSIGN_OR_RETURN(Process process, co_await Process::Spawn(std::move(command)));
  CommandResult result;
  PELTON_CO_RETURN_IF_ERROR(
      co_await WhenAll(FailFast(), Feed(process.input(), options.input),
                       Gather(process.output(), options.output_limit, result.output),
                       Gather(process.error(), options.output_limit, result.error)));
  PELTON_CO_ASSIGN_OR_RETURN(result.status, co_await process.Wait());
  co_return result;
}

}  // namespace pelton
