#include "io/names/name_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace pelton::io {
namespace {

using ::testing::HasSubstr;

class NameFilesTest : public ::testing::Test {
 protected:
  NameFilesTest() {
    directory_ = ::testing::TempDir() + "/name_files.XXXXXX";
    EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
    job_.resolv_conf_path = directory_ + "/resolv.conf";
    job_.hosts_path = directory_ + "/hosts";
  }
  ~NameFilesTest() override { std::filesystem::remove_all(directory_); }

  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }
  // Takes what was read out, as its user does.
  void Load() {
    job_.resolv_conf.reset();
    job_.hosts.reset();
    LoadNameFiles(job_);
  }

  std::string directory_;
  NameFilesJob job_;
};

TEST_F(NameFilesTest, ReadsBothFilesOnce) {
  Write(job_.resolv_conf_path, "nameserver 10.0.0.1\n");
  Write(job_.hosts_path, "10.0.0.2 box\n");
  Load();
  ASSERT_TRUE(job_.status.ok()) << job_.status;
  ASSERT_TRUE(job_.resolv_conf.has_value() && job_.hosts.has_value());
  EXPECT_EQ(job_.resolv_conf->servers[0].ToString(), "10.0.0.1:53");
  EXPECT_EQ(job_.hosts->size(), 1u);
  Load();
  EXPECT_FALSE(job_.resolv_conf.has_value() || job_.hosts.has_value());
}

TEST_F(NameFilesTest, ReadsWhatHasChanged) {
  Write(job_.resolv_conf_path, "nameserver 10.0.0.1\n");
  Load();
  EXPECT_EQ(job_.hosts->size(), 0u);  // there is none
  Write(job_.hosts_path, "10.0.0.2 box\n");
  Load();
  EXPECT_FALSE(job_.resolv_conf.has_value());
  ASSERT_TRUE(job_.hosts.has_value());
  EXPECT_EQ(job_.hosts->size(), 1u);
  std::filesystem::remove(job_.hosts_path);
  Load();
  ASSERT_TRUE(job_.hosts.has_value());
  EXPECT_EQ(job_.hosts->size(), 0u);
}

TEST_F(NameFilesTest, AnEmptyPathIsAnEmptyFile) {
  job_.resolv_conf_path = job_.hosts_path = "";
  Load();
  EXPECT_TRUE(job_.status.ok());
  EXPECT_TRUE(job_.resolv_conf.has_value() && job_.hosts.has_value());
  Load();
  EXPECT_FALSE(job_.resolv_conf.has_value() || job_.hosts.has_value());
}

TEST_F(NameFilesTest, ErrorsNameThePathAndTheOtherFileIsRead) {
  ASSERT_EQ(::mkfifo(job_.resolv_conf_path.c_str(), 0600), 0);
  Write(job_.hosts_path, "10.0.0.2 box\n");
  Load();
  EXPECT_THAT(std::string(job_.status.message()), HasSubstr(job_.resolv_conf_path));
  EXPECT_FALSE(job_.resolv_conf.has_value());
  ASSERT_TRUE(job_.hosts.has_value());
  EXPECT_EQ(job_.hosts->size(), 1u);

  Write(job_.hosts_path, std::string(5 << 20, '\n'));
  Load();
  EXPECT_FALSE(job_.hosts.has_value());
  std::filesystem::remove(job_.resolv_conf_path);
  Load();
  EXPECT_TRUE(absl::IsResourceExhausted(job_.status)) << job_.status;
}

}  // namespace
}  // namespace pelton::io
