#include "sched/sync/rate_limiter.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"

namespace pelton {
namespace {

// How late a timer may be for its lateness to be made up for.
constexpr uint64_t kLatenessNs = 1'000'000;

}  // namespace

RateLimiter::RateLimiter(const Options& options)
    : tokens_(options.tokens),
      period_ns_(static_cast<uint64_t>(absl::ToInt64Nanoseconds(options.per))),
      burst_(options.burst),
      level_(Level{burst_} * period_ns_) {
  PELTON_CHECK(options.tokens > 0) << "a RateLimiter of no tokens in " << options.per;
  PELTON_CHECK(options.per >= absl::Nanoseconds(1) && options.per < absl::InfiniteDuration())
      << "a RateLimiter of tokens in " << options.per << "; a nanosecond is the least";
  PELTON_CHECK(options.burst > 0) << "a RateLimiter with a burst of no tokens";
}

RateLimiter::~RateLimiter() { line_.CheckEmpty("a RateLimiter"); }

uint64_t RateLimiter::available() {
  Refill();
  return static_cast<uint64_t>(level_ / period_ns_);
}

void RateLimiter::RefillAt(Timestamp now) {
  if (now > refilled_at_) {
    level_ +=
        Level{static_cast<uint64_t>(now.nanoseconds() - refilled_at_.nanoseconds())} * tokens_;
    refilled_at_ = now;
  }
  Level most = Level{burst_} * period_ns_;
  if (!line_.empty()) most += Level{kLatenessNs} * tokens_;
  level_ = std::min(level_, most);
}

void RateLimiter::GrantFromLine() {
  while (!line_.empty()) {
    const uint64_t count = static_cast<AcquireAwaiter*>(line_.front())->count_;
    if (!TryTake(count)) {
      const Level missing = Level{count} * period_ns_ - level_;
      const Level wait_ns = (missing + tokens_ - 1) / tokens_;
      const int64_t now_ns = refilled_at_.nanoseconds();
      const int64_t longest_ns = TimerWheel::kNever - now_ns;
      Scheduler::Current()->timers().Rearm(
          *this, now_ns + static_cast<int64_t>(std::min<Level>(wait_ns, longest_ns)));
      return;
    }
    line_.WakeFront();
  }
  if (armed()) Scheduler::Current()->timers().Cancel(*this);
}

absl::Status RateLimiter::TooMany(uint64_t count) const {
  return absl::InvalidArgumentError(
      absl::StrCat(count, " tokens asked of a rate limiter whose burst is ", burst_));
}

void RateLimiter::Describe(std::ostream& out, uint64_t count) const {
  out << count << " tokens of rate limiter " << static_cast<const void*>(this) << ", which gives "
      << tokens_ << " in " << absl::Nanoseconds(period_ns_);
}

}  // namespace pelton
