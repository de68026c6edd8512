#include "io/process/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "framework/base/check.h"
#include "framework/base/status.h"

// The name under which ThreadSanitizer does not intercept clone(2): it takes the child, which lives in
// the same memory, for a fork.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the C library's.
extern "C" int __clone(int (*function)(void*), void* stack, int flags, void* argument, ...);

namespace pelton::io {
namespace {

// The kernel's names for what packaged headers may lack.
constexpr unsigned kCloseRangeCloexec = 4;
constexpr int kCloneProcessDescriptor = 0x1000;

constexpr size_t kStackBytes = size_t{64} << 10;
constexpr const char* kStreamNames[] = {"standard input", "standard output", "standard error"};

using KernelSignalSet = uint64_t;
constexpr size_t kSignalSetBytes = sizeof(KernelSignalSet);

absl::Status CheckText(const std::string& text, std::string_view what) {
  if (text.find('\0') == std::string::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(what), " \"", text.substr(0, text.find('\0')),
                   "...\" has a NUL inside: the kernel would cut it there"));
}

}  // namespace

// What the child does before it runs its program. It shares this process's memory, so it calls the
// kernel directly: a sanitizer's or a library's idea of descriptors and handlers is the parent's. The
// errno that it leaves is the parent thread's, which stands still.
struct ChildMain {
  // Returns 0 or an errno.
  __attribute__((no_sanitize("address", "thread", "undefined"))) static int CloseOnExec(
      const SpawnRequest& request) {
    if (::syscall(SYS_close_range, 3, ~0U, kCloseRangeCloexec) == 0) return 0;
    // Before Linux 5.11.
    for (int descriptor = 3; descriptor < request.descriptor_limit_; ++descriptor) {
      ::syscall(SYS_fcntl, descriptor, F_SETFD, FD_CLOEXEC);
    }
    return 0;
  }

  __attribute__((no_sanitize("address", "thread", "undefined"))) static int PlaceDescriptors(
      SpawnRequest& request) {
    // First out of the way of each other, then into place.
    for (SpawnRequest::Mapping *at = request.mappings_.data(), *end = at + request.mappings_.size();
         at != end; ++at) {
      const long copy = ::syscall(SYS_fcntl, at->source, F_DUPFD_CLOEXEC, request.first_free_);
      if (copy < 0) return errno;
      at->source = static_cast<int>(copy);
    }
    for (SpawnRequest::Mapping *at = request.mappings_.data(), *end = at + request.mappings_.size();
         at != end; ++at) {
      if (::syscall(SYS_dup3, at->source, at->target, 0) < 0) return errno;
    }
    return 0;
  }

  __attribute__((no_sanitize("address", "thread", "undefined"))) static int SetLimits(
      SpawnRequest& request) {
    for (const Command::ResourceLimit *at = request.command_.limits.data(),
                                      *end = at + request.command_.limits.size();
         at != end; ++at) {
      request.failed_limit_ = at->resource;
      if (::syscall(SYS_prlimit64, 0, at->resource, &at->limit, nullptr) != 0) return errno;
    }
    return 0;
  }

  // Before the mask is opened: no handler of the parent's may run here.
  __attribute__((no_sanitize("address", "thread", "undefined"))) static void ResetSignals() {
    struct {
      uint64_t words[4];
    } by_default = {};  // a kernel_sigaction: SIG_DFL, no flags
    for (int signal = 1; signal <= 64; ++signal) {
      ::syscall(SYS_rt_sigaction, signal, &by_default, nullptr, kSignalSetBytes);
    }
  }

  __attribute__((no_sanitize("address", "thread", "undefined"))) static int SetParentSignal(
      const SpawnRequest& request) {
    const int signal = request.command_.signal_when_shard_ends;
    if (signal == 0) return 0;
    if (::syscall(SYS_prctl, PR_SET_PDEATHSIG, signal, 0, 0, 0) != 0) return errno;
    // The parent may have been killed before.
    return ::syscall(SYS_getppid) == request.parent_ ? 0 : ESRCH;
  }

  __attribute__((no_sanitize("address", "thread", "undefined"))) static int Execute(
      const SpawnRequest& request) {
    int error = ENOENT;
    bool denied = false;
    for (const char *const *at = request.candidate_pointers_.data(),
                           *const *end = at + request.candidate_pointers_.size();
         at != end; ++at) {
      ::syscall(SYS_execve, *at, request.arguments_.data(), request.environment_.data());
      error = errno;
      if (error == EACCES) {
        denied = true;
      } else if (error != ENOENT && error != ENOTDIR) {
        return error;
      }
    }
    return denied ? EACCES : error;
  }

  __attribute__((no_sanitize("address", "thread", "undefined"))) static int Run(void* argument) {
    SpawnRequest& request = *static_cast<SpawnRequest*>(argument);
    const Command& command = request.command_;
    ResetSignals();
    int error = 0;
    request.failed_step_ = SpawnRequest::Step::kGroup;
    if (command.group == Command::Group::kNewSession && ::syscall(SYS_setsid) < 0) error = errno;
    if (command.group == Command::Group::kNew && ::syscall(SYS_setpgid, 0, 0) < 0) error = errno;
    if (error == 0 && !command.working_directory.empty()) {
      request.failed_step_ = SpawnRequest::Step::kDirectory;
      if (::syscall(SYS_chdir, command.working_directory.c_str()) != 0) error = errno;
    }
    if (error == 0) {
      request.failed_step_ = SpawnRequest::Step::kDescriptors;
      error = CloseOnExec(request);
    }
    if (error == 0) error = PlaceDescriptors(request);
    if (error == 0) {
      request.failed_step_ = SpawnRequest::Step::kLimit;
      error = SetLimits(request);
    }
    if (error == 0) {
      request.failed_step_ = SpawnRequest::Step::kParent;
      error = SetParentSignal(request);
    }
    if (error == 0) {
      const KernelSignalSet none = 0;
      ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, kSignalSetBytes);
      request.failed_step_ = SpawnRequest::Step::kRun;
      error = Execute(request);
    }
    request.error_ = error;
    ::syscall(SYS_exit_group, 127);
    __builtin_unreachable();
  }
};

SpawnRequest::~SpawnRequest() {
  CloseTheirEnds();
  for (const int end : our_ends_) {
    if (end >= 0) ::close(end);
  }
  PELTON_CHECK(process_descriptor_ < 0) << "nobody took " << command_.program;
}

const ChildStream& SpawnRequest::StreamOf(int stream) const {
  const ChildStream* const streams[] = {&command_.input, &command_.output, &command_.error};
  return *streams[stream];
}

absl::Status SpawnRequest::Prepare() {
  if (command_.program.empty()) return absl::InvalidArgumentError("a command without a program");
  PELTON_RETURN_IF_ERROR(CheckText(command_.program, "the program"));
  PELTON_RETURN_IF_ERROR(CheckText(command_.working_directory, "the working directory"));
  for (const std::string& argument : command_.arguments) {
    PELTON_RETURN_IF_ERROR(CheckText(argument, "the argument"));
  }
  if (command_.environment.has_value()) {
    for (const std::string& variable : *command_.environment) {
      PELTON_RETURN_IF_ERROR(CheckText(variable, "the environment's"));
      if (variable.find('=') == std::string::npos || variable[0] == '=') {
        return absl::InvalidArgumentError(
            absl::StrCat("the environment's \"", variable, "\" is not of the form NAME=VALUE"));
      }
    }
  }
  for (const int stream : {0, 1}) {
    if (StreamOf(stream).kind() == ChildStream::Kind::kSameAsOutput) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the ", kStreamNames[stream], " cannot be SameAsOutput(); the standard error can"));
    }
  }
  std::set<int> targets;
  for (const Command::PassedDescriptor& passed : command_.descriptors) {
    if (passed.theirs <= STDERR_FILENO || !targets.insert(passed.theirs).second) {
      return absl::InvalidArgumentError(absl::StrCat("descriptor ", passed.theirs,
                                                     " of the child: expected a number from 3 on, ",
                                                     "and each once"));
    }
  }
  FindCandidates();
  arguments_.push_back(command_.program.c_str());
  for (const std::string& argument : command_.arguments) arguments_.push_back(argument.c_str());
  arguments_.push_back(nullptr);
  if (command_.environment.has_value()) {
    for (const std::string& variable : *command_.environment) {
      environment_.push_back(variable.c_str());
    }
  } else {
    for (char** variable = ::environ; *variable != nullptr; ++variable) {
      environment_.push_back(*variable);
    }
  }
  environment_.push_back(nullptr);
  return absl::OkStatus();
}

// As execvp(3) looks it up.
void SpawnRequest::FindCandidates() {
  if (command_.program.find('/') != std::string::npos) {
    candidates_.push_back(command_.program);
  } else {
    const char* const path = ::getenv("PATH");
    for (const absl::string_view folder :
         absl::StrSplit(path != nullptr ? path : "/bin:/usr/bin", ':')) {
      candidates_.push_back(absl::StrCat(folder, folder.empty() ? "" : "/", command_.program));
    }
  }
  for (const std::string& candidate : candidates_) candidate_pointers_.push_back(candidate.c_str());
}

// Returns 0 or an errno.
int SpawnRequest::OpenStream(int stream) {
  const ChildStream& source = StreamOf(stream);
  const bool reads = stream == 0;
  const char* path = nullptr;
  int flags = O_CLOEXEC | (reads ? O_RDONLY : O_WRONLY | O_CREAT);
  switch (source.kind()) {
    case ChildStream::Kind::kPipe: {
      int ends[2];
      if (::pipe2(ends, O_CLOEXEC) != 0) return errno;
      their_ends_[stream] = ends[reads ? 0 : 1];
      our_ends_[stream] = ends[reads ? 1 : 0];
      return 0;
    }
    case ChildStream::Kind::kNull:
      path = "/dev/null";
      flags = O_CLOEXEC | O_RDWR;
      break;
    case ChildStream::Kind::kFile:
      path = source.path().c_str();
      if (!reads) flags |= O_TRUNC;
      break;
    case ChildStream::Kind::kAppendToFile:
      path = source.path().c_str();
      if (!reads) flags |= O_APPEND;
      break;
    default:
      return 0;
  }
  their_ends_[stream] = ::open(path, flags, 0666);
  return their_ends_[stream] < 0 ? errno : 0;
}

void SpawnRequest::AddMappings() {
  for (int stream = 0; stream < 3; ++stream) {
    int source = their_ends_[stream];
    const ChildStream* from = &StreamOf(stream);
    if (from->kind() == ChildStream::Kind::kSameAsOutput) {
      from = &command_.output;
      source = their_ends_[1] >= 0 ? their_ends_[1] : STDOUT_FILENO;
    }
    if (from->kind() == ChildStream::Kind::kDescriptor) source = from->descriptor();
    if (source >= 0) mappings_.push_back({source, stream});
  }
  for (const Command::PassedDescriptor& passed : command_.descriptors) {
    mappings_.push_back({passed.ours, passed.theirs});
  }
  first_free_ = STDERR_FILENO + 1;
  for (const Mapping& mapping : mappings_) first_free_ = std::max(first_free_, mapping.target + 1);
  rlimit limit;
  descriptor_limit_ =
      ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<int>(limit.rlim_cur) : 1024;
}

void SpawnRequest::CloseTheirEnds() {
  for (int& end : their_ends_) {
    if (end >= 0) ::close(end);
    end = -1;
  }
}

int SpawnRequest::Fail(Step step, int error_number) {
  failed_step_ = step;
  error_ = error_number;
  return -error_number;
}

int SpawnRequest::Start() {
  constexpr Step kSteps[] = {Step::kInput, Step::kOutput, Step::kError};
  for (int stream = 0; stream < 3; ++stream) {
    if (const int error = OpenStream(stream); error != 0) return Fail(kSteps[stream], error);
  }
  AddMappings();
  const int result = Clone();
  CloseTheirEnds();
  return result;
}

int SpawnRequest::Clone() {
  parent_ = ::getpid();
  void* const stack = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return Fail(Step::kClone, errno);
  // Also those that the C library keeps for itself.
  const KernelSignalSet all = ~KernelSignalSet{0};
  KernelSignalSet previous = 0;
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &previous, kSignalSetBytes);
  const int pid = ::__clone(&ChildMain::Run, static_cast<char*>(stack) + kStackBytes,
                            CLONE_VM | CLONE_VFORK | kCloneProcessDescriptor | SIGCHLD, this,
                            &process_descriptor_);
  const int clone_error = errno;
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &previous, nullptr, kSignalSetBytes);
  ::munmap(stack, kStackBytes);
  if (pid < 0) return Fail(Step::kClone, clone_error);
  pid_ = pid;
  if (error_ == 0 && process_descriptor_ >= 0) return 0;
  if (error_ == 0) {
    // The kernel does not know the flag, and has ignored it.
    ::kill(pid, SIGKILL);
    error_ = ENOSYS;
    failed_step_ = Step::kProcessDescriptor;
  }
  // It has ended, or will in a moment.
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (process_descriptor_ >= 0) ::close(std::exchange(process_descriptor_, -1));
  return -error_;
}

absl::Status SpawnRequest::Failure() const {
  const std::string& program = command_.program;
  switch (failed_step_) {
    case Step::kRun:
      break;
    case Step::kGroup:
      return ErrnoToStatus(error_, "make a process group for", program);
    case Step::kDirectory:
      return ErrnoToStatus(error_, "run",
                           absl::StrCat(program, " in directory ", command_.working_directory));
    case Step::kLimit:
      return ErrnoToStatus(error_, "run",
                           absl::StrCat(program, " with resource limit ", failed_limit_));
    case Step::kDescriptors:
      return ErrnoToStatus(error_, "pass descriptors to", program);
    case Step::kParent:
      return ErrnoToStatus(error_, "tie the life of", absl::StrCat(program, " to this process"));
    case Step::kClone:
      return ErrnoToStatus(error_, "start a process for", program);
    case Step::kInput:
    case Step::kOutput:
    case Step::kError: {
      const int stream = static_cast<int>(failed_step_) - static_cast<int>(Step::kInput);
      const std::string& path = StreamOf(stream).path();
      return ErrnoToStatus(error_, "open",
                           absl::StrCat(path, path.empty() ? "" : " as ", "the ",
                                        kStreamNames[stream], " of ", program));
    }
    case Step::kProcessDescriptor:
      return absl::UnimplementedError(
          absl::StrCat("run ", program,
                       ": this kernel gives no descriptors for processes (CLONE_PIDFD), which "
                       "waiting for children needs; expected Linux 5.4 or newer"));
  }
  return ErrnoToStatus(error_, "run", program);
}

}  // namespace pelton::io
