#include "io/stream/socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"

namespace pelton {
namespace io {
namespace {

absl::Status Invalid(std::string_view name, std::string_view subject, std::string_view value,
                     std::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat("set ", ToAbsl(name), " of ", ToAbsl(subject),
                                                 " to ", ToAbsl(value), ": expected ",
                                                 ToAbsl(expected)));
}

}  // namespace

absl::Status SetIntegerOption(int descriptor, int level, int option, int value,
                              std::string_view name, std::string_view subject) {
  if (::setsockopt(descriptor, level, option, &value, sizeof(value)) == 0) return absl::OkStatus();
  return ErrnoToStatus(errno, absl::StrCat("set ", ToAbsl(name), " of"), subject);
}

absl::StatusOr<int> DurationOption(absl::Duration duration, absl::Duration unit,
                                   std::string_view name, std::string_view subject) {
  const absl::Duration rounded = absl::Ceil(duration, unit);
  if (duration < absl::ZeroDuration() || rounded > unit * INT_MAX) {
    return Invalid(name, subject, absl::FormatDuration(duration),
                   absl::StrCat("0 to ", absl::FormatDuration(unit * INT_MAX)));
  }
  return static_cast<int>(rounded / unit);
}

}  // namespace io

namespace {

// Sets options of one socket until the first error.
class Setter {
 public:
  Setter(int descriptor, std::string_view subject) : descriptor_(descriptor), subject_(subject) {}

  void Integer(int level, int option, int value, std::string_view name) {
    if (status_.ok()) {
      status_ = io::SetIntegerOption(descriptor_, level, option, value, name, subject_);
    }
  }
  void Flag(int option, const std::optional<bool>& value, std::string_view name) {
    if (value.has_value()) Integer(IPPROTO_TCP, option, *value ? 1 : 0, name);
  }
  void Bytes(int option, const std::optional<size_t>& value, std::string_view name) {
    // The kernel doubles it.
    if (value.has_value()) {
      Integer(SOL_SOCKET, option, static_cast<int>(std::min<size_t>(*value, INT_MAX / 2)), name);
    }
  }
  void Duration(int level, int option, absl::Duration value, absl::Duration unit,
                std::string_view name) {
    if (const std::optional<int> number = Number(value, unit, name); number.has_value()) {
      Integer(level, option, *number, name);
    }
  }
  void Linger(absl::Duration value) {
    const std::optional<int> seconds = Number(value, absl::Seconds(1), "SO_LINGER");
    if (!seconds.has_value()) return;
    const linger option = {.l_onoff = 1, .l_linger = *seconds};
    Any(SOL_SOCKET, SO_LINGER, &option, sizeof(option), "SO_LINGER");
  }
  void Text(int option, const std::string& value, std::string_view name) {
    Any(IPPROTO_TCP, option, value.data(), static_cast<socklen_t>(value.size()), name);
  }

  absl::Status status() && { return std::move(status_); }

 private:
  std::optional<int> Number(absl::Duration value, absl::Duration unit, std::string_view name) {
    if (!status_.ok()) return std::nullopt;
    const absl::StatusOr<int> number = io::DurationOption(value, unit, name, subject_);
    status_ = number.status();
    return number.ok() ? std::optional<int>(*number) : std::nullopt;
  }
  void Any(int level, int option, const void* value, socklen_t size, std::string_view name) {
    if (!status_.ok() || ::setsockopt(descriptor_, level, option, value, size) == 0) return;
    status_ = ErrnoToStatus(errno, absl::StrCat("set ", ToAbsl(name), " of"), subject_);
  }

  const int descriptor_;
  const std::string_view subject_;
  absl::Status status_;
};

void SetKeepAlive(const KeepAlive& keep_alive, Setter& set) {
  set.Integer(SOL_SOCKET, SO_KEEPALIVE, keep_alive.enabled ? 1 : 0, "SO_KEEPALIVE");
  if (!keep_alive.enabled) return;
  set.Duration(IPPROTO_TCP, TCP_KEEPIDLE, keep_alive.idle, absl::Seconds(1), "TCP_KEEPIDLE");
  set.Duration(IPPROTO_TCP, TCP_KEEPINTVL, keep_alive.interval, absl::Seconds(1), "TCP_KEEPINTVL");
  set.Integer(IPPROTO_TCP, TCP_KEEPCNT, keep_alive.count, "TCP_KEEPCNT");
}

}  // namespace

absl::Status ApplySocketOptions(int descriptor, const SocketOptions& options,
                                std::string_view subject) {
  Setter set(descriptor, subject);
  set.Bytes(SO_SNDBUF, options.send_buffer, "SO_SNDBUF");
  set.Bytes(SO_RCVBUF, options.receive_buffer, "SO_RCVBUF");
  if (options.linger.has_value()) set.Linger(*options.linger);
  if (options.priority.has_value()) {
    set.Integer(SOL_SOCKET, SO_PRIORITY, *options.priority, "SO_PRIORITY");
  }
  if (options.mark.has_value()) {
    set.Integer(SOL_SOCKET, SO_MARK, static_cast<int>(*options.mark), "SO_MARK");
  }
  if (options.busy_poll.has_value()) {
    set.Duration(SOL_SOCKET, SO_BUSY_POLL, *options.busy_poll, absl::Microseconds(1),
                 "SO_BUSY_POLL");
  }
  set.Flag(TCP_NODELAY, options.no_delay, "TCP_NODELAY");
  set.Flag(TCP_CORK, options.cork, "TCP_CORK");
  set.Flag(TCP_QUICKACK, options.quick_ack, "TCP_QUICKACK");
  if (options.keep_alive.has_value()) SetKeepAlive(*options.keep_alive, set);
  if (options.user_timeout.has_value()) {
    set.Duration(IPPROTO_TCP, TCP_USER_TIMEOUT, *options.user_timeout, absl::Milliseconds(1),
                 "TCP_USER_TIMEOUT");
  }
  if (!options.congestion_control.empty()) {
    set.Text(TCP_CONGESTION, options.congestion_control, "TCP_CONGESTION");
  }
  return std::move(set).status();
}

}  // namespace pelton
