#include "io/process/signal_channels.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <string>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"

namespace pelton::io {
namespace {

constexpr int kSignals = 65;
constexpr int kNoChannel = -1;

struct Channel {
  int reader = -1;
  int writer = -1;
  bool in_use = false;
};

// The signal that leads to a channel, and what it did before.
struct Route {
  int channel = kNoChannel;
  struct sigaction previous = {};
};

struct Channels {
  std::mutex mutex;  // of all but writers
  std::array<Channel, kSignals> channels;
  std::array<Route, kSignals> routes;
};

// Never destroyed: a signal may come until the process has ended.
Channels& All() {
  static Channels& channels = *new Channels;
  return channels;
}

// Where the handler writes; -1: nowhere.
struct Writer {
  std::atomic<int> descriptor = -1;
};
constinit std::array<Writer, kSignals> writers;  // by signal
static_assert(std::atomic<int>::is_always_lock_free);

void Handle(int signal, siginfo_t* info, void*) {
  const int error = errno;
  const int writer =
      writers[static_cast<size_t>(signal)].descriptor.load(std::memory_order_relaxed);
  const bool from_process = info->si_code <= 0;  // SI_USER, SI_QUEUE, SI_TKILL, ...
  const SignalRecord record = {.signal = signal,
                               .sender = from_process ? info->si_pid : 0,
                               .sender_user = from_process ? info->si_uid : 0};
  // A full pipe holds thousands.
  if (writer >= 0) [[maybe_unused]]
    const ssize_t written = ::write(writer, &record, sizeof(record));
  errno = error;
}

std::string NameOf(int signal) {
  const char* const name = ::sigabbrev_np(signal);
  return name != nullptr ? absl::StrCat("SIG", name) : absl::StrCat("signal ", signal);
}

absl::Status CheckSignal(int signal) {
  if (signal < 1 || signal >= kSignals || signal == 32 || signal == 33) {
    return absl::InvalidArgumentError(absl::StrCat(signal, " is no signal: expected 1 to ",
                                                   kSignals - 1,
                                                   " without the C library's own 32 and 33"));
  }
  switch (signal) {
    case SIGKILL:
    case SIGSTOP:
      return absl::InvalidArgumentError(
          absl::StrCat(NameOf(signal), " cannot be awaited: the kernel lets nobody take it"));
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGABRT:
    case SIGTRAP:
    case SIGSYS:
      return absl::InvalidArgumentError(absl::StrCat(
          NameOf(signal), " cannot be awaited: it is about a defect of the thread that gets it"));
    case SIGTERM:
    case SIGINT:
    case SIGQUIT:
      return absl::AlreadyExistsError(
          absl::StrCat(NameOf(signal), " is the runtime's, which drains, stops and dumps the ",
                       "service by it; a task sees a stop by its stop status"));
    case SIGPIPE:
      return absl::InvalidArgumentError(
          "SIGPIPE cannot be awaited: a write that nobody reads is an error of that write (EPIPE)");
    default:
      return absl::OkStatus();
  }
}

// What happens to `signal` now, if nobody has taken it. REQUIRES: the lock is held.
absl::Status CheckFree(int signal) {
  const Route& route = All().routes[static_cast<size_t>(signal)];
  if (route.channel != kNoChannel) {
    return absl::AlreadyExistsError(
        absl::StrCat(NameOf(signal), " is awaited by another Signals of this process"));
  }
  struct sigaction current;
  if (::sigaction(signal, nullptr, &current) != 0) return ErrnoToStatus(errno, NameOf(signal));
  const bool has_handler = (current.sa_flags & SA_SIGINFO) != 0 ||
                           (current.sa_handler != SIG_DFL && current.sa_handler != SIG_IGN);
  if (!has_handler) return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrCat(NameOf(signal), " has a handler that somebody else has set (sigaction(2))"));
}

// A free channel with its pipe. REQUIRES: the lock is held.
absl::StatusOr<int> TakeChannel() {
  for (size_t i = 0; i < All().channels.size(); ++i) {
    Channel& channel = All().channels[i];
    if (channel.in_use) continue;
    if (channel.reader < 0) {
      int ends[2];
      if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoToStatus(errno, "make a pipe for signals");
      // A handler must not wait.
      if (::fcntl(ends[1], F_SETFL, O_NONBLOCK) != 0) {
        const int error = errno;
        ::close(ends[0]);
        ::close(ends[1]);
        return ErrnoToStatus(error, "make a pipe for signals");
      }
      channel.reader = ends[0];
      channel.writer = ends[1];
    }
    channel.in_use = true;
    return static_cast<int>(i);
  }
  return absl::ResourceExhaustedError("every signal is awaited already");
}

}  // namespace

absl::StatusOr<int> ConnectSignals(std::span<const int> signals) {
  for (const int signal : signals) PELTON_RETURN_IF_ERROR(CheckSignal(signal));
  const std::lock_guard lock(All().mutex);
  for (const int signal : signals) PELTON_RETURN_IF_ERROR(CheckFree(signal));
  PELTON_ASSIGN_OR_RETURN(const int number, TakeChannel());
  const Channel& channel = All().channels[static_cast<size_t>(number)];
  for (const int signal : signals) {
    Route& route = All().routes[static_cast<size_t>(signal)];
    if (route.channel == number) continue;  // named twice
    route.channel = number;
    writers[static_cast<size_t>(signal)].descriptor.store(channel.writer,
                                                          std::memory_order_relaxed);
    struct sigaction action = {};
    action.sa_sigaction = &Handle;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    ::sigfillset(&action.sa_mask);
    ::sigaction(signal, &action, &route.previous);
  }
  return number;
}

void DisconnectSignals(int channel) {
  const std::lock_guard lock(All().mutex);
  for (int signal = 1; signal < kSignals; ++signal) {
    Route& route = All().routes[static_cast<size_t>(signal)];
    if (route.channel != channel) continue;
    ::sigaction(signal, &route.previous, nullptr);
    writers[static_cast<size_t>(signal)].descriptor.store(-1, std::memory_order_relaxed);
    route.channel = kNoChannel;
  }
  All().channels[static_cast<size_t>(channel)].in_use = false;
}

bool IsConnected(int signal, int channel) {
  const std::lock_guard lock(All().mutex);
  return All().routes[static_cast<size_t>(signal)].channel == channel;
}

absl::StatusOr<int> OpenChannel(int channel) {
  const std::lock_guard lock(All().mutex);
  const int reader = All().channels[static_cast<size_t>(channel)].reader;
  const int copy = ::fcntl(reader, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (copy < 0) return ErrnoToStatus(errno, "open a channel for signals");
  return copy;
}

}  // namespace pelton::io
