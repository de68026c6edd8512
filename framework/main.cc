#include "framework/main.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "framework/base/log.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"
#include "framework/cpu_topology.h"
#include "framework/internal/driver_report.h"
#include "framework/internal/memory_size.h"
#include "framework/runtime.h"
#include "io/file/io_profile.h"
#include "io/uring_capabilities.h"

ABSL_FLAG(int, shards, 0, "number of shards; 0: one for each CPU that the process may use");
ABSL_FLAG(std::string, cpus, "",
          "CPUs to run on, such as 0-3,8; empty: all that the process may use");
ABSL_FLAG(std::string, driver, "auto",
          "auto: io_uring where it works, else epoll; uring: io_uring or an error; epoll");
ABSL_FLAG(std::string, memory, "",
          "memory for receive buffers of all shards, such as 64M or 1G; empty: 16M for each shard. "
          "It is taken when it is used");
ABSL_FLAG(absl::Duration, grace_period, absl::Seconds(10),
          "how long requests that have begun may go on after SIGTERM or SIGINT");
ABSL_FLAG(absl::Duration, spin, absl::Microseconds(20),
          "how long an idle shard looks for work before it sleeps; 0: not at all");
ABSL_FLAG(int, blocking_threads, 16,
          "at most so many threads for calls that block, shared by all shards");
ABSL_FLAG(int, blocking_queue, 1024,
          "how many such calls may wait for a thread before more are held back or refused");
ABSL_FLAG(std::string, io_profile, "",
          "file that says what the disk can do, as tools/calibrate_io writes it; empty: a "
          "solid-state disk of no great speed");
ABSL_FLAG(
    absl::Duration, stall_threshold, absl::Milliseconds(25),
    "how long a turn of a shard's loop may take before it is reported with its backtraces; 0: "
    "no reports");

ABSL_FLAG(std::string, without, "",
          "capabilities of io_uring not to use, separated by commas; --driver_report names them");
ABSL_FLAG(absl::Duration, busy_poll, absl::ZeroDuration(),
          "how long a shard that waits looks into the queues of network devices itself; 0: not at "
          "all");
ABSL_FLAG(bool, driver_report, false,
          "print what the kernel offers, what is used instead of what is missing and what that "
          "costs, and exit");

namespace pelton {
namespace {

absl::StatusOr<DriverChoice> ParseDriver(const std::string& name) {
  if (name == "auto") return DriverChoice::kAuto;
  if (name == "uring") return DriverChoice::kUring;
  if (name == "epoll") return DriverChoice::kEpoll;
  return absl::InvalidArgumentError(
      absl::StrCat("--driver=", name, ": expected auto, uring or epoll"));
}

// How many receive buffers each shard gets of --memory.
absl::StatusOr<size_t> ParseChunks(const std::string& memory, size_t shards) {
  constexpr size_t kLeast = 64;
  constexpr size_t kMost = 32768;
  if (memory.empty()) return io::Reactor::Options().chunks;
  const absl::StatusOr<uint64_t> bytes = ParseMemorySize(memory);
  if (!bytes.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--memory=", memory, ": ", bytes.status().message()));
  }
  const uint64_t chunks = *bytes / shards / io::ChunkPool::kChunkBytes;
  if (chunks < kLeast) {
    return absl::InvalidArgumentError(
        absl::StrCat("--memory=", memory, ": ", shards, " shards need at least ",
                     shards * kLeast * io::ChunkPool::kChunkBytes >> 20, "M"));
  }
  return std::min<uint64_t>(chunks, kMost);
}

absl::StatusOr<BlockingPool::Options> BlockingFromFlags() {
  constexpr int kMostThreads = BlockingPool::kMostThreads;
  const int threads = absl::GetFlag(FLAGS_blocking_threads);
  if (threads < 1 || threads > kMostThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("--blocking_threads=", threads, ": expected 1 to ", kMostThreads));
  }
  const int queue = absl::GetFlag(FLAGS_blocking_queue);
  if (queue < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--blocking_queue=", queue, ": expected at least 1"));
  }
  BlockingPool::Options options;
  options.max_threads = static_cast<uint32_t>(threads);
  options.queue_limit = static_cast<size_t>(queue);
  return options;
}

// The flags that the driver reads itself.
absl::Status DriverFromFlags(io::Reactor::Options& options) {
  const std::string without = absl::GetFlag(FLAGS_without);
  const absl::Status status = io::TurnOffCapabilities(without, options.capabilities);
  if (!status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--without=", without, ": ", status.message()));
  }
  const absl::Duration busy_poll = absl::GetFlag(FLAGS_busy_poll);
  if (busy_poll < absl::ZeroDuration() || busy_poll > absl::Milliseconds(10) ||
      busy_poll % absl::Microseconds(1) != absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--busy_poll: expected whole microseconds from 0 to 10ms");
  }
  options.busy_poll_us = static_cast<uint32_t>(absl::ToInt64Microseconds(busy_poll));
  return absl::OkStatus();
}

// One shard's part of the disk.
absl::StatusOr<IoProfile> IoProfileFromFlags(size_t shards) {
  IoProfile profile;
  if (const std::string path = absl::GetFlag(FLAGS_io_profile); !path.empty()) {
    PELTON_ASSIGN_OR_RETURN(profile, ReadIoProfile(path));
  }
  return profile.ForShard(static_cast<uint32_t>(shards));
}

absl::StatusOr<Runtime::Options> OptionsFromFlags() {
  Runtime::Options options;
  PELTON_ASSIGN_OR_RETURN(options.driver, ParseDriver(absl::GetFlag(FLAGS_driver)));
  PELTON_RETURN_IF_ERROR(DriverFromFlags(options.shard.reactor));
  options.grace_period = absl::GetFlag(FLAGS_grace_period);
  if (options.grace_period < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--grace_period: expected a duration that is not negative");
  }
  options.spin = absl::GetFlag(FLAGS_spin);
  if (options.spin < absl::ZeroDuration() || options.spin > absl::Seconds(1)) {
    return absl::InvalidArgumentError("--spin: expected a duration from 0 to 1s");
  }
  PELTON_ASSIGN_OR_RETURN(options.blocking, BlockingFromFlags());
  options.stall_threshold = absl::GetFlag(FLAGS_stall_threshold);
  if (options.stall_threshold != absl::ZeroDuration() &&
      (options.stall_threshold < absl::Milliseconds(1) ||
       options.stall_threshold > absl::Hours(1))) {
    return absl::InvalidArgumentError("--stall_threshold: expected 0 or a duration from 1ms to 1h");
  }
  PELTON_ASSIGN_OR_RETURN(CpuSources sources, SystemCpuSources());
  PELTON_ASSIGN_OR_RETURN(CpuLimits limits, ReadCpuLimits(sources));
  ShardRequest request = {.cpus = absl::GetFlag(FLAGS_cpus)};
  if (const int shards = absl::GetFlag(FLAGS_shards); shards != 0) request.shards = shards;
  PELTON_ASSIGN_OR_RETURN(options.placement, PlaceShards(limits, request));
  for (const std::string& warning : limits.warnings) LogLine(warning);
  if (!options.placement.explanation.empty()) LogLine(options.placement.explanation);
  PELTON_ASSIGN_OR_RETURN(
      options.shard.reactor.chunks,
      ParseChunks(absl::GetFlag(FLAGS_memory), options.placement.cpu_of_shard.size()));
  PELTON_ASSIGN_OR_RETURN(options.shard.reactor.io_profile,
                          IoProfileFromFlags(options.placement.cpu_of_shard.size()));
  return options;
}

// --help shows the program's flags and the shared ones, not those of libraries.
bool IsServiceFlag(absl::string_view file) {
  return absl::StrContains(file, "framework/main") || !absl::StrContains(file, "absl/");
}

int Fail(const absl::Status& status) {
  LogLine(absl::StrCat("fatal: ", status.message()));
  return 1;
}

}  // namespace

int Main(int argc, char** argv, const ServeFunction& serve, std::string_view usage) {
  absl::SetProgramUsageMessage(usage.empty() ? "A Pelton service."
                                             : absl::string_view(usage.data(), usage.size()));
  absl::FlagsUsageConfig config;
  config.contains_help_flags = &IsServiceFlag;
  config.contains_helpshort_flags = &IsServiceFlag;
  absl::SetFlagsUsageConfig(config);
  const std::vector<char*> arguments = absl::ParseCommandLine(argc, argv);
  if (arguments.size() > 1) {
    return Fail(absl::InvalidArgumentError(absl::StrCat("unexpected argument \"", arguments[1],
                                                        "\"; flags begin with --, see --help")));
  }
  // A peer that closes is an error of one connection, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  const absl::StatusOr<Runtime::Options> options = OptionsFromFlags();
  if (!options.ok()) return Fail(options.status());
  if (absl::GetFlag(FLAGS_driver_report)) {
    const std::string report =
        DriverReport(options->shard.reactor, options->driver != DriverChoice::kEpoll);
    return ::write(STDOUT_FILENO, report.data(), report.size()) ==
                   static_cast<ssize_t>(report.size())
               ? 0
               : Fail(ErrnoToStatus(errno, "writing the report"));
  }
  const absl::Status status = Runtime(*options).Run(serve);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace pelton
