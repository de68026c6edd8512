#include "framework/stall_reporter.h"

#include <signal.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/log.h"
#include "framework/base/strings.h"
#include "framework/internal/stall_cause.h"

namespace pelton {
namespace {

// Lets `most` events through in each period.
class PeriodLimit {
 public:
  PeriodLimit(int most, absl::Duration period) : most_(most), period_(period) {}

  bool Admit(Timestamp now) {
    if (now - period_began_ >= period_) {
      period_began_ = now;
      admitted_ = 0;
    }
    if (admitted_ >= most_) return false;
    ++admitted_;
    return true;
  }

 private:
  const int most_;
  const absl::Duration period_;
  int admitted_ = 0;
  Timestamp period_began_ = Timestamp::FromNanoseconds(-(int64_t{1} << 62));
};

// Down to the loop: what is below is the same in every report.
void AppendNativeStack(const std::vector<std::string>& frames, std::string* text) {
  absl::StrAppend(text, "\n  native stack:");
  for (const std::string& frame : frames) {
    absl::StrAppend(text, "\n    at ", frame);
    if (frame.find("pelton::RunTurn<") != frame.npos) return;
    if (frame.find("pelton::RunShard<") != frame.npos) return;
  }
}

void AppendTasks(const Stall& stall, std::string* text) {
  if (!stall.in_task) {
    absl::StrAppend(text, "\n  in the shard's loop, outside of tasks");
    return;
  }
  std::ostringstream tasks;
  tasks << "\n  tasks:\n";
  stall.tasks.Print(tasks, "    ");
  absl::StrAppend(text, absl::StripTrailingAsciiWhitespace(tasks.str()));
}

// Keeps signals from the calling thread, and from those that it starts, as long as it lives.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    PELTON_CHECK(::pthread_sigmask(SIG_SETMASK, &all, &before_) == 0);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

// What the reporter knows of a shard. Its thread's, but for what Attach() sets before the first turn.
struct StallReporter::Watched {
  Watched(ShardId id, const Options& options, StallBell& bell)
      : shard(id), detector(options.threshold, bell), limit(options.reports, options.period) {}

  // Where a shard's time had gone.
  struct Sample {
    Timestamp time;
    ThreadUsage::Times usage;
    absl::Duration throttled;
  };
  Sample TakeSample(const Clock& clock, const ThrottledTime& throttled_time) const {
    return {clock.Now(), usage.Read(), throttled_time.Read()};
  }

  // The same of a thread that is held up at this moment.
  Sample TakeSampleOfStall(const Clock& clock, const ThrottledTime& throttled_time) const {
    Sample sample = TakeSample(clock, throttled_time);
    // A wait that goes on is not counted yet.
    if (sample.usage.waiting.has_value() && usage.IsRunnable()) {
      *sample.usage.waiting += sample.time - last.time;
    }
    return sample;
  }

  // Where the time went from the last sample before the stall to the one at it.
  StallTimes TakeTimes(int64_t turn) {
    const Sample found = *std::exchange(at_stall, std::nullopt);
    StallTimes times = {.elapsed = found.time - last.time,
                        .on_cpu = found.usage.on_cpu - last.usage.on_cpu,
                        .waiting = std::nullopt,
                        .throttled = found.throttled - last.throttled};
    if (found.usage.waiting.has_value() && last.usage.waiting.has_value()) {
      // A wait is counted at its end, and may have begun before.
      const absl::Duration most = std::max(times.elapsed - times.on_cpu, absl::ZeroDuration());
      times.waiting = std::min(*found.usage.waiting - *last.usage.waiting, most);
    }
    // What lies before the turn was idleness, not blocking.
    const absl::Duration idle = Timestamp::FromNanoseconds(turn) - last.time;
    times.elapsed -= std::clamp(idle, absl::ZeroDuration(), times.blocked());
    last = found;
    return times;
  }

  const ShardId shard;
  StallDetector detector;
  ThreadUsage usage;
  PeriodLimit limit;
  uint64_t suppressed = 0;
  Sample last;                       // when nothing was wrong, or not yet
  std::optional<Sample> at_stall;    // when the stall was found
  std::optional<int64_t> requested;  // the turn that is to be captured
  Timestamp requested_at;
};

StallReporter::StallReporter(uint32_t shards, const Options& options)
    : options_(options), throttled_(/*root=*/"") {
  PELTON_CHECK(options.threshold >= absl::Milliseconds(1)) << "a stall's threshold is too short";
  for (uint32_t i = 0; i < shards; ++i) {
    watched_.push_back(std::make_unique<Watched>(ShardId(i), options, bell_));
  }
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { Watch(); });
}

StallReporter::~StallReporter() {
  stopping_ = true;
  bell_.Ring();
  thread_.join();
}

StallDetector& StallReporter::Attach(ShardId shard, Scheduler& scheduler) {
  Watched& watched = *watched_[shard.index()];
  watched.usage.OpenForThisThread();
  watched.last = watched.TakeSample(clock_, throttled_);
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
    // Before the shard is told: what it is held up by may end at that, and its thread soon after.
    watched.at_stall = watched.TakeSampleOfStall(clock_, throttled_);
    if (!detector.RequestCapture(turn)) {
      watched.at_stall.reset();
      return now;  // the shard came first
    }
    watched.requested = turn;
    watched.requested_at = now;
    return now + options_.patience;
  }
  watched.last = watched.TakeSample(clock_, throttled_);
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
  if (ended) {
    watched.at_stall.reset();
    return now;
  }
  detector.Settle(turn);
  watched.at_stall = watched.TakeSampleOfStall(clock_, throttled_);
  const auto unseen = std::make_unique<Stall>();
  unseen->turn = turn;
  Report(watched, *unseen, /*end=*/0, now);
  return now;
}

Timestamp StallReporter::LookAtStall(Watched& watched, const Stall& stall, Timestamp now) {
  StallDetector& detector = watched.detector;
  if (!watched.at_stall.has_value()) watched.at_stall = watched.TakeSample(clock_, throttled_);
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
  const StallTimes times = watched.TakeTimes(stall.turn);
  watched.suppressed += watched.detector.TakeMissed();
  if (!watched.limit.Admit(now)) {
    ++watched.suppressed;
    return;
  }
  const bool ended = end != 0;
  const absl::Duration length = absl::Nanoseconds((ended ? end : now.nanoseconds()) - stall.turn);
  std::optional<bool> in_system_call;
  if (stall.captured) in_system_call = stall.native.in_system_call();
  std::string text = absl::StrCat("shard ", watched.shard.index(), " stalled: a turn ",
                                  ended ? "took " : "has taken ", FormatBriefly(length),
                                  ended ? "" : " and goes on", " (threshold ",
                                  FormatBriefly(options_.threshold), "), ");
  if (stall.in_task) absl::StrAppend(&text, "group ", ToAbsl(stall.group.name()), ", ");
  absl::StrAppend(&text, ToAbsl(NameOf(CauseOf(times), in_system_call)), ": of the last ",
                  FormatBriefly(times.elapsed), ", ", Describe(times));
  if (watched.suppressed > 0) {
    absl::StrAppend(&text, "; ", std::exchange(watched.suppressed, 0),
                    " stalls of this shard before it were not reported");
  }
  if (!stall.captured) {
    absl::StrAppend(&text, ended ? "\n  it ended before its stack could be seen"
                                 : "\n  its thread does not come to show its stack");
  } else {
    AppendNativeStack(symbolizer_.Describe(stall.native), &text);
    AppendTasks(stall, &text);
  }
  options_.write != nullptr ? options_.write(text) : LogLine(text);
}

}  // namespace pelton
