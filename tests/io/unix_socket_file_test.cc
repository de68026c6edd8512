#include "io/unix_socket_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iterator>
#include <string>

#include "framework/base/status.h"
#include "tests/support/sockets.h"

namespace pelton::io {
namespace {

using testing::Descriptor;
using ::testing::HasSubstr;

class UnixSocketFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Short: a path of a socket has 107 bytes at most.
    std::string name = "/tmp/pelton_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  UnixAddress Address(const std::string& name) const {
    return *UnixAddress::OfPath(folder_ + "/" + name);
  }
  static Descriptor Socket(int type = SOCK_DGRAM) {
    return Descriptor(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  }
  static bool Exists(const UnixAddress& address) {
    return ::access(std::string(address.name()).c_str(), F_OK) == 0;
  }
  // Leaves a socket file behind as a killed process does.
  static void LeaveStale(const UnixAddress& address) {
    Descriptor socket = Socket(SOCK_STREAM);
    ASSERT_EQ(::bind(socket.get(), address.data(), address.size()), 0);
  }

  std::string folder_;
};

TEST_F(UnixSocketFileTest, RemovesTheFileThatItMade) {
  Descriptor socket = Socket();
  absl::StatusOr<UnixSocketFile> file = UnixSocketFile::Bind(socket.get(), Address("a"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->exists());
  EXPECT_TRUE(Exists(Address("a")));
  EXPECT_EQ(UnixSocketFile::RemoveFile(&*file), 0);
  EXPECT_FALSE(Exists(Address("a")));
  EXPECT_EQ(file->Remove(), 0);
}

TEST_F(UnixSocketFileTest, LeavesAFileThatAnotherHasPutThere) {
  Descriptor socket = Socket();
  absl::StatusOr<UnixSocketFile> file = UnixSocketFile::Bind(socket.get(), Address("a"));
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(::unlink(std::string(Address("a").name()).c_str()), 0);
  Descriptor successor = Socket();
  ASSERT_TRUE(UnixSocketFile::Bind(successor.get(), Address("a")).ok());
  EXPECT_EQ(file->Remove(), 0);
  EXPECT_TRUE(Exists(Address("a")));
}

TEST_F(UnixSocketFileTest, ReplacesWhatNobodyAnswersTo) {
  LeaveStale(Address("a"));
  ASSERT_TRUE(Exists(Address("a")));
  Descriptor socket = Socket();
  EXPECT_TRUE(UnixSocketFile::Bind(socket.get(), Address("a")).ok());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(UnixSocketFileTest, LeavesTheLivingAlone) {
  for (const int type : {SOCK_DGRAM, SOCK_STREAM, SOCK_SEQPACKET}) {
    const UnixAddress address = Address("living" + std::to_string(type));
    Descriptor living = Socket(type);  // bound, and not even listening
    ASSERT_EQ(::bind(living.get(), address.data(), address.size()), 0);
    Descriptor socket = Socket();
    const absl::Status status = UnixSocketFile::Bind(socket.get(), address).status();
    EXPECT_EQ(GetErrno(status), EADDRINUSE) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(address.ToString()));
    EXPECT_TRUE(Exists(address));
  }
}

TEST_F(UnixSocketFileTest, LeavesAFileOfAnotherKindAlone) {
  const UnixAddress address = Address("file");
  const Descriptor made(::open(std::string(address.name()).c_str(), O_CREAT | O_CLOEXEC, 0600));
  Descriptor socket = Socket();
  const absl::Status status = UnixSocketFile::Bind(socket.get(), address).status();
  EXPECT_EQ(GetErrno(status), EADDRINUSE);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no socket"));
  EXPECT_TRUE(Exists(address));
}

TEST_F(UnixSocketFileTest, AMissingFolderIsAnErrorThatNamesThePath) {
  Descriptor socket = Socket();
  const absl::Status status = UnixSocketFile::Bind(socket.get(), Address("no/a")).status();
  EXPECT_EQ(GetErrno(status), ENOENT);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/no/a"));
}

TEST_F(UnixSocketFileTest, AnAbstractNameHasNoFile) {
  const UnixAddress address = *UnixAddress::OfAbstract(folder_);
  Descriptor socket = Socket();
  absl::StatusOr<UnixSocketFile> file = UnixSocketFile::Bind(socket.get(), address);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_FALSE(file->exists());
  EXPECT_EQ(file->Remove(), 0);
  Descriptor second = Socket();
  EXPECT_EQ(GetErrno(UnixSocketFile::Bind(second.get(), address).status()), EADDRINUSE);
}

}  // namespace
}  // namespace pelton::io
