// Runs full_disk_writer on a tmpfs of a MiB, in namespaces of its own.
//
// Usage: full_disk_test WRITER DRIVER

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>

#include "framework/base/check.h"

namespace pelton::testing {
namespace {

// What the child returns when it may not have namespaces, or mount there.
constexpr int kRefused = 77;

std::string writer_program;
std::string writer_driver;

bool WriteText(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return written;
}

// Mounts a small tmpfs on `directory`, which this process alone sees.
bool MountSmallDisk(const std::string& directory) {
  const std::string user = "0 " + std::to_string(::geteuid()) + " 1";
  const std::string group = "0 " + std::to_string(::getegid()) + " 1";
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  return WriteText("/proc/self/setgroups", "deny") && WriteText("/proc/self/uid_map", user) &&
         WriteText("/proc/self/gid_map", group) &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=1m") == 0;
}

TEST(FullDiskTest, ErrorsNameThePathAndNothingAcknowledgedIsLost) {
  std::string directory = ::testing::TempDir() + "/pelton_full_XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string driver = "--driver=" + writer_driver;
  const std::string where = "--directory=" + directory;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (!MountSmallDisk(directory)) ::_exit(kRefused);
    ::execl(writer_program.c_str(), writer_program.c_str(), driver.c_str(), "--shards=1",
            where.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  std::filesystem::remove_all(directory);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kRefused) {
    GTEST_SKIP() << "this machine allows no user and mount namespaces; /dev/full and RLIMIT_FSIZE "
                    "are tested by tests/conformance";
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the writer's status: " << status;
}

}  // namespace
}  // namespace pelton::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc != 3) {
    std::cerr << "usage: " << argv[0] << " WRITER DRIVER\n";
    return 2;
  }
  pelton::testing::writer_program = argv[1];
  pelton::testing::writer_driver = argv[2];
  return RUN_ALL_TESTS();
}
