// Runs one program in the five models of program flow on one shard, and prints the order in which
// its timers end, how long it takes, what a waiter costs, and that each model awaits every other.

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "alloc/thread_allocations.h"
#include "framework/base/strings.h"
#include "framework/examples/flow_models/model.h"
#include "framework/pelton.h"

ABSL_FLAG(std::vector<std::string>, timers, std::vector<std::string>({"200ms", "100ms", "50ms"}),
          "how long the program's timers take, in the order in which it starts them");
ABSL_FLAG(int, waiters, 1000,
          "with how many waiters a model's cost is measured, 1 to 100000; OS threads: with 8");

namespace {

using pelton::Task;
using pelton::models::Cost;
using pelton::models::Journal;
using pelton::models::kAllModels;
using pelton::models::Model;
using pelton::models::ThreadWaits;

absl::StatusOr<std::vector<absl::Duration>> Timers() {
  std::vector<absl::Duration> timers;
  for (const std::string& text : absl::GetFlag(FLAGS_timers)) {
    absl::Duration timer;
    if (!absl::ParseDuration(text, &timer) || timer < absl::ZeroDuration() ||
        timer > absl::Minutes(1)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--timers: \"", text, "\" is not a duration from 0 to 1m, such as 200ms"));
    }
    timers.push_back(timer);
  }
  return timers;
}

absl::StatusOr<int> Waiters() {
  const int waiters = absl::GetFlag(FLAGS_waiters);
  if (waiters >= 1 && waiters <= 100'000) return waiters;
  return absl::InvalidArgumentError(absl::StrCat("--waiters=", waiters, ": expected 1 to 100000"));
}

void PrintRun(std::string_view how, const Journal& journal) {
  const absl::Duration elapsed = journal.Elapsed();
  const auto line = [](std::string* out, const Journal::Entry& entry) {
    absl::StrAppend(out, absl::FormatDuration(entry.timer));
  };
  absl::PrintF("  %-13s order %s; elapsed %.1f ms\n", pelton::ToAbsl(how),
               absl::StrJoin(journal.entries(), " ", line), absl::ToDoubleMilliseconds(elapsed));
}

void PrintCost(const Cost& cost) {
  absl::PrintF("  %-13s %.0f B of frames", "a waiter", cost.frame_bytes);
  if (cost.stack_bytes > 0) absl::PrintF(", %.0f B of stack", cost.stack_bytes);
  if (pelton::ThreadAllocationsCounted()) absl::PrintF(", %.0f B of malloc", cost.malloc_bytes);
  if (cost.threads > 0) absl::PrintF(", %.0f OS thread", cost.threads);
  absl::PrintF(" (average of %d)\n", cost.waiters);
}

Task<absl::Status> RunModel(const Model& model, const ThreadWaits& waits,
                            const std::vector<absl::Duration>& timers, int waiters) {
  absl::PrintF("%s (%s)\n", pelton::ToAbsl(model.name), pelton::ToAbsl(model.means));
  Journal in_sequence;
  PELTON_CO_RETURN_IF_ERROR(co_await model.in_sequence(waits, timers, in_sequence));
  PrintRun("in sequence", in_sequence);
  Journal concurrently;
  PELTON_CO_RETURN_IF_ERROR(co_await model.concurrently(waits, timers, concurrently));
  PrintRun("concurrently", concurrently);
  PELTON_CO_ASSIGN_OR_RETURN(const Cost cost, co_await model.measure(waits, waiters));
  PrintCost(cost);
  co_return absl::OkStatus();
}

// In the code of each model, awaits a timer in the code of each.
Task<absl::Status> RunAwaits(const ThreadWaits& waits) {
  constexpr absl::Duration kTimer = absl::Milliseconds(10);
  absl::PrintF("elapsed ms of a 10 ms timer of the model of a column, awaited by that of a row\n");
  absl::PrintF("  %-22s", "");
  for (const Model* model : kAllModels) absl::PrintF("%22s", pelton::ToAbsl(model->name));
  absl::PrintF("\n");
  for (const Model* outer : kAllModels) {
    absl::PrintF("  %-22s", pelton::ToAbsl(outer->name));
    for (const Model* inner : kAllModels) {
      Journal journal;
      PELTON_CO_RETURN_IF_ERROR(
          co_await outer->await(waits, inner->in_sequence(waits, {&kTimer, 1}, journal)));
      absl::PrintF("%22.1f", absl::ToDoubleMilliseconds(journal.Elapsed()));
    }
    absl::PrintF("\n");
  }
  co_return absl::OkStatus();
}

// Runs on every shard; the program needs one.
Task<absl::Status> Serve(pelton::Shard& shard) {
  if (shard.id() != pelton::ShardId(0)) co_return absl::OkStatus();
  PELTON_CO_ASSIGN_OR_RETURN(const std::vector<absl::Duration> timers, Timers());
  PELTON_CO_ASSIGN_OR_RETURN(const int waiters, Waiters());
  const ThreadWaits waits(shard);
  for (const Model* model : kAllModels) {
    PELTON_CO_RETURN_IF_ERROR(co_await RunModel(*model, waits, timers, waiters));
  }
  PELTON_CO_RETURN_IF_ERROR(co_await RunAwaits(waits));
  std::fflush(stdout);
  co_return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  return pelton::Main(argc, argv, Serve,
                      "Runs three timers in the five models of program flow, in sequence and then "
                      "concurrently, and prints what each model costs.");
}
