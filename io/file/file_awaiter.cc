#include "io/file/file_awaiter.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"

namespace pelton::io {

absl::Status FileError(int result, std::string_view operation, std::string_view subject) {
  const TaskContext& flow = Scheduler::Current()->current_context();
  if ((result == -ECANCELED || result == -EINTR) && flow.StoppedFrom(StopPhase::kAccepting)) {
    return flow.StopStatus();
  }
  return ErrnoToStatus(-result, operation, subject);
}

absl::Status CheckPath(std::string_view path) {
  const size_t zero = path.find('\0');
  if (zero == std::string_view::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the path \"", ToAbsl(path.substr(0, zero)),
                   "\" goes on after a zero byte, where the kernel would take it to end"));
}

void FileAwaiter::OnCompletion(const Completion& completion) {
  static_assert(kCancelled == ECANCELED);
  if (completion.result == -EINTR && !Operation::cancel_requested) {
    return Reactor::Current()->Start(*this);
  }
  result_ = completion.result;
  Resume();
}

void FileAwaiter::Describe(std::ostream& out) const {
  out << OperationKindName(kind);
  if (IsPathKind(kind)) {
    out << " of " << static_cast<const char*>(address);
  } else if (descriptor >= 0) {
    out << " on descriptor " << descriptor;
  }
}

}  // namespace pelton::io
