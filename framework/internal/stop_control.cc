#include "framework/internal/stop_control.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "framework/base/check.h"
#include "framework/base/log.h"
#include "framework/base/status.h"
#include "sched/clock.h"

namespace pelton {
namespace {

// How long after the request to stop idle peers are left alone: a request of theirs may be on its
// way.
constexpr absl::Duration kLongestIdleLinger = absl::Milliseconds(500);
// How long shards have to write their tasks before the process ends.
constexpr absl::Duration kDumpPatience = absl::Milliseconds(200);
// poll(2) counts milliseconds in an int.
constexpr absl::Duration kLongestPoll = absl::Hours(1);

// What shards tell the control thread. The sum of many of the first stays below the second.
constexpr uint64_t kCancelledEvent = 1;
constexpr uint64_t kEndedEvent = uint64_t{1} << 32;

}  // namespace

absl::StatusOr<std::unique_ptr<StopControl>> StopControl::Create(absl::Duration grace_period,
                                                                 absl::Duration give_up_after) {
  sigset_t mask;
  ::sigemptyset(&mask);
  ::sigaddset(&mask, SIGTERM);
  ::sigaddset(&mask, SIGINT);
  ::sigaddset(&mask, SIGQUIT);
  const int signals = ::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) return ErrnoToStatus(errno, "signalfd");
  const int events = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (events < 0) {
    const int error = errno;
    ::close(signals);
    return ErrnoToStatus(error, "eventfd");
  }
  sigset_t previous;
  ::pthread_sigmask(SIG_BLOCK, &mask, &previous);
  return std::unique_ptr<StopControl>(
      new StopControl(signals, events, previous, grace_period, give_up_after));
}

StopControl::StopControl(int signals, int events, const sigset_t& previous,
                         absl::Duration grace_period, absl::Duration give_up_after)
    : signals_(signals),
      events_(events),
      previous_mask_(previous),
      grace_period_(grace_period),
      give_up_after_(give_up_after) {}

StopControl::~StopControl() {
  // A signal that came during the last moments asked for what has been done. Left pending, it would
  // kill the process now.
  while (TakeSignal() != 0) {
  }
  ::close(signals_);
  ::close(events_);
  ::pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
}

int StopControl::TakeSignal() {
  signalfd_siginfo info;
  if (::read(signals_, &info, sizeof(info)) != sizeof(info)) return 0;
  return static_cast<int>(info.ssi_signo);
}

uint64_t StopControl::TakeEvents() {
  uint64_t events = 0;
  const ssize_t bytes = ::read(events_, &events, sizeof(events));
  PELTON_CHECK(bytes == sizeof(events) || errno == EAGAIN) << "eventfd: " << ErrnoName(errno);
  return events;
}

void StopControl::WaitUntilEnded(const std::function<void(StopPhase)>& request_stop,
                                 const std::function<void()>& request_dump) {
  const MonotonicClock clock;
  StopPhase phase = StopPhase::kNone;
  Timestamp next = Timestamp::InfiniteFuture();  // when the next phase begins
  Timestamp grace_end;
  const auto enter = [&](StopPhase entered) {
    phase = entered;
    if (entered == StopPhase::kAccepting) {
      grace_end = clock.Now() + grace_period_;
      next = clock.Now() + std::min(kLongestIdleLinger, grace_period_ / 4);
    } else if (entered == StopPhase::kIdle) {
      next = grace_end;
    } else {
      next = clock.Now() + give_up_after_;
    }
    request_stop(entered);
  };
  while (true) {
    pollfd events[] = {{.fd = events_, .events = POLLIN}, {.fd = signals_, .events = POLLIN}};
    int timeout_ms = -1;
    if (!next.infinite()) {
      const absl::Duration left =
          std::clamp(next - clock.Now(), absl::ZeroDuration(), kLongestPoll);
      timeout_ms = static_cast<int>(absl::ToInt64Milliseconds(left + absl::Milliseconds(1)));
    }
    const int result = ::poll(events, 2, timeout_ms);
    PELTON_CHECK(result >= 0 || errno == EINTR) << "poll: " << ErrnoName(errno);
    if (events[0].revents != 0) {
      if (TakeEvents() >= kEndedEvent) return;
      if (phase != StopPhase::kEverything) enter(StopPhase::kEverything);
    } else if (const int signal = result > 0 && events[1].revents != 0 ? TakeSignal() : 0;
               signal != 0) {
      if (signal == SIGQUIT) {
        request_dump();
        continue;
      }
      if (phase == StopPhase::kEverything) continue;  // does not put the end off
      enter(phase == StopPhase::kNone ? StopPhase::kAccepting : StopPhase::kEverything);
    } else if (!next.infinite() && clock.Now() >= next) {
      if (phase == StopPhase::kEverything) GiveUp(request_dump);
      enter(phase == StopPhase::kAccepting ? StopPhase::kIdle : StopPhase::kEverything);
    }
  }
}

void StopControl::GiveUp(const std::function<void()>& request_dump) {
  LogLine(absl::StrCat("tasks did not end within ", absl::FormatDuration(give_up_after_),
                       " of their cancellation; giving up"));
  request_dump();
  // Shards that can still run a turn write their tasks meanwhile.
  pollfd ended = {.fd = events_, .events = POLLIN};
  (void)::poll(&ended, 1, static_cast<int>(absl::ToInt64Milliseconds(kDumpPatience)));
  ::_exit(1);
}

void StopControl::Notify(uint64_t event) {
  PELTON_CHECK(::write(events_, &event, sizeof(event)) == sizeof(event))
      << "eventfd: " << ErrnoName(errno);
}

void StopControl::ShardsEnded() { Notify(kEndedEvent); }

void StopControl::EverythingCancelled() { Notify(kCancelledEvent); }

}  // namespace pelton
