// A service for main_test.cc: ends as --outcome says.

#include <signal.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

#include "absl/flags/flag.h"
#include "framework/pelton.h"

ABSL_FLAG(std::string, outcome, "ok", "ok, error, exception, or signal: SIGTERM to itself");

namespace {

pelton::Task<absl::Status> Serve(pelton::Shard& shard) {
  const std::string outcome = absl::GetFlag(FLAGS_outcome);
  if (outcome == "error") co_return absl::NotFoundError("no such database");
  if (outcome == "exception") throw std::runtime_error("boom");
  if (outcome == "signal") {
    if (shard.id() == pelton::ShardId(0)) ::kill(::getpid(), SIGTERM);
    co_return co_await pelton::SleepFor(absl::InfiniteDuration());
  }
  co_return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  return pelton::Main(argc, argv, Serve, "Ends as it is told to.");
}
