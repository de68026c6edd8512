// What the tests of files share: a fixture that runs coroutines, with a directory of its own.

#ifndef PELTON_TESTS_CONFORMANCE_FILE_TEST_BASE_H_
#define PELTON_TESTS_CONFORMANCE_FILE_TEST_BASE_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "framework/base/status.h"
#include "io/await_operation.h"
#include "io/file/file.h"
#include "sched/deadline.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "tests/conformance/driver_under_test.h"

namespace pelton::testing {

// To make a file, or empty it, and to read and write it.
inline constexpr OpenOptions kNewFile = {
    .access = FileAccess::kReadWrite, .creation = FileCreation::kIfMissing, .truncate = true};

class FileTestBase : public DriverTest {
 protected:
  FileTestBase() = default;
  explicit FileTestBase(const io::Reactor::Options& options) : DriverTest(options) {}

  void SetUp() override {
    DriverTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    std::string name = ::testing::TempDir() + "/pelton_file_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    descriptors_ = OpenDescriptors();
  }
  void TearDown() override {
    DriverTest::TearDown();
    if (directory_.empty()) return;
    EXPECT_EQ(OpenDescriptors(), descriptors_) << "a descriptor was lost";
    std::filesystem::remove_all(directory_);
  }

  // Runs the coroutine that `body()` returns to its end.
  template <typename Body>
  absl::Status RunToStatus(Body body) {
    return harness().Run(body());
  }
  // The same; it must succeed.
  template <typename Body>
  void Run(Body body) {
    const absl::Status status = RunToStatus(std::move(body));
    EXPECT_TRUE(status.ok()) << status;
  }

  const std::string& directory() const { return directory_; }
  std::string Path(std::string_view name) const { return directory_ + "/" + std::string(name); }

  // What a file holds, read without the code under test.
  static std::string Contents(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    EXPECT_TRUE(stream.good()) << path;
    std::ostringstream bytes;
    bytes << stream.rdbuf();
    return std::move(bytes).str();
  }
  static void SetContents(const std::string& path, std::string_view bytes) {
    std::ofstream stream(path, std::ios::binary);
    stream << bytes;
    stream.close();
    EXPECT_TRUE(stream.good()) << path;
  }
  // How many names there are in a directory.
  static size_t CountNames(const std::string& path) {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
  }
  // How many descriptors this process has open.
  static size_t OpenDescriptors() { return CountNames("/proc/self/fd"); }

 private:
  std::string directory_;
  size_t descriptors_ = 0;
};

// Awaits the next turn of the loop.
class [[nodiscard("co_await it")]] FileTestTurn final : public io::OperationAwaiter {
 public:
  FileTestTurn() : OperationAwaiter(io::OperationKind::kNop) {}
  void await_resume() const {}
};

// Whether the message of an error says `text`.
inline bool Says(const absl::Status& status, std::string_view text) {
  return absl::StrContains(std::string(status.message()), std::string(text));
}

}  // namespace pelton::testing

#endif  // PELTON_TESTS_CONFORMANCE_FILE_TEST_BASE_H_
