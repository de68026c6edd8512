#include "tools/io_calibrate/calibration.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"
#include "framework/blocking.h"
#include "io/file/direct_buffer.h"
#include "io/file/direct_file.h"
#include "sched/scheduler.h"
#include "sched/task_scope.h"

namespace pelton {
namespace {

constexpr uint32_t kSmallBytes = 4096;
constexpr uint32_t kLargeBytes = 1 << 20;
constexpr int kMostLarge = 8;  // so many large ones in flight at once
constexpr int kMostSmall = 128;
// What is enough in flight: as much as brings this part of the best rate.
constexpr double kSaturated = 0.9;
// Writing the file, four depths of large reads, eight of small ones, and small writes.
constexpr int kMeasurements = 14;

// What is done again and again, by so many tasks.
struct Load {
  bool writes;
  bool random;
  uint32_t block;
  int depth;
};

// A measurement that goes on: its tasks share it.
struct Progress {
  uint64_t next = 0;  // block, of those that go in a row
  uint64_t done = 0;
  uint64_t blocks = 0;
  bool wraps = true;  // whether it begins again at the end of the file
  Timestamp end;
};

Timestamp Now() { return Scheduler::Current()->PreciseNow(); }

Task<absl::Status> Worker(DirectFile& file, Load load, Progress& progress) {
  PELTON_CO_ASSIGN_OR_RETURN(const DirectBuffer buffer,
                             DirectBufferPool::Current().Allocate(load.block));
  std::memset(buffer.data(), 'p', load.block);
  const std::span<char> memory = buffer.first(load.block);
  while (Now() < progress.end && (progress.wraps || progress.next < progress.blocks)) {
    const uint64_t block = load.random ? Scheduler::Current()->random().Below(progress.blocks)
                                       : progress.next++ % progress.blocks;
    if (load.writes) {
      PELTON_CO_RETURN_IF_ERROR(co_await file.Write(block * load.block, memory));
    } else {
      PELTON_CO_ASSIGN_OR_RETURN(const size_t read, co_await file.Read(block * load.block, memory));
      if (read != load.block) co_return absl::DataLossError("the file has become shorter");
    }
    ++progress.done;
  }
  co_return absl::OkStatus();
}

// Runs a load for as long as `progress` says. Yields how many blocks a second were done.
Task<absl::StatusOr<double>> Measure(DirectFile& file, Load load, Progress& progress) {
  const Timestamp begin = Now();
  TaskScope workers;
  // pelton: bounded: the depth
  for (int i = 0; i < load.depth; ++i) workers.Spawn(Worker(file, load, progress));
  PELTON_CO_RETURN_IF_ERROR(co_await workers.Join());
  // Until the disk has it, a write is not done.
  if (load.writes) PELTON_CO_RETURN_IF_ERROR(co_await file.SyncData());
  const double seconds = std::max(absl::ToDoubleSeconds(Now() - begin), 1e-9);
  co_return static_cast<double>(progress.done) / seconds;
}

// The rate of a load at its best, and the depth that is enough for it.
struct Saturation {
  double rate = 0;
  int depth = 1;
};

class Calibration {
 public:
  Calibration(CalibrationOptions options, DirectFile file)
      : options_(std::move(options)), file_(std::move(file)) {}

  Task<absl::StatusOr<IoProfile>> Run() {
    IoProfile profile;
    PELTON_CO_ASSIGN_OR_RETURN(const double written, co_await WriteFile());
    profile.write_bytes_per_second = ToRate(written * kLargeBytes, 1024);
    const Load large = {
        .writes = false, .random = false, .block = kLargeBytes, .depth = kMostLarge};
    PELTON_CO_ASSIGN_OR_RETURN(const Saturation bandwidth, co_await Saturate(large));
    profile.read_bytes_per_second = ToRate(bandwidth.rate * kLargeBytes, 1024);
    profile.bytes_in_flight = static_cast<uint64_t>(bandwidth.depth) * kLargeBytes;
    const Load small = {.writes = false, .random = true, .block = kSmallBytes, .depth = kMostSmall};
    PELTON_CO_ASSIGN_OR_RETURN(const Saturation reads, co_await Saturate(small));
    profile.read_iops = ToRate(reads.rate, 1);
    profile.requests_in_flight = static_cast<uint64_t>(reads.depth);
    Progress progress = ForAPart(kSmallBytes);
    const Load writes = {
        .writes = true, .random = true, .block = kSmallBytes, .depth = reads.depth};
    PELTON_CO_ASSIGN_OR_RETURN(const double write_iops, co_await Measure(file_, writes, progress));
    Report(writes, write_iops);
    profile.write_iops = ToRate(write_iops, 1);
    // Closing a large file that has no name keeps the caller waiting until its blocks are free.
    PELTON_CO_RETURN_IF_ERROR(co_await file_.Truncate(0));
    co_return profile;
  }

 private:
  static uint64_t ToRate(double rate, uint64_t least) {
    return std::max(least, static_cast<uint64_t>(rate));
  }

  Progress ForAPart(uint32_t block) const {
    return {.blocks = bytes_ / block, .end = Now() + options_.duration / kMeasurements};
  }

  // As much as there is time for.
  Task<absl::StatusOr<double>> WriteFile() {
    const Load load = {.writes = true, .random = false, .block = kLargeBytes, .depth = kMostLarge};
    Progress progress = {.blocks = options_.bytes / kLargeBytes,
                         .wraps = false,
                         .end = Now() + options_.duration / kMeasurements};
    PELTON_CO_ASSIGN_OR_RETURN(const double rate, co_await Measure(file_, load, progress));
    Report(load, rate);
    bytes_ = progress.done * kLargeBytes;
    if (bytes_ >= CalibrationOptions::kLeastBytes) co_return rate;
    co_return absl::DeadlineExceededError(absl::StrCat(
        bytes_, " bytes were written in ", absl::FormatDuration(options_.duration / kMeasurements),
        "; at least ", CalibrationOptions::kLeastBytes, " are needed: give a longer duration"));
  }

  // Doubles the depth up to that of `load`.
  Task<absl::StatusOr<Saturation>> Saturate(Load load) {
    const int most = load.depth;
    std::vector<Saturation> all;
    double best = 0;
    for (load.depth = 1; load.depth <= most; load.depth *= 2) {
      Progress progress = ForAPart(load.block);
      PELTON_CO_ASSIGN_OR_RETURN(const double rate, co_await Measure(file_, load, progress));
      Report(load, rate);
      best = std::max(best, rate);
      all.push_back({.rate = rate, .depth = load.depth});
    }
    const auto enough = std::ranges::find_if(
        all, [&](const Saturation& at) { return at.rate >= kSaturated * best; });
    co_return Saturation{.rate = best, .depth = enough->depth};
  }

  void Report(const Load& load, double rate) const {
    if (options_.report == nullptr) return;
    options_.report(absl::StrCat(
        load.random ? "random" : "sequential", load.writes ? " writes" : " reads", " of ",
        load.block / 1024, " KiB, ", load.depth, " at a time: ", static_cast<uint64_t>(rate),
        " a second, ", static_cast<uint64_t>(rate * load.block / 1e6), " MB/s"));
  }

  const CalibrationOptions options_;
  DirectFile file_;
  uint64_t bytes_ = 0;  // of the file
};

}  // namespace

Task<absl::StatusOr<IoProfile>> CalibrateDisk(CalibrationOptions options) {
  if (options.bytes < CalibrationOptions::kLeastBytes || options.duration <= absl::ZeroDuration()) {
    co_return absl::InvalidArgumentError(
        absl::StrCat("calibration with ", options.bytes, " bytes in ",
                     absl::FormatDuration(options.duration), ": expected at least ",
                     CalibrationOptions::kLeastBytes, " bytes and a duration of more than 0"));
  }
  const std::string path = absl::StrCat(options.directory, "/pelton_io_calibration.", ::getpid());
  PELTON_CO_ASSIGN_OR_RETURN(
      DirectFile file,
      co_await DirectFile::Open(path, {.write = true, .create = true, .exclusive = true}));
  // Without a name it goes when this process does.
  PELTON_CO_ASSIGN_OR_RETURN(const int error, co_await RunBlocking([&path] {
                               return ::unlink(path.c_str()) == 0 ? 0 : errno;
                             }));
  if (error != 0) co_return ErrnoToStatus(error, "unlink", path);
  Calibration calibration(std::move(options), std::move(file));
  co_return co_await calibration.Run();
}

}  // namespace pelton
