// What a DirectoryWatcher says when the user's limits are reached: in a user namespace of this
// process's own, whose limits are lowered. Nobody else is short of watches meanwhile.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "framework/base/status.h"
#include "io/epoll/epoll_driver.h"
#include "io/watch/directory_watcher.h"
#include "tests/support/driver_harness.h"

namespace pelton::testing {
namespace {

bool limited = false;

bool WriteFile(const char* path, const std::string& text) {
  const int file = ::open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(file);
  return written;
}

// REQUIRES: this process has one thread.
bool EnterLimits() {
  const std::string user = std::to_string(::getuid());
  const std::string group = std::to_string(::getgid());
  return ::unshare(CLONE_NEWUSER) == 0 && WriteFile("/proc/self/setgroups", "deny") &&
         WriteFile("/proc/self/uid_map", "0 " + user + " 1") &&
         WriteFile("/proc/self/gid_map", "0 " + group + " 1") &&
         WriteFile("/proc/sys/user/max_inotify_instances", "2") &&
         WriteFile("/proc/sys/user/max_inotify_watches", "2");
}

class WatchLimitsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!limited) GTEST_SKIP() << "user namespaces with limits are not to be had here";
  }
  template <typename Body>
  void Run(Body body) {
    DriverHarness<io::EpollDriver> harness(io::EpollDriver::Create);
    ASSERT_TRUE(harness.status().ok()) << harness.status();
    const absl::Status status = harness.Run(body());
    EXPECT_TRUE(status.ok()) << status;
  }
};

bool Says(const absl::Status& status, const std::string& part) {
  return std::string(status.message()).find(part) != std::string::npos;
}

TEST_F(WatchLimitsTest, TooManyWatchersAreAnErrorThatSaysWhichLimitAndHowToRaiseIt) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(const DirectoryWatcher one, DirectoryWatcher::Create());
    PELTON_CO_ASSIGN_OR_RETURN(const DirectoryWatcher two, DirectoryWatcher::Create());
    const absl::Status refused = DirectoryWatcher::Create().status();
    EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
    EXPECT_EQ(GetErrno(refused), EMFILE);
    EXPECT_TRUE(Says(refused, "as many watchers as fs.inotify.max_user_instances=")) << refused;
    EXPECT_TRUE(Says(refused, "sysctl -w fs.inotify.max_user_instances=N")) << refused;
    co_return absl::OkStatus();
  });
}

TEST_F(WatchLimitsTest, TooManyWatchesAreAnErrorThatNamesThePathAndTheLimit) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectoryWatcher watcher, DirectoryWatcher::Create());
    PELTON_CO_RETURN_IF_ERROR(co_await watcher.Add("/etc"));
    PELTON_CO_ASSIGN_OR_RETURN(const WatchId second, co_await watcher.Add("/usr"));
    const absl::Status refused = (co_await watcher.Add("/dev")).status();
    EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
    EXPECT_EQ(GetErrno(refused), ENOSPC);
    EXPECT_TRUE(Says(refused, "watch /dev: ")) << refused;
    EXPECT_TRUE(Says(refused, "sysctl -w fs.inotify.max_user_watches=N")) << refused;
    PELTON_CO_RETURN_IF_ERROR(watcher.Remove(second));
    co_return (co_await watcher.Add("/dev")).status();
  });
}

TEST_F(WatchLimitsTest, AProcessWithoutDescriptorsIsAnotherError) {
  Run([]() -> Task<absl::Status> {
    std::vector<int> hoard;
    // pelton: bounded: what a test makes
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    for (int fd; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) hoard.push_back(fd);
    const absl::Status refused = DirectoryWatcher::Create().status();
    // pelton: bounded: what a test makes
    for (const int fd : hoard) ::close(fd);
    EXPECT_EQ(GetErrno(refused), EMFILE) << refused;
    EXPECT_FALSE(Says(refused, "sysctl")) << refused;
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing

int main(int argc, char** argv) {
  pelton::testing::limited = pelton::testing::EnterLimits();
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
