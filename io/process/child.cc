#include "io/process/child.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "io/reactor.h"

namespace pelton::io {
namespace {

// P_PIDFD, which the C library may not name.
constexpr int kByProcessDescriptor = 3;

ExitStatus ToExitStatus(const siginfo_t& info, const rusage& usage) {
  ExitStatus status;
  if (info.si_code == CLD_EXITED) {
    status.code = info.si_status;
  } else {
    status.signal = info.si_status;
    status.dumped_core = info.si_code == CLD_DUMPED;
  }
  status.user_time = absl::DurationFromTimeval(usage.ru_utime);
  status.system_time = absl::DurationFromTimeval(usage.ru_stime);
  status.most_resident_bytes = int64_t{usage.ru_maxrss} << 10;
  return status;
}

}  // namespace

Child::Child(pid_t pid, int process_descriptor, bool leads_group, std::string name)
    : Operation(OperationKind::kPoll),
      pid_(pid),
      leads_group_(leads_group),
      name_(std::move(name)) {
  Operation::descriptor = process_descriptor;
  Operation::length = POLLIN;
}

// It was only ever polled.
Child::~Child() { ::close(Operation::descriptor); }

bool Child::Ended() {
  if (status_.has_value() || lost_) return true;
  siginfo_t info = {};
  rusage usage = {};
  const long result = ::syscall(SYS_waitid, kByProcessDescriptor, Operation::descriptor, &info,
                                WEXITED | WNOHANG, &usage);
  if (result == 0 && info.si_pid != 0) status_ = ToExitStatus(info, usage);
  if (result != 0) {
    PELTON_CHECK(errno == ECHILD) << "waitid for " << name_ << ": " << ErrnoName(errno);
    lost_ = true;
  }
  return status_.has_value() || lost_;
}

absl::StatusOr<ExitStatus> Child::status() const {
  if (status_.has_value()) return *status_;
  return absl::FailedPreconditionError(absl::StrCat(
      "wait for ", name_, ": somebody else has reaped it. Is SIGCHLD set to be ignored, ",
      "or does a library wait for all children?"));
}

absl::Status Child::Signal(int signal) {
  if (Ended()) return absl::OkStatus();
  const int result = leads_group_
                         ? ::kill(-pid_, signal)
                         : static_cast<int>(::syscall(SYS_pidfd_send_signal, Operation::descriptor,
                                                      signal, nullptr, 0));
  if (result == 0) return absl::OkStatus();
  return ErrnoToStatus(errno, absl::StrCat("send signal ", signal, " to"), name_);
}

void Child::Abandon() {
  if (Ended()) {
    delete this;
    return;
  }
  // The child may have become another user's (EPERM). It is reaped when it ends all the same.
  (void)Signal(SIGKILL);
  Reactor::Current()->Start(*this);
}

void Child::OnCompletion(const Completion&) {
  // Short of memory for a poll, or of events: look again in the next turn.
  if (!Ended()) return Reactor::Current()->Start(*this);
  delete this;
}

}  // namespace pelton::io
