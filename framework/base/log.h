// One-line messages to the operator, on stderr. Not for the hot path.

#ifndef PELTON_FRAMEWORK_BASE_LOG_H_
#define PELTON_FRAMEWORK_BASE_LOG_H_

#include <cstdint>
#include <string_view>

namespace pelton {

// Writes `text` and a newline to stderr in one write(2), so that lines of several threads do not
// mix. Any thread.
void LogLine(std::string_view text);

// Lets one event through per interval. For messages that a peer can provoke. One thread at a time.
class RateLimit {
 public:
  explicit constexpr RateLimit(int64_t interval_ns) : interval_ns_(interval_ns) {}

  // Whether the event at `now_ns` may pass. Counts those that may not.
  bool Admit(int64_t now_ns) {
    if (now_ns < next_ns_) {
      ++suppressed_;
      return false;
    }
    next_ns_ = now_ns + interval_ns_;
    return true;
  }
  // How many events were held back since this was asked last.
  uint64_t TakeSuppressed() {
    const uint64_t suppressed = suppressed_;
    suppressed_ = 0;
    return suppressed;
  }

 private:
  int64_t interval_ns_;
  int64_t next_ns_ = INT64_MIN;
  uint64_t suppressed_ = 0;
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_BASE_LOG_H_
