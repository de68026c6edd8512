#include "io/fault/fault_options.h"

#include "absl/strings/str_cat.h"

namespace pelton::io {
namespace {

struct Count {
  const char* name;
  uint64_t FaultStatistics::* member;
};
constexpr Count kCounts[] = {
    {"operations", &FaultStatistics::operations},
    {"late_submissions", &FaultStatistics::late_submissions},
    {"late_completions", &FaultStatistics::late_completions},
    {"overtaken", &FaultStatistics::overtaken},
    {"late_cancellations", &FaultStatistics::late_cancellations},
    {"cancelled_before", &FaultStatistics::cancelled_before},
    {"cancelled_while", &FaultStatistics::cancelled_while},
    {"cancelled_after", &FaultStatistics::cancelled_after},
    {"withdrawn_results", &FaultStatistics::withdrawn_results},
    {"spurious_wakeups", &FaultStatistics::spurious_wakeups},
    {"short_transfers", &FaultStatistics::short_transfers},
    {"interruptions", &FaultStatistics::interruptions},
    {"no_chunks", &FaultStatistics::no_chunks},
    {"early_ends", &FaultStatistics::early_ends},
    {"errors", &FaultStatistics::errors},
};
static_assert(sizeof(kCounts) / sizeof(kCounts[0]) * sizeof(uint64_t) == sizeof(FaultStatistics));

}  // namespace

FaultOptions FaultOptions::Timing() {
  return {.late_submission = 150,
          .late_completion = 150,
          .late_cancellation = 300,
          .spurious_wakeup = 200};
}

FaultOptions FaultOptions::Transparent() {
  FaultOptions options = Timing();
  options.short_transfer = 300;
  options.interruption = 60;
  options.no_chunk = 60;
  options.early_end = 300;
  return options;
}

FaultOptions FaultOptions::Visible() {
  FaultOptions options = Transparent();
  options.error = 40;
  return options;
}

FaultStatistics& FaultStatistics::operator+=(const FaultStatistics& other) {
  for (const Count& count : kCounts) this->*(count.member) += other.*(count.member);
  return *this;
}

std::string FaultStatistics::ToString() const {
  std::string text;
  for (const Count& count : kCounts) {
    if (this->*(count.member) == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : " ", count.name, "=", this->*(count.member));
  }
  return text;
}

}  // namespace pelton::io
