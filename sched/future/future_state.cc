#include "sched/future/future_state.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "framework/base/log.h"
#include "framework/base/strings.h"

namespace pelton {

namespace {

// Lets one line a second through, in the time of whichever shard reports.
class ReportLimit {
 public:
  bool Admit(Timestamp now) {
    // Shards on one thread may keep different times.
    if (now < last_) limit_ = RateLimit(kIntervalNanoseconds);
    last_ = now;
    return limit_.Admit(now.nanoseconds());
  }
  uint64_t TakeSuppressed() { return limit_.TakeSuppressed(); }

 private:
  static constexpr int64_t kIntervalNanoseconds = 1'000'000'000;

  RateLimit limit_{kIntervalNanoseconds};
  Timestamp last_;
};

constinit thread_local uint64_t unobserved_rejections = 0;
thread_local ReportLimit report_limit;

}  // namespace

std::ostream& operator<<(std::ostream& out, FuturePhase phase) {
  switch (phase) {
    case FuturePhase::kPending:
      return out << "pending";
    case FuturePhase::kFulfilled:
      return out << "fulfilled";
    case FuturePhase::kRejected:
      return out << "rejected";
  }
  PELTON_FATAL() << "a future's phase is " << static_cast<int>(phase);
}

uint64_t UnobservedRejections() { return unobserved_rejections; }

namespace sched_internal {

void ReportUnobserved(const absl::Status& error, const std::source_location& made_at) {
  if (absl::IsCancelled(error)) return;
  ++unobserved_rejections;
  if (!report_limit.Admit(Scheduler::Current()->now())) return;
  std::string line =
      absl::StrCat("a future was rejected and nobody looked at its error: ", error.ToString(),
                   " (made at ", made_at.file_name(), ":", made_at.line(), ")");
  if (const uint64_t suppressed = report_limit.TakeSuppressed(); suppressed > 0) {
    absl::StrAppend(&line, "; ", suppressed, " more since the last such line");
  }
  LogLine(line);
}

void DieAwayFromHome(const std::source_location& made_at) {
  PELTON_FATAL() << "a promise or future was used away from the shard that made it (at "
                 << made_at.file_name() << ":" << made_at.line() << "); use ForeignPromise";
}

void DieOfSpentPromise() { PELTON_FATAL() << "a promise was used after it was settled or moved"; }

void DieOfSpentFuture() {
  PELTON_FATAL() << "a future was used after its outcome was consumed or moved";
}

void DieOfSecondFuture() { PELTON_FATAL() << "future() was called twice on one promise"; }

void DieWithoutShard(std::string_view what) {
  PELTON_FATAL() << what << " was made on a thread that runs no shard";
}

absl::Status BrokenPromise(const std::source_location& made_at) {
  return absl::AbortedError(absl::StrCat("broken promise: the promise made at ",
                                         made_at.file_name(), ":", made_at.line(),
                                         " was destroyed before it was fulfilled or rejected"));
}

}  // namespace sched_internal
}  // namespace pelton
