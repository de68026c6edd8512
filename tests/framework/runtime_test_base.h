// What tests of the threaded runtime share: a service of two shards, on each driver.

#ifndef PELTON_TESTS_FRAMEWORK_RUNTIME_TEST_BASE_H_
#define PELTON_TESTS_FRAMEWORK_RUNTIME_TEST_BASE_H_

#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "framework/cpu_topology.h"
#include "framework/runtime.h"
#include "io/uring/ring.h"
#include "io/uring/uring_driver.h"

namespace pelton::testing {

class RuntimeTestBase : public ::testing::TestWithParam<DriverChoice> {
 protected:
  // A service that finds no locked memory is made again, after a pause: all processes of a user
  // share one limit, and the kernel frees the rings of services that have ended only a while later,
  // without telling.
  static constexpr int kAttempts = 60;
  static constexpr int kPauseMs = 50;

  void SetUp() override {
    if (GetParam() != DriverChoice::kUring) return;
    absl::Status status;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      status = TryRings();
      if (!WantsLockedMemory(status)) break;
      ::poll(nullptr, 0, kPauseMs);
    }
    if (!status.ok()) GTEST_SKIP() << "io_uring does not work here: " << status;
  }

  Runtime::Options TwoShards() const {
    const absl::StatusOr<CpuSources> sources = SystemCpuSources();
    PELTON_CHECK(sources.ok()) << sources.status();
    const absl::StatusOr<CpuLimits> limits = ReadCpuLimits(*sources);
    PELTON_CHECK(limits.ok()) << limits.status();
    absl::StatusOr<ShardPlacement> placement = PlaceShards(*limits, {.cpus = "", .shards = 2});
    PELTON_CHECK(placement.ok()) << placement.status();
    Runtime::Options options;
    options.placement = *std::move(placement);
    options.driver = GetParam();
    options.shard.reactor.chunks = 64;
    return options;
  }

  absl::Status Run(const ServeFunction& serve) { return Run(TwoShards(), serve); }
  absl::Status Run(const Runtime::Options& options, const ServeFunction& serve) {
    for (int attempt = 1;; ++attempt) {
      absl::Status status = Runtime(options).Run(serve);
      if (!WantsLockedMemory(status) || attempt == kAttempts) return status;
      ::poll(nullptr, 0, kPauseMs);
    }
  }

 private:
  static bool WantsLockedMemory(const absl::Status& status) {
    return status.ToString().find("ENOMEM") != std::string::npos;
  }

  // As many rings as a service of two shards has, and one to spare.
  static absl::Status TryRings() {
    std::array<std::unique_ptr<io::Ring>, 4> rings;
    for (std::unique_ptr<io::Ring>& ring : rings) {
      absl::StatusOr<std::unique_ptr<io::Ring>> made =
          io::Ring::Create(io::UringDriver::kSubmissionEntries);
      if (!made.ok()) return made.status();
      ring = *std::move(made);
    }
    return absl::OkStatus();
  }
};

inline auto EachDriver() { return ::testing::Values(DriverChoice::kUring, DriverChoice::kEpoll); }
inline std::string NameOfDriver(const ::testing::TestParamInfo<DriverChoice>& driver) {
  return driver.param == DriverChoice::kUring ? "Uring" : "Epoll";
}

}  // namespace pelton::testing

#endif  // PELTON_TESTS_FRAMEWORK_RUNTIME_TEST_BASE_H_
