#include "framework/stall_reporter.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/log.h"
#include "framework/base/strings.h"
#include "framework/internal/stall_cause.h"

namespace pelton {
namespace {

absl::string_view ToAbslView(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}

// Lets so many events through per minute.
class MinuteLimit {
 public:
  explicit MinuteLimit(int most) : most_(most) {}

  bool Admit(Timestamp now) {
    if (now - minute_ >= absl::Minutes(1)) {
      minute_ = now;
      admitted_ = 0;
    }
    if (admitted_ >= most_) return false;
    ++admitted_;
    return true;
  }

 private:
  const int most_;
  int admitted_ = 0;
  Timestamp minute_ = Timestamp::FromNanoseconds(-int64_t{1} << 62);
};

// Starts a thread that no signal is delivered to.
template <typename Function>
std::thread StartWithoutSignals(Function function) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  PELTON_CHECK(::pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
  std::thread thread(std::move(function));
  PELTON_CHECK(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
  return thread;
}

}  // namespace

// What the reporter knows of a shard. Its thread's, but for what Attach() sets before the first turn.
struct StallReporter::Watched {
  Watched(ShardId id, const Options& options, StallBell& bell)
      : shard(id), detector(options.threshold, bell), limit(options.reports_per_minute) {}

  // Where a shard's time had gone.
  struct Sample {
    Timestamp time;
    ThreadUsage::Times usage;
    absl::Duration throttled;
  };
  Sample Take(Timestamp now, const ThrottledTime& throttled_time) const {
    return {now, usage.Read(), throttled_time.Read()};
  }

  const ShardId shard;
  StallDetector detector;
  ThreadUsage usage;
  MinuteLimit limit;
  uint64_t suppressed = 0;
  Sample last;                        // when nothing was wrong, or not yet
  std::optional<Sample> at_stall;     // when the stall was found
  std::optional<int64_t> requested;   // the turn that is to be captured
  Timestamp requested_at;
};

StallReporter::StallReporter(uint32_t shards, const Options& options)
    : options_(options), throttled_(/*root=*/"") {
  PELTON_CHECK(options.threshold >= absl::Milliseconds(1)) << "a stall's threshold is too short";
  for (uint32_t i = 0; i < shards; ++i) {
    watched_.push_back(std::make_unique<Watched>(ShardId(i), options, bell_));
  }
  thread_ = StartWithoutSignals([this] { Watch(); });
}

StallReporter::~StallReporter() {
  stopping_ = true;
  bell_.Ring();
  thread_.join();
}

StallDetector& StallReporter::Attach(ShardId shard, Scheduler& scheduler) {
  Watched& watched = *watched_[shard.index()];
  watched.usage.OpenForThisThread();
  watched.detector.Attach(scheduler);
  return watched.detector;
}

void StallReporter::Detach(ShardId shard) { watched_[shard.index()]->detector.Detach(); }

void StallReporter::Watch() {
  ::pthread_setname_np(::pthread_self(), "stall-reporter");
  while (!stopping_) {
    Timestamp next = Timestamp::InfiniteFuture();
    for (const std::unique_ptr<Watched>& watched : watched_) {
      next = std::min(next, Look(*watched, clock_.Now()));
    }
    if (!next.infinite()) {
      bell_.WaitUntil(next);
      continue;
    }
    // A shard that wakes after this look rings.
    bell_.PrepareToRest();
    if (AllIdle() && !stopping_) bell_.WaitUntil(next);
    bell_.EndRest();
  }
  // What was found last is still told.
  for (const std::unique_ptr<Watched>& watched : watched_) Look(*watched, clock_.Now());
}

bool StallReporter::AllIdle() const {
  return std::all_of(watched_.begin(), watched_.end(), [](const auto& watched) {
    return watched->detector.turn() == StallDetector::kIdle && watched->detector.stall() == nullptr;
  });
}

Timestamp StallReporter::Look(Watched& watched, Timestamp now) {
  StallDetector& detector = watched.detector;
  if (const Stall* stall = detector.stall(); stall != nullptr) {
    return LookAtStall(watched, *stall, now);
  }
  if (watched.requested.has_value()) {
    const Timestamp next = LookAtRequest(watched, now);
    if (watched.requested.has_value()) return next;
  }
  const int64_t turn = detector.turn();
  if (turn == StallDetector::kIdle) return Timestamp::InfiniteFuture();
  const absl::Duration threshold = options_.threshold;
  if (turn == detector.settled_turn()) return now + threshold / 2;  // reported already
  const Timestamp began = Timestamp::FromNanoseconds(turn);
  if (now - began >= threshold) {
    if (!detector.RequestCapture(turn)) return now;  // the shard came first
    watched.requested = turn;
    watched.requested_at = now;
    return now + options_.patience;
  }
  watched.last = watched.Take(now, throttled_);
  return began + (now - began < threshold / 2 ? threshold / 2 : threshold);
}

// The thread was asked to look at itself, and has not done so yet.
Timestamp StallReporter::LookAtRequest(Watched& watched, Timestamp now) {
  StallDetector& detector = watched.detector;
  const bool ended = detector.turn() != *watched.requested;
  if (!ended && now - watched.requested_at < options_.patience) {
    return watched.requested_at + options_.patience;
  }
  if (!detector.WithdrawRequest()) return now;  // it has come after all
  const int64_t turn = *std::exchange(watched.requested, std::nullopt);
  if (ended) return now;
  detector.Settle(turn);
  watched.at_stall = watched.Take(now, throttled_);
  Stall unseen;
  unseen.turn = turn;
  Report(watched, unseen, /*end=*/0, now);
  return now;
}

Timestamp StallReporter::LookAtStall(Watched& watched, const Stall& stall, Timestamp now) {
  StallDetector& detector = watched.detector;
  if (!watched.at_stall.has_value()) watched.at_stall = watched.Take(now, throttled_);
  watched.requested.reset();
  int64_t end = detector.ended_at();
  // A turn that ended in the moment it was found does not say so.
  if (end == 0 && detector.turn() != stall.turn) end = now.nanoseconds();
  if (end == 0 && !stopping_ && now - watched.at_stall->time < options_.patience) {
    return watched.at_stall->time + options_.patience;
  }
  Report(watched, stall, end, now);
  detector.Release();
  return now;
}

void StallReporter::Report(Watched& watched, const Stall& stall, int64_t end, Timestamp now) {
  const Watched::Sample found = *std::exchange(watched.at_stall, std::nullopt);
  watched.suppressed += watched.detector.TakeMissed();
  if (!watched.limit.Admit(now)) {
    ++watched.suppressed;
    return;
  }
  const Watched::Sample& before = watched.last;
  StallTimes times = {.elapsed = found.time - before.time,
                      .on_cpu = found.usage.on_cpu - before.usage.on_cpu,
                      .waiting = found.usage.waiting,
                      .throttled = found.throttled - before.throttled};
  if (times.waiting.has_value()) {
    *times.waiting -= before.usage.waiting.value_or(absl::ZeroDuration());
  }
  // What lies before the turn was idleness, not blocking.
  const absl::Duration idle = Timestamp::FromNanoseconds(stall.turn) - before.time;
  times.elapsed -= std::clamp(idle, absl::ZeroDuration(), times.blocked());

  const bool ended = end != 0;
  const absl::Duration length = absl::Nanoseconds((ended ? end : now.nanoseconds()) - stall.turn);
  const bool in_system_call = stall.captured && stall.native.in_system_call();
  std::string text = absl::StrCat(
      "shard ", watched.shard.index(), " stalled: a turn ", ended ? "took " : "has taken ",
      FormatBriefly(length), ended ? "" : " and goes on", " (threshold ",
      FormatBriefly(options_.threshold), "), ");
  if (stall.in_task) absl::StrAppend(&text, "group ", ToAbslView(stall.group.name()), ", ");
  absl::StrAppend(&text, ToAbslView(NameOf(CauseOf(times), in_system_call)), ": in ",
                  FormatBriefly(times.elapsed), " of it ", Describe(times));
  if (watched.suppressed > 0) {
    absl::StrAppend(&text, "; ", std::exchange(watched.suppressed, 0),
                    " stalls of this shard before it were not reported");
  }
  if (!stall.captured) {
    absl::StrAppend(&text, ended ? "\n  it ended before its stack could be seen"
                                 : "\n  its thread does not come to show its stack");
  } else {
    for (const std::string& frame : symbolizer_.Describe(stall.native)) {
      absl::StrAppend(&text, "\n  at ", frame);
    }
    absl::StrAppend(&text, stall.in_task ? "\n  in the task that awaits\n" + stall.tasks.ToString()
                                         : "\n  outside of tasks");
  }
  options_.write != nullptr ? options_.write(text) : LogLine(text);
}

}  // namespace pelton
