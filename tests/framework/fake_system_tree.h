// A folder that holds /proc and /sys as a test wants them.

#ifndef PELTON_TESTS_FRAMEWORK_FAKE_SYSTEM_TREE_H_
#define PELTON_TESTS_FRAMEWORK_FAKE_SYSTEM_TREE_H_

#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace pelton {

// The folder is new for each test, and gone with this object.
class FakeSystemTree {
 public:
  FakeSystemTree() {
    const ::testing::TestInfo* test = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string(test->test_suite_name()) + "." + test->name();
    for (char& c : name) c = c == '/' ? '_' : c;
    folder_ = std::filesystem::path(::testing::TempDir()) / name;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  FakeSystemTree(const FakeSystemTree&) = delete;
  FakeSystemTree& operator=(const FakeSystemTree&) = delete;
  ~FakeSystemTree() { std::filesystem::remove_all(folder_); }

  // What goes before /proc and /sys.
  std::string root() const { return folder_.string(); }

  // Writes the file at `path`, such as "/proc/self/cgroup".
  void Write(const std::string& path, const std::string& text) {
    const std::string whole = root() + path;
    std::filesystem::create_directories(std::filesystem::path(whole).parent_path());
    std::ofstream out(whole, std::ios::binary);
    out << text;
    ASSERT_TRUE(out.good()) << whole;
  }

  // A process in `group` of the version 2 tree, which is mounted at /sys/fs/cgroup with `top` at
  // its top.
  void MountVersion2(const std::string& group, const std::string& top = "/") {
    Write("/proc/self/cgroup", "0::" + group + "\n");
    Write("/proc/self/mountinfo",
          "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
          "31 23 0:28 " +
              top +
              " /sys/fs/cgroup rw,nosuid shared:4 master:1 - cgroup2 cgroup2 rw,nsdelegate\n");
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace pelton

#endif  // PELTON_TESTS_FRAMEWORK_FAKE_SYSTEM_TREE_H_
