#include "tools/io_calibrate/calibration.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "framework/runtime.h"
#include "io/file/io_profile.h"

namespace pelton {
namespace {

class CalibrationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/pelton_calibration_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    const std::string probe = directory_ + "/probe";
    const int descriptor = ::open(probe.c_str(), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    ::unlink(probe.c_str());
    if (descriptor < 0) GTEST_SKIP() << "the file system of " << directory_ << " has no direct I/O";
    ::close(descriptor);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // Calibrates on a shard of its own.
  absl::StatusOr<IoProfile> Calibrate(CalibrationOptions options) {
    Runtime::Options runtime;
    runtime.placement.cpu_of_shard = {0};
    runtime.placement.pins_threads = false;
    runtime.stall_threshold = absl::ZeroDuration();
    absl::StatusOr<IoProfile> profile = absl::UnknownError("did not run");
    const absl::Status status = Runtime(runtime).Run([&](Shard&) -> Task<absl::Status> {
      profile = co_await CalibrateDisk(options);
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return profile;
  }

  std::string directory_;
};

int reported = 0;

TEST_F(CalibrationTest, MeasuresASmallFileAndLeavesNothing) {
  reported = 0;
  const absl::StatusOr<IoProfile> profile =
      Calibrate({.directory = directory_,
                 .bytes = CalibrationOptions::kLeastBytes,
                 .duration = absl::Seconds(2),
                 .report = [](std::string_view line) { reported += line.empty() ? 0 : 1; }});
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_GT(profile->read_iops, 10u);
  EXPECT_GT(profile->write_iops, 10u);
  EXPECT_GT(profile->read_bytes_per_second, uint64_t{1} << 20);
  EXPECT_GT(profile->write_bytes_per_second, uint64_t{1} << 20);
  EXPECT_LE(profile->requests_in_flight, 128u);
  EXPECT_LE(profile->bytes_in_flight, 8u << 20);
  EXPECT_EQ(reported, 14);
  // What was measured is a profile that a service reads.
  const absl::StatusOr<IoProfile> read = ParseIoProfile(profile->ToText());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, *profile);
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
}

TEST_F(CalibrationTest, RefusesOptionsThatMeasureNothing) {
  const absl::Status small = Calibrate({.directory = directory_, .bytes = 1000}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(small));
  EXPECT_EQ(small.message(),
            "calibration with 1000 bytes in 10s: expected at least 4194304 bytes and a duration of "
            "more than 0");
  EXPECT_TRUE(absl::IsInvalidArgument(
      Calibrate({.directory = directory_, .duration = absl::ZeroDuration()}).status()));
}

TEST_F(CalibrationTest, AnErrorNamesThePath) {
  const absl::Status status = Calibrate({.directory = directory_ + "/missing"}).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_NE(status.message().find(directory_ + "/missing/pelton_io_calibration."),
            std::string::npos)
      << status;
}

}  // namespace
}  // namespace pelton
