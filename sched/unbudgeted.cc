#include "sched/unbudgeted.h"

#include "absl/strings/str_cat.h"
#include "framework/base/compiler.h"
#include "framework/base/log.h"

namespace pelton {

namespace {

PELTON_SHARD_LOCAL RateLimit reports(/*interval_ns=*/1'000'000'000);

}  // namespace

bool Unbudgeted::ended() const { return suspended() || Scheduler::Current()->PreciseNow() >= end_; }

Unbudgeted::~Unbudgeted() {
  if (suspended()) return;
  Scheduler& scheduler = *Scheduler::Current();
  scheduler.SetUnbudgeted(Timestamp());
  const Timestamp now = scheduler.PreciseNow();
  if (now <= end_) [[likely]]
    return;
  if (!reports.Admit(now.nanoseconds())) return;
  LogLine(absl::StrCat("Unbudgeted of ", location_.file_name(), ":", location_.line(),
                       " held its shard ", absl::FormatDuration(now - end_),
                       " longer than its limit; ", reports.TakeSuppressed(),
                       " more since the last report. Give it a higher limit or less work."));
}

}  // namespace pelton
