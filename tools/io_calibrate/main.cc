// Measures a disk and writes its profile for --io_profile; see tools/calibrate_io.

#include <cstdio>
#include <fstream>
#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "framework/blocking.h"
#include "framework/pelton.h"
#include "io/file/io_profile.h"
#include "tools/io_calibrate/calibration.h"

ABSL_FLAG(std::string, directory, ".", "a directory on the disk to measure");
ABSL_FLAG(std::string, output, "", "where the profile goes; empty: to stdout");
ABSL_FLAG(uint64_t, mebibytes, 512, "the most room that the measurement takes there, at least 4");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(10), "how long it measures");

namespace pelton {
namespace {

void Report(std::string_view line) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

absl::Status WriteText(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (file) return absl::OkStatus();
  return absl::UnknownError(absl::StrCat("--output=", path, ": it cannot be written"));
}

Task<absl::Status> Serve(Shard& shard) {
  if (shard.shards() != 1) {
    co_return absl::InvalidArgumentError("a disk is measured by one shard; expected --shards=1");
  }
  PELTON_CO_ASSIGN_OR_RETURN(const IoProfile profile,
                             co_await CalibrateDisk({.directory = absl::GetFlag(FLAGS_directory),
                                                     .bytes = absl::GetFlag(FLAGS_mebibytes) << 20,
                                                     .duration = absl::GetFlag(FLAGS_duration),
                                                     .report = &Report}));
  const std::string text =
      absl::StrCat("# The disk of ", absl::GetFlag(FLAGS_directory), "\n", profile.ToText());
  const std::string path = absl::GetFlag(FLAGS_output);
  if (path.empty()) {
    std::fputs(text.c_str(), stdout);
    co_return absl::OkStatus();
  }
  co_return co_await RunBlocking([&] { return WriteText(path, text); });
}

}  // namespace
}  // namespace pelton

int main(int argc, char** argv) {
  return pelton::Main(argc, argv, pelton::Serve,
                      "Measures a disk and writes a profile for --io_profile.");
}
